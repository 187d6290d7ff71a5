"""Likeness of generated images to a data set's own: whether the generator stands in for them.

Two reasons speak against it. It cannot draw such labels: a symbol that its fonts lack, too many
symbols for its width, fewer labels than a batch asks for, images of another size. Or it draws them,
and its images look otherwise.
"""

from functools import lru_cache
from textwrap import shorten

import numpy as np
from numpy.typing import NDArray

from captcha_models import generator as kaptcha
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import LabelledImages, squish
from captcha_models.data.splits import Split
from captcha_models.data.synthetic_stream import stream_style
from captcha_models.errors import InputError

COMPARED = 200
"""Training images that are compared with as many generated ones, at most."""
MOST_GREY = 9.5
"""Grey levels between the histograms of images alike: see `distances`."""
MOST_INK = 0.09
"""Share of ink between the columns of images alike: see `distances`."""


def cannot_draw(images: LabelledImages, split: Split, count: int) -> str | None:
    """Why the generator cannot fill a batch with images such as these; None if it can.

    Args:
        images: of the data set.
        split: what validates and tests gives labels that are never drawn.
        count: images that are needed at a time, at least 1; their labels differ.
    """
    if images.size != (HEIGHT, WIDTH) or images.geometry.keep_aspect:
        size = images.geometry.describe()
        return f"the generator draws {WIDTH} x {HEIGHT} px, these images are {size}"
    held_out = frozenset(images.labels[i] for i in (*split.valid, *split.test))
    training = (images.labels[i] for i in split.train)
    lengths = tuple(sorted({len(label) for label in training}))
    return _refusal(images.preset, images.charset.symbols, lengths, held_out, count)


@lru_cache(maxsize=64)
def _refusal(
    preset: str, symbols: str, lengths: tuple[int, ...], held_out: frozenset[str], count: int
) -> str | None:
    from captcha_models.charset import Charset

    try:
        style = stream_style(preset, [symbols[0] * n for n in lengths], Charset(symbols))
        kaptcha.labels(style, 0, count, exclude=held_out)
    except InputError as error:
        # It may name a whole alphabet.
        return f"the generator cannot draw labels like these: {shorten(str(error), 160)}"
    return None


def draws_another_kind(images: LabelledImages, split: Split) -> str | None:
    """Why generated images are of another kind than these; None if they look alike.

    What the generator made itself is of its kind by definition.

    Args:
        images: whose labels it can draw.
        split: its training images are compared.
    """
    if images.source.startswith("generator"):
        return None
    grey, ink = distances(images, split)
    if grey <= MOST_GREY and ink <= MOST_INK:
        return None
    return (
        f"the generator's look otherwise: grey values differ by {grey:.0f} of 255, ink in the "
        f"columns by {100 * ink:.0f} %"
    )


def no_captchas(images: LabelledImages, split: Split, count: int = 32) -> str | None:
    """Why no captchas of the generator should be trained on beside these; None if they may.

    Args:
        images: of the data set.
        split: of them.
        count: generated images in a batch, at most.
    """
    return cannot_draw(images, split, count) or draws_another_kind(images, split)


def distances(images: LabelledImages, split: Split) -> tuple[float, float]:
    """How far training images lie from generated ones of the same labels, by two measures.

    The first is the distance between their grey values' histograms, the mean grey levels that a
    pixel has to move (earth mover's distance); the second the mean distance between the columns'
    mean ink, a column's share of pixels darker than the paper, by how much darker they are.

    Against the preset `default`, over 12 to 200 images:

        the article's images      0.1 to 0.8 grey levels      0.003 to 0.019 of ink
        preset default            0.0 to 1.3                  0.004 to 0.019
        preset hard               5.9 to 7.5                  0.042 to 0.054
        preset extreme            4.0 to 4.8                  0.060 to 0.075
        digits4, squeezed        12.9 to 16.7                 0.165 to 0.172
        receipts, squeezed       16.0 to 26.4                 0.158 to 0.172
        fonts on plain paper     25.1 to 142                  0.118 to 0.43

    The bounds lie half-way between those above and those below. 200 images take 0.3 s.

    Args:
        images: 200 x 50 px, whose labels the generator can draw.
        split: of them.
    """
    rows = np.random.default_rng(0).permutation(split.train)[:COMPARED]
    own = images.pixels[rows].mean(axis=1).round().astype(np.uint8)
    texts = [images.labels[i] for i in rows]
    style = stream_style(images.preset, texts, images.charset)
    drawn = squish(kaptcha.draw(style, texts, 0))[:, 0]
    grey = float(np.abs(np.cumsum(_histogram(own) - _histogram(drawn))).sum())
    return grey, float(np.abs(_ink(own) - _ink(drawn)).mean())


def _histogram(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(256,) share of each grey value."""
    return np.bincount(grey.ravel(), minlength=256) / grey.size


def _ink(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(W,) mean ink of the columns of (N, H, W) images; the paper is the 90th percentile."""
    paper = np.quantile(grey, 0.9, axis=(1, 2), keepdims=True)
    found: NDArray[np.float64] = np.clip((paper - grey) / 255, 0, None).mean(axis=(0, 1))
    return found
