"""Geometry: the height and width at which images reach a model, chosen from the data.

Images whose proportions are alike are squeezed to one size, as the article does. Where they differ
much, an image keeps its proportions: it is scaled to the common height and filled up on the right
with its own paper, so that a symbol is as wide in a long text as in a short one.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from captcha_models.charset import min_steps
from captcha_models.errors import InputError

HEIGHT, WIDTH = 50, 200
"""Size of the article's images and of the generator's, in px."""
STEP = 16
"""Px; widths that differ are multiples of it, so that batches of few different widths occur."""
ALIKE = 1.25
"""Largest proportion to the smallest, up to which images are squeezed to one size."""
SMALLEST, LARGEST = 16, 4096
"""Px that a height or width may have."""
LONGEST = 8
"""Times the median width; what is longer is squeezed to that."""
ROOM = 16.0
"""Px that a CTC step of the closest label should have; narrower images are stretched."""
MOST_STRETCHED = 2.0
FLAT = 1.5 / 255
"""Least range of brightness in a column with something in it; what fills an image up has none."""


class Geometry(BaseModel):
    """How an image of any size becomes one that a model reads.

    Attributes:
        height: H of every image, px.
        width: W of every image or, where the aspect is kept, of the widest, px.
        keep_aspect: scale to the height and fill up with paper; else squeeze to height and width.
        stretch: factor on the natural width of the images, which gives close labels room.
    """

    model_config = ConfigDict(frozen=True)

    height: int = Field(HEIGHT, ge=SMALLEST, le=LARGEST)
    width: int = Field(WIDTH, ge=SMALLEST, le=LARGEST)
    keep_aspect: bool = False
    stretch: float = Field(1.0, gt=0, le=10)

    def columns(self, width: int, height: int) -> int:
        """Px of an image's own content, of that width and height, before it is filled up."""
        if not self.keep_aspect:
            return self.width
        return min(max(round(width * self.height * self.stretch / height), 1), self.width)

    def suits(self, width: int, height: int) -> bool:
        """Whether an image of that size hardly changes its proportions."""
        natural = width * self.height * self.stretch / height
        fits = natural <= ALIKE * self.width
        return fits and (self.keep_aspect or self.width <= ALIKE * natural)

    def fit(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(C, H, w) of an image (h, w) or (h, w, 3); w is the width, or at most it in steps."""
        height, width = pixels.shape[:2]
        columns = self.columns(width, height)
        if (height, width) != (self.height, columns):
            image = Image.fromarray(pixels).resize(
                (columns, self.height), Image.Resampling.BILINEAR
            )
            pixels = np.asarray(image)
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return filled(planes, stepped(columns)) if self.keep_aspect else planes

    def describe(self) -> str:
        """The size in words, for the person."""
        if not self.keep_aspect:
            return f"{self.width} x {self.height} px"
        return f"{self.height} px high, up to {self.width} px wide as the text is long"


def stepped(width: int) -> int:
    """The width in px, up to the next step; two at least, for the networks halve it often."""
    return max(-(-width // STEP), 2) * STEP


def filled(planes: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """(C, H, width) of an image (C, H, w), w at most the width: its paper stands on the right."""
    channels, height, own = planes.shape
    if own == width:
        return planes
    found = np.empty((channels, height, width), dtype=np.uint8)
    found[:] = paper(planes)[:, None, None]
    found[:, :, :own] = planes
    return found


def paper(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(C,) the colour behind the text of an image (C, H, W): the median of its border."""
    border = np.concatenate(
        [planes[:, 0], planes[:, -1], planes[:, :, 0], planes[:, :, -1]], axis=1
    )
    found: NDArray[np.uint8] = np.median(border, axis=1).astype(np.uint8)
    return found


def read_size(text: str) -> Geometry | None:
    """The geometry that `--size` names: `HEIGHTxWIDTH`, squeezed; a height alone keeps the aspect.

    Args:
        text: such as `50x200` or `48`; `auto` is None, chosen from the images.

    Raises:
        InputError: written otherwise, or a number out of range.
    """
    if text == "auto":
        return None
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    numbers = [int(number) for number in match.groups() if number] if match else []
    if not numbers or not all(SMALLEST <= number <= LARGEST for number in numbers):
        raise InputError(
            f"--size {text!r}: write HEIGHTxWIDTH in px, such as 50x200, or the height alone to "
            f"keep the proportions; each from {SMALLEST} to {LARGEST}"
        )
    if len(numbers) == 2:
        return Geometry(height=numbers[0], width=numbers[1])
    return Geometry(height=numbers[0], width=LARGEST, keep_aspect=True)


def chosen(sizes: Sequence[tuple[int, int]], labels: Sequence[str], size: str = "auto") -> Geometry:
    """The geometry that suits the images of one set, or what was asked for.

    Args:
        sizes: own height and width of each image, px; at least one.
        labels: of the images.
        size: see `read_size`.

    Raises:
        InputError: see `read_size`.
    """
    given = read_size(size)
    if given is not None and not given.keep_aspect:
        return given
    height = given.height if given else HEIGHT
    aspects = np.array([width / height for height, width in sizes])
    room = height * aspects / [min_steps(label) for label in labels]
    # One label in a hundred may stand closer.
    stretch = min(max(ROOM / float(np.percentile(room, 1)), 1.0), MOST_STRETCHED)
    widths = height * aspects * stretch
    low, high = np.percentile(aspects, [1, 99])
    if given is None and high <= ALIKE * low:
        width = 8 * max(round(float(np.median(widths)) / 8), 4)
        return Geometry(height=height, width=min(width, LARGEST), stretch=round(stretch, 3))
    widest = min(float(widths.max()), LONGEST * float(np.median(widths)), LARGEST)
    return Geometry(
        height=height, width=stepped(round(widest)), keep_aspect=True, stretch=round(stretch, 3)
    )
