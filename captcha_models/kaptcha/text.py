"""Glyph masks and type-setting: which column of which glyph covers each column of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).parent.parent / "fonts"
# Glyphs are drawn this much larger and averaged down: unhinted shapes, as the original renderer draws them.
_OVERSAMPLE = 8


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


@lru_cache(maxsize=4096)
def has_glyph(font: str, symbol: str) -> bool:
    """Whether the font draws `symbol` with a shape of its own rather than with the box of a missing one."""
    face = load_font(font, 40.0)
    return bytes(face.getmask(symbol)) not in (b"", bytes(face.getmask("\U0010fffe")))


@dataclass(frozen=True)
class Glyph:
    """One symbol of one font.

    Attributes:
        ink: (H, width) 0 to 255, the baseline in place, empty columns cut off.
        left: px from the pen to the first column; may be negative.
        advance: px from this pen to the next.
    """

    ink: NDArray[np.uint8]
    left: int
    advance: int


@lru_cache(maxsize=4096)
def glyph(
    font: str, symbol: str, size: float, weight: float, baseline: float, height: int, spacing: int
) -> Glyph:
    """Draw one symbol.

    Args:
        font: file name or path.
        symbol: one character.
        size: px per em.
        weight: px added around the outline, at least 0.
        baseline: px from the top of the image.
        height: H, of the image.
        spacing: px between the ink of neighbours.
    """
    k = _OVERSAMPLE
    face = load_font(font, size * k)
    x0, _, x1, _ = face.getbbox(symbol, anchor="ls")
    pad = int(np.ceil(size * 0.5 + weight)) + 1
    columns = pad + int(np.ceil(x1 / k)) + pad
    large = Image.new("L", (columns * k, height * k))
    ImageDraw.Draw(large).text(
        (pad * k, round(baseline * k)),
        symbol,
        fill=255,
        font=face,
        anchor="ls",
        stroke_width=weight * k,
    )
    ink = np.asarray(large.reduce(k))
    inked = np.flatnonzero(ink.max(axis=0))
    if inked.size == 0:
        return Glyph(np.zeros((height, 0), np.uint8), 0, spacing)
    first, last = int(inked[0]), int(inked[-1]) + 1
    return Glyph(ink[:, first:last].copy(), first - pad, int((x1 - x0) / k) + spacing)


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


def make_table(glyphs: Sequence[Glyph], symbols: Sequence[str], height: int) -> GlyphTable:
    """Cut glyphs, ordered by font and then by symbol, into one table of columns."""
    empty = Glyph(np.zeros((height, 0), np.uint8), 0, 0)
    every = [*glyphs, empty]
    width = np.array([g.ink.shape[1] for g in every], np.int32)
    columns = np.concatenate([np.zeros((1, height), np.uint8)] + [g.ink.T for g in every])
    return GlyphTable(
        columns=np.ascontiguousarray(columns),
        start=(1 + np.cumsum(width) - width).astype(np.int32),
        left=np.array([g.left for g in every], np.int32),
        width=width,
        advance=np.array([g.advance for g in every], np.int32),
        symbols={symbol: place for place, symbol in enumerate(symbols)},
    )


def set_type(
    table: GlyphTable, ids: NDArray[np.int32], pen: NDArray[np.int32], width: int
) -> NDArray[np.int32]:
    """Place each text's glyphs one after another.

    Args:
        table: the glyphs.
        ids: (N, L) glyphs; shorter texts end in the empty glyph.
        pen: (N,) px from the left edge to the first pen position.
        width: W, of the image.

    Returns:
        (2, N, W) rows of `table.columns`: glyphs at even places, then those at odd places. Neighbours may overlap,
        glyphs two places apart never do.
    """
    rows = np.zeros((2, len(ids), width), np.int32)
    x = np.arange(width, dtype=np.int32)[None, :]
    pen = pen.astype(np.int32)
    for place in range(ids.shape[1]):
        g = ids[:, place]
        column = x - (pen + table.left[g])[:, None]
        covered = (column >= 0) & (column < table.width[g][:, None])
        np.copyto(rows[place % 2], column + table.start[g][:, None], where=covered)
        pen = pen + table.advance[g]
    return rows


def with_shadow(plain: Glyph, offset: int = 3, share: float = 0.45) -> Glyph:
    """The glyph over its own grey shadow, `offset` px to the right and down."""
    height, width = plain.ink.shape
    ink = np.zeros((height, width + offset), np.uint8)
    ink[offset:, offset:] = (plain.ink[:-offset] * share).astype(np.uint8)
    ink[:, :width] = np.maximum(ink[:, :width], plain.ink)
    return Glyph(ink, plain.left, plain.advance)
