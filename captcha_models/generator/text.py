"""Glyph masks and type-setting: which column of which glyph covers each column of an image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from captcha_models.generator.faces import FACES, Face, Fit

FONTS = Path(__file__).parent.parent / "fonts"
# Glyphs are drawn this much larger and averaged down: unhinted shapes, as the original renderer
# draws them.
_OVERSAMPLE = 8
_FIT_SIZE = 40.0
# The original letters are fitted to the pixel grid, so fewer of their pixels are grey than exact
# coverage makes. At this slope the grey values are distributed as in the real images.
_STEEPNESS = 1.4


@lru_cache(maxsize=64)
def load_font(name: str, size: float) -> ImageFont.FreeTypeFont:
    """A font by file name in this package's `fonts` folder, or by path.

    Raises:
        OSError: if there is no such file, or if it is not a font.
    """
    path = FONTS / name
    return ImageFont.truetype(
        str(path if path.is_file() else name), size, layout_engine=ImageFont.Layout.BASIC
    )


def face_of(name: str) -> Face:
    """A face by its name in `FACES`, or a font file as it is."""
    return FACES.get(name) or Face(name, {})


@lru_cache(maxsize=4096)
def has_glyph(font: str, symbol: str) -> bool:
    """Whether the font draws `symbol` with ink and not with the box of a missing one."""
    face = load_font(font, 40.0)
    shape = bytes(face.getmask(symbol))
    return any(shape) and shape != bytes(face.getmask("\U0010fffe"))


@dataclass(frozen=True)
class Glyph:
    """One symbol of one face.

    Attributes:
        ink: (H, width) 0 to 255, the baseline in place, empty columns cut off.
        left: px from the pen to the first column; may be negative.
        advance: px from this pen to the next.
    """

    ink: NDArray[np.uint8]
    left: int
    advance: int


def draw_glyph(
    face: Face, symbol: str, size: float, weight: float, baseline: float, height: int
) -> Glyph:
    """Draw one symbol; without a fit it advances by the whole px of its ink's width.

    Args:
        face: gives the shape.
        symbol: one character.
        size: px per em.
        weight: px added around the outline, at least 0.
        baseline: px from the top of the image.
        height: H, of the image.
    """
    font, fit = shape_of(face, symbol, size)
    scale = size / _FIT_SIZE
    left, right = fit.left * scale, fit.right * scale
    top, bottom = baseline + fit.top * scale, baseline + fit.bottom * scale
    x0, y0, x1, y1 = _ink_box(font, symbol)
    pad = math.ceil(weight * _OVERSAMPLE) + 1
    large = Image.new("L", (x1 - x0 + 2 * pad, y1 - y0 + 2 * pad))
    ImageDraw.Draw(large).text(
        (pad - x0, pad - y0), symbol, 255, font, "ls", stroke_width=weight * _OVERSAMPLE
    )
    first, last = math.floor(left - weight) - 1, math.ceil(right + weight) + 1
    across, down = (x1 - x0) / (right - left), (y1 - y0) / (bottom - top)
    rows = pad + (np.arange(height + 1.0) - top) * down
    columns = pad + (np.arange(first, last + 1.0) - left) * across
    average = _integral(_integral(np.asarray(large), rows).T, columns).T / (across * down)
    steep = np.clip((average - 127.5) * _STEEPNESS + 127.5, 0.0, 255.0)
    ink = np.floor(steep + 0.5).astype(np.uint8)
    inked = np.flatnonzero(ink.max(axis=0))
    begin, end = (int(inked[0]), int(inked[-1]) + 1) if inked.size else (0, 0)
    return Glyph(ink[:, begin:end].copy(), first + begin, advance_of(face, symbol, size))


def shape_of(face: Face, symbol: str, size: float) -> tuple[ImageFont.FreeTypeFont, Fit]:
    """The font that draws a symbol, enlarged, and its box: the fitted one or the font's own."""
    fit = face.fits.get(symbol)
    font = load_font(fit.font if fit else face.font, size * _OVERSAMPLE)
    if fit is None:
        k = _FIT_SIZE / size / _OVERSAMPLE
        left, top, right, bottom = (edge * k for edge in _ink_box(font, symbol))
        fit = Fit(face.font, left, top, right, bottom, int(right - left))
    return font, fit


