"""Tables that name the images of a place: found among its files, read, and put together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from captcha_models.data.labels.archive import Entry
from captcha_models.data.labels.file_index import FileIndex, folder_of, is_image_name, shown
from captcha_models.data.labels.places import NOT_READ, Place
from captcha_models.data.labels.rows import (
    Labelled,
    Row,
    check_plausible,
    coverage,
    labels_of,
    merged,
)
from captcha_models.data.labels.rules import LabelRules
from captcha_models.data.labels.sidecars import sidecars
from captcha_models.data.labels.suspicious import suspicion
from captcha_models.data.labels.tables import SAMPLED, Knows, Table, is_table_name, read_table
from captcha_models.errors import InputError

SPOKEN = ("label", "gt", "annot", "transcri", "groundtruth", "train", "val", "test", "metadata")
"""Beginnings and parts of names that text files have which hold labels."""


@dataclass(frozen=True)
class FromTables:
    """What the tables of a place say.

    Attributes:
        rows: by the image's path.
        layout: which tables, in words.
        notes: lines for the person.
    """

    rows: dict[str, Row]
    layout: str
    notes: tuple[str, ...]


def labels_in_tables(place: Place, how: LabelRules) -> FromTables | None:
    """What the tables say that were given, or that name the images; None if there are none.

    Raises:
        InputError: a table that was given or is the only one cannot be used, or tables contradict
            each other.
    """
    images = [path for path in place.entries if not is_table_name(path)]
    index = FileIndex(images)
    num_images = sum(map(is_image_name, images)) or len(images)
    doubts: list[str] = []
    if place.tables:
        tables = [_required(entry, index) for entry in place.tables]
        said = [labels_of(table, index, how.columns) for table in tables]
        for one in said:
            check_plausible(one, num_images, place.source)
    else:
        said, doubts = _found(_candidates(place, images), index, how, num_images, place.source)
        if not said:
            said, doubts = _found(place.beside, index, how, num_images, place.source)
    if not said:
        if how.columns:
            raise InputError(
                f"--columns: no table names the images of {place.source}; give one with --labels"
            )
        return None
    rows = merged(said, place.source)
    notes = [note for one in said for note in one.notes] + doubts + coverage(said, images)
    layout = said[0].describe() if len(said) == 1 else _several(said)
    return FromTables(rows, layout, tuple(notes))


def left_tables(place: Place) -> list[str]:
    """Files that hold labels, by their names, and so are no images."""
    return [
        path
        for path in place.entries
        if PurePosixPath(path).suffix.lower() in NOT_READ
        or (is_table_name(path) and (not path.lower().endswith((".txt", ".json")) or _speaks(path)))
    ]


def left_over(tables: Sequence[str], images: Sequence[str]) -> str:
    """What is wrong if files that hold labels lie there and name no image; "" if there are none."""
    if not tables:
        return ""
    first = shown(tables[0])
    if not is_table_name(tables[0]):
        return (
            f"{first} may hold the labels and is not read: save it as labels.csv with the columns "
            "image and label"
            + ("" if suspicion(images) else "; if the names are the labels, --labels stem")
        )
    return (
        f"{first} names none of the {len(images)} images: give the right table with --labels, or "
        "say which of its columns names them with --columns image=NAME"
        # Names that look like no labels are not offered.
        + ("" if suspicion(images) else "; if the images show their names, --labels stem")
    )


def _speaks(path: str) -> bool:
    stem = PurePosixPath(path).stem.lower()
    return any(word in stem for word in SPOKEN)


def _candidates(place: Place, images: list[str]) -> list[Entry]:
    """Files that may be tables, without the texts that lie beside an image each."""
    named = {path: entry for path, entry in place.entries.items() if is_table_name(path)}
    texts = {path: entry for path, entry in named.items() if path.lower().endswith(".txt")}
    own = (
        {entry.path for entry in sidecars({p: place.entries[p] for p in images}, texts).values()}
        if len(texts) > 1
        else set()
    )
    return [entry for path, entry in named.items() if path not in own]


def _required(entry: Entry, index: FileIndex) -> Table:
    table = read_table(entry.read(), entry.path, _knows(entry, index))
    if table is None:
        raise InputError(
            f"{shown(entry.path)} is no table: CSV, TSV, semicolons, JSON Lines, or lines of a "
            "file and its text are read"
        )
    return table


def _found(
    entries: Iterable[Entry], index: FileIndex, how: LabelRules, num_images: int, source: str
) -> tuple[list[Labelled], list[str]]:
    """What those tables say that name images, and lines on those that cannot be used."""
    said: list[Labelled] = []
    doubts: list[InputError] = []
    for entry in entries:
        # A text that only mentions an image is no table.
        meant = _speaks(entry.path) or not entry.path.lower().endswith((".txt", ".json"))
        try:
            table = read_table(entry.read(), entry.path, _knows(entry, index))
            if table is None or not (table.hits or (meant and table.fault)):
                continue
            meant = meant or 2 * table.hits >= min(len(table.rows), SAMPLED)
            one = labels_of(table, index, how.columns)
            check_plausible(one, num_images, source)
        except InputError as error:
            if meant:
                doubts.append(error)
        else:
            said.append(one)
    if doubts and not said:
        raise doubts[0]
    return said, [f"not read: {error}" for error in doubts]


def _knows(entry: Entry, index: FileIndex) -> Knows:
    base = folder_of(entry.path)
    return lambda cell: index.find(cell, base) is not None


def _several(said: list[Labelled]) -> str:
    names = [shown(one.table.name) for one in said]
    some = ", ".join(names[:4]) + ", ..." * (len(names) > 4)
    return f"{len(names)} tables ({some})"
