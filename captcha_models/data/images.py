"""Labelled images: decoded, scaled to one height, and known by what they show."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from captcha_models.charset import Charset, min_steps
from captcha_models.data.geometry import HEIGHT, WIDTH, Geometry, chosen, filled
from captcha_models.data.units import duplicates, units
from captcha_models.words import counted

LEAST_ROOM = 8
"""Px that a CTC step of a label takes at least."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Checked images and their labels, sorted by name.

    Attributes:
        names: paths below the folder that all share, such as `2b827.png`; they decide the split.
        labels: the texts, in the same order; several images may carry one.
        pixels: (N, C, H, W) uint8; C is 1 if every image is grey, else 3. What an image of a set
            that keeps its aspect lacks of W is its own paper.
        source: where they came from, in words.
        num_skipped: wrong files that were left out on request.
        preset: of the generator, whose images are of the same kind.
        geometry: how they were brought to that size; by default squeezed to it.
        widths: (N,) px of each image that it fills by itself; by default all of W.
        groups: of each image, such as its receipt; "" where it has none.
        parts: of the person's own split, `train`, `valid` or `test`, for each image.
        notes: lines for the person on what was read, and how.
        sizes: (N, 2) px, height and width of the files; None of images that are in no file.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    pixels: NDArray[np.uint8]
    source: str
    num_skipped: int = 0
    preset: str = "default"
    geometry: Geometry = field(default_factory=Geometry)
    widths: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    groups: tuple[str, ...] | None = None
    parts: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    sizes: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        height, width = self.pixels.shape[2:]
        if (height, width) != self.size:
            object.__setattr__(self, "geometry", Geometry(height=height, width=width))
        if len(self.widths) != len(self.names):
            object.__setattr__(self, "widths", np.full(len(self.names), width, dtype=np.intp))

    def __len__(self) -> int:
        return len(self.names)

    def describe(self) -> str:
        """One line for the person: how many, from where, over which alphabet."""
        left_out = (
            f", {counted(self.num_skipped, 'wrong file')} left out" if self.num_skipped else ""
        )
        lengths = [len(label) for label in self.labels]
        length = str(self.label_length or f"{min(lengths)} to {max(lengths)}")
        return (
            f"data: {counted(len(self), 'image')} from {self.source}{left_out}; labels of length "
            f"{length} over {self.charset.describe()}; read at {self.geometry.describe()}"
        )

    @property
    def size(self) -> tuple[int, int]:
        """H and W, px."""
        return self.geometry.height, self.geometry.width

    @property
    def is_ragged(self) -> bool:
        """Whether some images are narrower than others."""
        return bool((self.widths != self.pixels.shape[3]).any())

    @cached_property
    def charset(self) -> Charset:
        """The alphabet of the labels."""
        return Charset.of(self.labels)

    @cached_property
    def label_length(self) -> int | None:
        """Characters per label, None if labels differ in length."""
        lengths = {len(label) for label in self.labels}
        return lengths.pop() if len(lengths) == 1 else None

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """16 hexadecimal digits for what each image shows: see `content_digest`."""
        return tuple(map(content_digest, self._own()))

    @cached_property
    def duplicates(self) -> list[tuple[int, int]]:
        """Pairs of images that show one picture; see `units.duplicates`."""
        return duplicates(self._own(), self.digests)

    @cached_property
    def crowded(self) -> frozenset[int]:
        """Images with hardly room for a symbol of their label: the odd ones among many.

        Such a label is wrong or cut off. It counts as misread by whatever cannot give it, and no
        setting is refused for it. None where more than one image in a hundred is so.
        """
        needed = np.array([min_steps(label) for label in self.labels])
        rows = np.flatnonzero(self.widths < LEAST_ROOM * needed)
        return frozenset(rows.tolist() if len(rows) <= len(self) / 100 else ())

    @cached_property
    def units(self) -> tuple[str, ...]:
        """A key for each image, the same for those that no split may part.

        Of pictures that are only alike, those of one label: clean drawings of two numbers may
        differ by a stroke.
        """
        pairs = [
            (i, j)
            for i, j in self.duplicates
            if self.labels[i] == self.labels[j] or self.digests[i] == self.digests[j]
        ]
        return units(self.names, self.groups, pairs)

    @cached_property
    def digest(self) -> str:
        """sha256 over names, labels and pixels; equal for a folder and a zip of the same."""
        state = hashlib.sha256(repr(self.pixels.shape[1:]).encode())
        for name, label, pixels in zip(self.names, self.labels, self.pixels, strict=True):
            # A label that is the file's stem is in its name already.
            plain = unicodedata.normalize("NFC", PurePosixPath(name).stem) == label
            state.update(f"{name}\0{'' if plain else label + chr(0)}".encode() + pixels.tobytes())
        if self.is_ragged:
            state.update(repr(self.widths.tolist()).encode())
        for told in (self.groups, self.parts):
            if told:
                state.update(repr(told).encode())
        return state.hexdigest()

    def _own(self) -> list[NDArray[np.uint8]]:
        """Each image without what it was filled up with: (C, H, w)."""
        pairs = zip(self.pixels, self.widths.tolist(), strict=True)
        return [pixels[:, :, :width] for pixels, width in pairs]


def content_digest(pixels: NDArray[np.uint8]) -> str:
    """The start of a sha256, for what an image (C, H, w) shows; grey is as good in one channel."""
    grey = pixels[:1] if (pixels == pixels[:1]).all() else pixels
    return hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).hexdigest()[:16]


def stacked(images: Sequence[NDArray[np.uint8]], width: int) -> NDArray[np.uint8]:
    """(N, C, H, width) of images (1 or 3, H, w): grey if all are, filled up with their paper."""
    channels = max(map(len, images))
    found = np.empty((len(images), channels, images[0].shape[1], width), dtype=np.uint8)
    for place, image in zip(found, images, strict=True):
        place[:] = filled(image, width)
    return found


def rescaled(images: LabelledImages, size: str | Geometry) -> LabelledImages:
    """Grey images that are in no file, at a size (see `geometry.read_size`) or that of a model."""
    if not isinstance(size, Geometry):
        size = chosen([images.size] * len(images), images.labels, size)
    if size == images.geometry:
        return images
    scaled = [size.fit(image[0]) for image in images.pixels]
    return replace(
        images,
        pixels=stacked(scaled, size.width),
        geometry=size,
        widths=np.array([image.shape[2] for image in scaled], dtype=np.intp),
    )


def squish(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 1, H, W) grey images as (N, 1, 50, 200), by the filter that files go through."""
    if pixels.shape[2:] == (HEIGHT, WIDTH):
        return pixels
    return np.stack([Geometry().fit(image[0]) for image in pixels])
