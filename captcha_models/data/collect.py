"""Collection of listed images: decoded, checked, and brought to one size or one height."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from os.path import commonpath
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captcha_models.data.decode import decode, is_blank
from captcha_models.data.geometry import Geometry, chosen
from captcha_models.data.images import LabelledImages, stacked
from captcha_models.errors import InputError
from captcha_models.waiting import through
from captcha_models.words import counted

NAMED = 3
"""Images that a note names of those it counts."""


class Listed(Protocol):
    """An image that is there to be read, and what is known of it.

    Attributes:
        path: inside the source, one of a kind.
        label: its text.
        group: such as the receipt it was cut out of; "" for none.
        part: of the person's own split, `train`, `valid` or `test`; "" for none.
        read: gives the file's bytes; raises an InputError if it cannot be read.
    """

    @property
    def path(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def read(self) -> Callable[[], bytes]: ...


def collect(
    items: Iterable[Listed],
    source: str,
    skip_bad: bool,
    size: str | Geometry = "auto",
    notes: Sequence[str] = (),
) -> LabelledImages:
    """Decode and check listed images, and bring them to one size.

    Args:
        items: the images, in any order.
        source: how error messages call it.
        skip_bad: leave wrong files and images of one colour out instead of refusing them.
        size: see `geometry.read_size`; or that of a model.
        notes: on how they were listed.

    Raises:
        InputError: a wrong file (unless `skip_bad`), an alphabet of one symbol, or nothing left.
    """
    kept: list[tuple[Listed, NDArray[np.uint8], tuple[int, int]]] = []
    blank: list[str] = []
    skipped = 0
    for item in through(items, "image"):
        try:
            if not item.path.isprintable():
                raise InputError(f"{item.path!a}: a file name needs readable characters")
            pixels, (width, height) = decode(item.read(), item.path)
        except InputError as error:
            if not skip_bad:
                raise InputError(f"{error}; --skip-bad leaves such files out") from None
            skipped += 1
            continue
        if is_blank(pixels):
            blank.append(item.path)
            if skip_bad:
                skipped += 1
                continue
        kept.append((item, pixels, (height, width)))
    if not kept:
        left_out = f" ({skipped} wrong files left out)" if skipped else ""
        raise InputError(f"{source} has no images{left_out}: LABEL.png files are expected")
    root = common_folder([item.path for item, _, _ in kept])
    names = [str(PurePosixPath(item.path).relative_to(root)) for item, _, _ in kept]
    order = sorted(range(len(names)), key=names.__getitem__)
    found = [kept[i][0] for i in order]
    labels = tuple(item.label for item in found)
    sizes = [kept[i][2] for i in order]
    geometry = size if isinstance(size, Geometry) else chosen(sizes, labels, size)
    scaled = [geometry.fit(kept[i][1]) for i in order]
    images = LabelledImages(
        names=tuple(sorted(names)),
        labels=labels,
        pixels=stacked(scaled, geometry.width),
        source=source,
        num_skipped=skipped,
        geometry=geometry,
        widths=np.array([image.shape[2] for image in scaled], dtype=np.intp),
        groups=_told(item.group for item in found),
        parts=_told(item.part or "train" for item in found) if any(i.part for i in found) else None,
        notes=(*notes, *_on_blank(blank, skip_bad)),
        sizes=np.array(sizes, dtype=np.intp),
    )
    if not isinstance(size, Geometry):
        images = _with_room(images)
    _ = images.charset  # refuses an alphabet of one symbol
    return images


def common_folder(paths: Sequence[str]) -> str:
    """The deepest folder that all paths lie in, "" if there is none."""
    return commonpath([str(PurePosixPath(path).parent) for path in paths]).removeprefix(".")


def _told(values: Iterable[str]) -> tuple[str, ...] | None:
    found = tuple(values)
    return found if any(found) else None


def _with_room(images: LabelledImages) -> LabelledImages:
    """The images without the odd ones that are too narrow for their label: `crowded`.

    To train on them teaches nothing, and whatever validates on them pays for what cannot be read.
    """
    if not images.crowded:
        return images
    kept = [i for i in range(len(images)) if i not in images.crowded]
    odd = [f"{images.names[i]}: {images.labels[i]!r}" for i in sorted(images.crowded)]

    def some(values: Sequence[str] | None) -> tuple[str, ...] | None:
        return None if values is None else tuple(values[i] for i in kept)

    return replace(
        images,
        names=tuple(images.names[i] for i in kept),
        labels=tuple(images.labels[i] for i in kept),
        pixels=images.pixels[kept],
        widths=images.widths[kept],
        sizes=None if images.sizes is None else images.sizes[kept],
        groups=some(images.groups),
        parts=some(images.parts),
        notes=(*images.notes,
               f"{counted(len(odd), 'image')} left out, too narrow for their labels, which "
               f"are probably wrong ({_named(odd)})"),
    )  # fmt: skip


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)


def _on_blank(names: Sequence[str], left_out: bool) -> list[str]:
    if not names:
        return []
    some = _named(names)
    what = "left out" if left_out else "nothing can be read in them; --skip-bad leaves them out"
    return [f"{counted(len(names), 'image has', 'images have')} one colour only ({some}): {what}"]
