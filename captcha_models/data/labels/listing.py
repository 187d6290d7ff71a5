"""Listing of the images of a folder, an archive or a table, each with its label, before decoding.

Which layouts are read, in this order, if nobody says which:

1. a table that names the images, inside or beside them: CSV, TSV, semicolons, JSON Lines, or
   lines of a file and its text, as PaddleOCR, TRDG, ICDAR and MMOCR write them;
2. a text beside each image, `a.gt.txt` or `a.txt` for `a.png`;
3. the file's name, unless it looks like no label: `suspicious`.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from captcha_models.data.collect import common_folder
from captcha_models.data.labels.columns import PARTS
from captcha_models.data.labels.file_index import is_image_name, shown
from captcha_models.data.labels.image_tables import labels_in_tables, left_over, left_tables
from captcha_models.data.labels.pattern import NamePattern, is_pattern
from captcha_models.data.labels.places import Place, open_place
from captcha_models.data.labels.rules import LabelRules
from captcha_models.data.labels.sidecars import label_in, sidecars
from captcha_models.data.labels.suspicious import hint, odd_paths, suspicion
from captcha_models.errors import InputError
from captcha_models.words import counted

STEMS = "the files' names"
"""The layout that is nothing special."""
FOLDER = "{label}/{any}"
"""The pattern that rule `folder` is short for."""


@dataclass(frozen=True)
class Item:
    """An image that is there to be read, and what is known of it.

    Attributes:
        path: inside the folder or archive.
        label: its text, composed (NFC).
        group: such as the receipt it was cut out of; "" for none.
        part: of the person's own split, `train`, `valid` or `test`; "" for none.
        read: gives the file's bytes; raises an InputError if it cannot be read.
    """

    path: str
    label: str
    group: str
    part: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Listing:
    """Images and how they were found.

    Attributes:
        items: the images, by path.
        layout: where the labels come from, in words.
        notes: lines for the person on what was left out or may surprise.
        source: what errors call the folder or archive.
    """

    items: tuple[Item, ...]
    layout: str
    notes: tuple[str, ...]
    source: str


def list_images(place: Path, how: LabelRules) -> Listing:
    """The images of a place and their labels.

    Args:
        place: a folder, a zip archive, or a table, whose images lie beside it.
        how: what the labels are.

    Raises:
        InputError: nothing that can be read, or labels that are probably none, in one line that
            says what to do.
    """
    opened = open_place(place, how.labels)
    _check_unique(opened)
    listing = _listed(opened, how)
    if not listing.items:
        raise InputError(
            f"{opened.source} has no images: LABEL.png files, or images and a table of labels, are "
            "expected"
        )
    items = tuple(sorted(listing.items, key=lambda item: item.path))
    listing = replace(listing, items=items)
    return (
        lowered(listing)
        if how.ignore_case
        else replace(listing, notes=(*listing.notes, *_on_case(items)))
    )


def lowered(listing: Listing) -> Listing:
    """The listing with all labels in lower case."""
    # Not casefold, which makes two letters of one: an image shows one.
    items = tuple(
        replace(item, label=unicodedata.normalize("NFC", item.label.lower()))
        for item in listing.items
    )
    return replace(listing, items=items)


def _listed(place: Place, how: LabelRules) -> Listing:
    rule = how.labels
    if rule == "stem":
        return _by_stem(place, asked=True)
    if rule == "folder" or is_pattern(rule):
        return _by_pattern(place, rule)
    found = labels_in_tables(place, how)
    if found is not None:
        rows = found.rows
        items = [
            Item(path, row.label, row.group, row.part, place.entries[path].read)
            for path, row in rows.items()
        ]
        items, notes = _parts(items, found.notes)
        return Listing(tuple(items), found.layout, notes, place.source)
    return _by_sidecars(place) or _by_stem(place, asked=False)


def _by_stem(place: Place, asked: bool) -> Listing:
    entries, notes = place.entries, []
    images = [path for path in entries if is_image_name(path)]
    unread = left_tables(place)
    if asked:
        notes = [f"{shown(path)} is not read (--labels stem)" for path in unread]
        entries = {path: entry for path, entry in entries.items() if path not in unread}
    else:
        images = images or list(entries)
        odd = [(entry.odd, path) for path, entry in entries.items() if entry.odd]
        wrong = left_over(unread, images) or odd_paths(odd) or suspicion(images)
        if wrong:
            raise InputError(f"{place.source}: {wrong}")
        notes = [text] if (text := hint(images)) else []
    items = [
        Item(path, unicodedata.normalize("NFC", PurePosixPath(path).stem), "", "", entry.read)
        for path, entry in entries.items()
    ]
    items, told = _parts(items, notes)
    return Listing(tuple(items), STEMS, told, place.source)


def _by_pattern(place: Place, rule: str) -> Listing:
    pattern = NamePattern.of(FOLDER if rule == "folder" else rule)
    unread = left_tables(place)
    paths = [path for path in place.entries if path not in unread]
    paths = [path for path in paths if is_image_name(path)] or paths
    root = common_folder(paths) if paths else ""
    items, misfits = [], []
    for path in paths:
        # The folder that all share is no label, and so are those of a split.
        inside = PurePosixPath(path).relative_to(root) if rule == "folder" else PurePosixPath(path)
        read = pattern.read(unicodedata.normalize("NFC", str(inside)))
        if read is None or (rule == "folder" and _is_part_folder(inside)):
            misfits.append(path)
        else:
            items.append(Item(path, read[0], read[1], "", place.entries[path].read))
    if misfits:
        some = f"{len(misfits)} of {len(paths)} images in {place.source} ({shown(misfits[0])})"
        raise InputError(
            f"--labels folder: {some} lie in no folder of their own; give a table"
            if rule == "folder"
            else f"--labels {shown(rule)} does not fit {some}: put what may be missing into [...], "
            "or give a table"
        )
    if "[" in rule:
        # Part of a name that the pattern means to leave out must not stay in some.
        wrong = suspicion([f"{item.label}.png" for item in items], only_copies=True)
        if wrong:
            raise InputError(f"--labels {shown(rule)}: {wrong}")
    example = f", such as {shown(items[0].label)} in {shown(items[0].path)}" if items else ""
    told = "the folders' names" if rule == "folder" else f"names by {shown(rule)}"
    items, notes = _parts(items, [f"{shown(path)} is not read" for path in unread])
    return Listing(tuple(items), told + example, notes, place.source)


def _is_part_folder(inside: PurePosixPath) -> bool:
    return len(inside.parts) == 2 and inside.parts[0].lower() in PARTS


def _by_sidecars(place: Place) -> Listing | None:
    images = {path: entry for path, entry in place.entries.items() if is_image_name(path)}
    texts = {path: entry for path, entry in place.entries.items() if path.endswith(".txt")}
    found = sidecars(images, texts) if texts else {}
    if not images or 2 * len(found) < len(images):
        return None
    labels = {path: label_in(text) for path, text in found.items()}
    items = [Item(p, label, "", "", images[p].read) for p, label in labels.items() if label]
    notes = []
    if len(items) < len(images):
        notes = [
            f"left out for want of a text beside them: {counted(len(images) - len(items), 'image')}"
        ]
    items, told = _parts(items, notes)
    return Listing(tuple(items), "a text beside each image", told, place.source)


def _parts(items: list[Item], notes: Sequence[str]) -> tuple[list[Item], tuple[str, ...]]:
    """The items, with the parts that the topmost folders name if nothing else says them."""
    if not items or any(item.part for item in items):
        return items, tuple(notes)
    root = common_folder([item.path for item in items])
    tops = [PurePosixPath(item.path).relative_to(root).parts for item in items]
    parts = [PARTS.get(top[0].lower(), "") if len(top) > 1 else "" for top in tops]
    if len(set(parts)) < 2 or "" in parts:
        return items, tuple(notes)
    told = ", ".join(f"{number} {part}" for part, number in sorted(Counter(parts).items()))
    items = [replace(item, part=part) for item, part in zip(items, parts, strict=True)]
    return items, (*notes, f"the folders are a split: {told}")


def _on_case(items: Sequence[Item]) -> list[str]:
    """A line on labels that differ in nothing but upper and lower case."""
    seen: dict[str, set[str]] = {}
    for item in items:
        seen.setdefault(item.label.lower(), set()).add(item.label)
    alike = [sorted(labels) for labels in seen.values() if len(labels) > 1]
    if not alike:
        return []
    return [
        f"{sum(map(len, alike))} labels differ in upper and lower case alone "
        f"({', '.join(map(shown, alike[0]))}); --ignore-case makes them one"
    ]


def _check_unique(place: Place) -> None:
    if place.twice:
        raise InputError(
            f"{place.source} has {shown(place.twice)} twice: an image is known by its path; leave "
            "one of them out"
        )
