"""Labelled images that tests draw: plain text on paper, of any alphabet and any lengths."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from captcha_models.data.geometry import Geometry, stepped
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.generator.text import FONTS

DIGITS = "0123456789"
CHINESE = "京沪粤苏浙鲁川渝"


def plain(texts: Sequence[str], size: tuple[int, int] = (200, 50)) -> LabelledImages:
    """Black text on white paper; symbols that the font lacks become boxes."""
    font = ImageFont.truetype(FONTS / "Go-Bold.ttf", 0.6 * size[1])
    pixels = []
    for text in texts:
        image = Image.new("L", size, 255)
        ImageDraw.Draw(image).text((size[1] // 5, size[1] // 6), text, 20, font)
        pixels.append(np.asarray(image)[None])
    names = tuple(f"{i:05d}.png" for i in range(len(texts)))
    return LabelledImages(names, tuple(texts), np.stack(pixels), "drawn text")


def ragged(texts: Sequence[str], height: int = 32) -> LabelledImages:
    """Black text on white paper, each image about as wide as its text."""
    room = stepped(height * max(map(len, texts)))
    widths = np.array([stepped(height * len(text) * 5 // 8) for text in texts])
    geometry = Geometry(height=height, width=room, keep_aspect=True)
    return replace(plain(texts, (room, height)), widths=widths, geometry=geometry)


def texts(count: int, alphabet: str, lengths: Sequence[int], seed: int = 0) -> list[str]:
    """Labels at random, each symbol of the alphabet in one of them at least."""
    rng = random.Random(seed)
    found = ["".join(rng.choices(alphabet, k=rng.choice(lengths))) for _ in range(count)]
    for i, symbol in enumerate(alphabet[:count]):
        found[i] = symbol + found[i][1:]
    return found


def halved(images: LabelledImages) -> Split:
    """Three of four images train, every eighth validates, every eighth is the locked test set."""
    rows = np.arange(len(images))
    parts = (rows[rows % 4 != 0], rows[rows % 8 == 0], rows[rows % 8 == 4])
    return Split(*parts, fold=0, folds=5, seed=0)
