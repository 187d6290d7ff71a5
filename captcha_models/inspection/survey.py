"""Survey of labelled images: everything that can be said of them without training."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from captcha_models.data.decode import is_blank
from captcha_models.data.generated import Generated, generated
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split, make_split
from captcha_models.errors import InputError
from captcha_models.inspection.readers import Reader, readers
from captcha_models.inspection.remarks import sides

SHOWN = 20
"""Pairs of images listed of each kind."""


@dataclass(frozen=True)
class Survey:
    """What is known of a set of images.

    Attributes:
        source: where they came from.
        notes: on how they were read.
        num_images: that were read.
        num_skipped: wrong files that were left out.
        geometry: the size they are brought to, in words.
        keep_aspect: whether each keeps its own width.
        file_sizes: smallest, median and largest height, width (px) and proportion of the files;
            empty of generated images.
        widths: how many images have each width as a model sees it, px.
        symbols: how often each occurs, the rarest first.
        lengths: how many labels have each length.
        num_labels: different ones.
        repeated: labels that several images carry, with their number, the most frequent first.
        exact: pairs of images with the same pixels.
        near: pairs that show one picture, scaled or saved again.
        sides: whether those of both lie on one side of the split, in words.
        contradictions: those of both whose labels differ: names and labels.
        blank: images of one colour.
        num_groups: different groups; 0 if none are known.
        largest_group: images of it.
        split: images, units and groups of each part; empty if the images cannot be divided.
        split_note: who divided them, or why they cannot be.
        generated: what is generated beside them; None if they cannot be divided.
        readers: what each architecture would see of them.
    """

    source: str
    notes: tuple[str, ...]
    num_images: int
    num_skipped: int
    geometry: str
    keep_aspect: bool
    file_sizes: dict[str, list[float]]
    widths: dict[int, int]
    symbols: dict[str, int]
    lengths: dict[int, int]
    num_labels: int
    repeated: dict[str, int]
    exact: list[tuple[str, str]]
    near: list[tuple[str, str]]
    sides: str
    contradictions: list[tuple[str, str, str, str]]
    blank: list[str]
    num_groups: int
    largest_group: int
    split: dict[str, dict[str, int]]
    split_note: str
    generated: Generated | None
    readers: list[Reader] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @property
    def best(self) -> str:
        """The architecture to search with: the first that reads every label."""
        able = [one.arch for one in self.readers if one.reads]
        return "crnn" if "crnn" in able or not able else able[0]

    @property
    def draws(self) -> bool:
        """Whether anything is generated beside them."""
        return self.generated is not None and self.generated.kind != "none"


def survey(images: LabelledImages) -> Survey:
    """Look at images that have been read; their pixels are not decoded again."""
    pairs = images.duplicates
    digests = images.digests
    exact = [(i, j) for i, j in pairs if digests[i] == digests[j]]
    near = [(i, j) for i, j in pairs if digests[i] != digests[j]]
    names, labels = images.names, images.labels
    counts = Counter(labels)
    groups = Counter(group for group in images.groups or () if group)
    split, parts, note = _split(images)
    return Survey(
        source=images.source,
        notes=images.notes,
        num_images=len(images),
        num_skipped=images.num_skipped,
        geometry=images.geometry.describe(),
        keep_aspect=images.geometry.keep_aspect,
        file_sizes=_file_sizes(images),
        widths=_counted(images.widths.tolist()),
        symbols=dict(sorted(Counter("".join(labels)).items(), key=lambda own: (own[1], own[0]))),
        lengths=_counted(map(len, labels)),
        num_labels=len(counts),
        repeated={label: number for label, number in counts.most_common() if number > 1},
        exact=[(names[i], names[j]) for i, j in exact],
        near=[(names[i], names[j]) for i, j in near],
        sides=sides(images),
        contradictions=[
            (names[i], labels[i], names[j], labels[j]) for i, j in pairs if labels[i] != labels[j]
        ],
        blank=_blank(images),
        num_groups=len(groups),
        largest_group=max(groups.values(), default=0),
        split=parts,
        split_note=note,
        generated=generated(images, split) if split else None,
        readers=readers(images, split) if split else [],
    )


def _counted(values: Iterable[int]) -> dict[int, int]:
    return dict(sorted(Counter(values).items()))


def _blank(images: LabelledImages) -> list[str]:
    found = []
    for name, pixels, width in zip(
        images.names, images.pixels, images.widths.tolist(), strict=True
    ):
        if is_blank(pixels[:, :, :width].transpose(1, 2, 0)):
            found.append(name)
    return found


def _file_sizes(images: LabelledImages) -> dict[str, list[float]]:
    if images.sizes is None:
        return {}
    heights, widths = images.sizes.T
    values = {"height": heights, "width": widths, "proportion": widths / heights}
    return {
        name: [round(float(q), 2) for q in np.percentile(own, [0, 50, 100])]
        for name, own in values.items()
    }


def _split(images: LabelledImages) -> tuple[Split | None, dict[str, dict[str, int]], str]:
    try:
        split = make_split(images.units, images.parts)
    except InputError as error:
        return None, {}, str(error)
    parts = {}
    groups = images.groups or ("",) * len(images)
    for part in ("train", "valid", "test"):
        rows = getattr(split, part).tolist()
        parts[part] = {
            "images": len(rows),
            "units": len({images.units[i] for i in rows}),
            "groups": len({groups[i] for i in rows} - {""}),
        }
    own = {part for part in images.parts or () if part != "train"}
    note = f"your own ({' and '.join(sorted(own))})" if own else "drawn by name, fold 0 of 5"
    return split, parts, note


def folders(names: Iterable[str], most: int = 4) -> str:
    """The first folders that the images lie in, in words; "" if all lie in one."""
    found = Counter(PurePosixPath(name).parent.as_posix() for name in names)
    if len(found) < 2:
        return ""
    some = [f"{folder} ({number})" for folder, number in list(found.items())[:most]]
    return f"{len(found)} folders: {', '.join(some)}{', ...' * (len(found) > most)}"
