"""Renderer: grey images of texts, with random numbers that depend on seed and image alone."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captcha_models.errors import InputError
from captcha_models.generator import distort, noise, text
from captcha_models.generator.style import Style

_CHUNK = 128  # images at a time, so that the layers stay in the processor's cache
_TALLEST = 65_000  # px, of a JPEG image
_STEP = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def draw(
    style: Style, texts: Sequence[str], seed: int, indices: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """Draw images.

    Image i depends on (style, texts[i], seed, indices[i]) alone: not on its neighbours, nor on
    processes, threads or machines, as long as Pillow and numpy stay the same.

    Args:
        style: how they look.
        texts: N texts of the style's symbols; any length of at least 1, cut off at the right
            edge if too long.
        seed: any integer.
        indices: N numbers of the images; None for 0 to N - 1.

    Returns:
        (N, 1, H, W) grey, 0 black to 255 white.

    Raises:
        InputError: (a ValueError) if a text is empty or has a symbol that the style lacks, or
            if there are not as many indices as texts.
    """
    numbers = np.arange(len(texts)) if indices is None else np.asarray(indices, dtype=np.int64)
    if len(numbers) != len(texts):
        raise InputError(f"indices: {len(numbers)} given for {len(texts)} texts; must be as many")
    images = np.empty((len(texts), 1, style.height, style.width), np.uint8)
    chunk = max(1, min(_CHUNK, _TALLEST // (style.height + 7)))
    for first in range(0, len(texts), chunk):
        part = slice(first, first + chunk)
        drawn = choices(style, texts[part], seed, numbers[part])
        images[part, 0] = draw_choices(style, *drawn)
    return images


def choices(
    style: Style, texts: Sequence[str], seed: int, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """All that differs between images.

    Args:
        style: how they look.
        texts: N texts.
        seed: any integer.
        numbers: (N,) of the images.

    Returns:
        (N, L) glyph ids, shorter texts padded with the empty glyph; (N, curves, 4) noise heights as
        shares of H.

    Raises:
        InputError: (a ValueError) if a text is empty or has a symbol that the style lacks.
    """
    symbols, most = style.table.symbols, max(map(len, texts), default=0)
    random = uniforms(seed, numbers, 4 * style.curves + most)
    heights = random[:, : 4 * style.curves].reshape(len(random), style.curves, 4)
    fonts = (random[:, 4 * style.curves :] * len(style.fonts)).astype(np.int32)
    ids = np.full((len(texts), most), len(style.table.start) - 1, np.int32)
    for row, label in enumerate(texts):
        if not label:
            raise InputError("text '': must have at least one symbol")
        try:
            places = [symbols[symbol] for symbol in label]
        except KeyError as unknown:
            symbol = unknown.args[0]
            raise InputError(f"text {label!r}: the style has no symbol {symbol!r}") from None
        ids[row, : len(label)] = fonts[row, : len(label)] * len(symbols) + places
    return ids, heights


def pens(style: Style, ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """(N, L) the pen position of each glyph, px from the left edge."""
    advance = style.table.advance[ids]
    lengths = (ids < len(style.table.start) - 1).sum(axis=1)
    first = np.array([style.pen(int(length)) for length in lengths], np.int32)
    return (first[:, None] + np.cumsum(advance, axis=1) - advance).astype(np.int32)


def draw_choices(
    style: Style, ids: NDArray[np.int32], heights: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """(N, H, W) images of what `choices` returns."""
    n, shape = len(ids), (style.height, style.width)
    even, odd = text.set_type(style.table, ids, pens(style, ids), style.width)
    ink = np.maximum(style.table.columns[even], style.table.columns[odd])  # (N, W, H)
    sources = np.ascontiguousarray(ink.reshape(n, -1).T, dtype=np.float32)
    seen = (style.warp @ sources).astype(np.int32) // distort.ONE  # (H * W, N)
    clear = np.ascontiguousarray((255 - seen).astype(np.uint8).T).reshape(n, *shape)
    if style.noise > 0:
        for curve in range(style.curves):
            for place, segments in enumerate(noise.flatten(heights[:, curve], curve, *shape)):
                noise.stroke(clear, segments, style.noise * noise.breadth(place))
    grey = ((style.background.astype(np.uint16) * clear + 127) // 255).astype(np.uint8)
    return compress(grey, style.jpeg) if style.jpeg else grey


def compress(grey: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """(N, H, W) through JPEG and back: all in one, as blocks of 8 x 8 px stay in an image."""
    n, height, width = grey.shape
    down, right = -height % 8, -width % 8
    padded = np.pad(grey, ((0, 0), (0, down), (0, right)), mode="edge")
    tall = Image.fromarray(padded.reshape(n * (height + down), width + right))
    stream = io.BytesIO()
    tall.save(stream, "JPEG", quality=quality)
    back = np.asarray(Image.open(stream)).reshape(padded.shape)
    return back[:, :height, :width]


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniforms(seed: int, indices: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Independent uniform numbers for each image.

    Args:
        seed: any integer; taken modulo 2**64.
        indices: (N,) the images' own numbers.
        count: how many numbers each image gets; the first ones do not depend on it.

    Returns:
        (N, count) in [0, 1), multiples of 2**-53.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied to seed, image and
        position in turn.
    Integer arithmetic only, so every machine gives the same numbers.
    """
    key = _mix(np.array([(seed + 1) * _STEP & _MASK], dtype=np.uint64))
    image = _mix(key ^ _mix((indices.astype(np.uint64) + np.uint64(1)) * np.uint64(_STEP)))
    position = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
    bits = _mix(image[:, None] + position[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