def advance_of(face: Face, symbol: str, size: float) -> int:
    """From one pen position to the next, px, without the spacing."""
    return round(shape_of(face, symbol, size)[1].advance * size / _FIT_SIZE)


@lru_cache(maxsize=4096)
def _ink_box(font: ImageFont.FreeTypeFont, symbol: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the ink, px from the pen and the baseline."""
    mask, (x, y) = font.getmask2(symbol, "L", anchor="ls")
    # The mask spans the font's own advance too; only ink counts.
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    return x + left, y + top, x + right, y + bottom


def _integral(values: NDArray[np.generic], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of rows between neighbouring edges, parts of rows included; (edges - 1, columns).

    Parts are multiples of 1 / 4096, so that every sum is exact and the same everywhere.
    """
    below = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=below[1:])
    edges = np.clip(edges, 0.0, len(values))
    whole = np.minimum(edges.astype(int), len(values) - 1)
    part = np.round((edges - whole) * 4096.0)[:, None] / 4096.0
    return np.diff(below[whole] + part * (below[whole + 1] - below[whole]), axis=0)


def with_shadow(plain: Glyph, offset: int = 3, share: float = 0.45) -> Glyph:
    """The glyph over its own grey shadow, `offset` px to the right and down."""
    height, width = plain.ink.shape
    ink = np.zeros((height, width + offset), np.uint8)
    ink[offset:, offset:] = (plain.ink[: max(0, height - offset)] * share).astype(np.uint8)
    ink[:, :width] = np.maximum(ink[:, :width], plain.ink)
    return Glyph(ink, plain.left, plain.advance)


@dataclass(frozen=True)
class GlyphTable:
    """All glyphs of a style, cut into columns.

    Attributes:
        columns: (C, H) ink, 0 to 255; row 0 is empty.
        start: (G,) the row of each glyph's first column; glyph G - 1 is the empty one.
        left: (G,) px from the pen to the first column.
        width: (G,) columns.
        advance: (G,) px from this pen to the next.
        symbols: symbol -> its place; glyph = font * len(symbols) + place.
    """

    columns: NDArray[np.uint8]
    start: NDArray[np.int32]
    left: NDArray[np.int32]
    width: NDArray[np.int32]
    advance: NDArray[np.int32]
    symbols: dict[str, int]


def make_table(
    glyphs: Sequence[Glyph], symbols: Sequence[str], spacing: int, height: int
) -> GlyphTable:
    """Cut glyphs, ordered by font, then by symbol, into columns; `spacing` px follow each."""
    every = [*glyphs, Glyph(np.zeros((height, 0), np.uint8), 0, -spacing)]
    width = np.array([g.ink.shape[1] for g in every], np.int32)
    columns = np.concatenate([np.zeros((1, height), np.uint8)] + [g.ink.T for g in every])
    return GlyphTable(
        columns=np.ascontiguousarray(columns),
        start=(1 + np.cumsum(width) - width).astype(np.int32),
        left=np.array([g.left for g in every], np.int32),
        width=width,
        advance=np.array([g.advance + spacing for g in every], np.int32),
        symbols={symbol: place for place, symbol in enumerate(symbols)},
    )


def set_type(
    table: GlyphTable, ids: NDArray[np.int32], pens: NDArray[np.int32], width: int
) -> NDArray[np.int32]:
    """Place each text's glyphs one after another.

    Args:
        table: the glyphs.
        ids: (N, L) glyphs; shorter texts end in the empty glyph.
        pens: (N, L) px from the left edge to each glyph's pen position.
        width: W, of the image.

    Returns:
        (2, N, W) rows of `table.columns`: glyphs at even places, then those at odd places.
        Neighbours may overlap, glyphs two places apart do not.
    """
    rows = np.zeros((2, len(ids), width), np.int32)
    x = np.arange(width, dtype=np.int32)[None, :]
    for place in range(ids.shape[1]):
        g = ids[:, place]
        column = x - (pens[:, place] + table.left[g])[:, None]
        covered = (column >= 0) & (column < table.width[g][:, None])
        np.copyto(rows[place % 2], column + table.start[g][:, None], where=covered)
    return rows
