"""Labels of images as the rows of a table give them, each row held against the files there are."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from captcha_models.data.labels.columns import PARTS, Columns, find_columns
from captcha_models.data.labels.file_index import FileIndex, folder_of, is_image_name, shown
from captcha_models.data.labels.tables import Table
from captcha_models.errors import InputError
from captcha_models.words import counted

MANY_FIELDS = 4
"""Numbers in a label from which on it is a line of several columns, as IAM's words.txt has."""
_FIELDS = re.compile(r"(?<!\S)\d+(?!\S)")
_LEXICON = re.compile(r"\d+_[^\d_].*_(\d+) \1")
NAMED = 3
"""Images that a note names of those it counts."""


@dataclass(frozen=True)
class Row:
    """What a table says of an image: see `Item`; `line` is where."""

    label: str
    group: str
    part: str
    line: int


@dataclass(frozen=True)
class Labelled:
    """What a table says.

    Attributes:
        table: the table.
        rows: what it says of each image, by the image's path.
        columns: which were read.
        missing: images that rows name and that are not there.
        empty: images whose label is empty; they are in no row.
        notes: lines for the person.
    """

    table: Table
    rows: Mapping[str, Row]
    columns: Columns
    missing: tuple[str, ...]
    empty: tuple[str, ...]
    notes: tuple[str, ...]

    def describe(self) -> str:
        """The table and its columns."""
        header, columns = self.table.header, self.columns
        if not header:
            return f"table {shown(self.table.name)} ({self.table.kind} file and label)"
        told = [
            f"{role} in {shown(header[place])}"
            for role, place in (
                ("image", columns.image), ("label", columns.label), ("group", columns.group),
                ("split", columns.split),
            )
            if place >= 0
        ]  # fmt: skip
        return f"table {shown(self.table.name)} ({', '.join(told)})"


def part_of_name(name: str) -> str:
    """The part of a split that a file's name speaks of, such as `train` in `train_list.txt`."""
    stem = PurePosixPath(name).stem.lower()
    words = "".join(c if c.isalnum() else " " for c in stem).split()
    found = {PARTS[word] for word in words if word in PARTS and len(word) > 2}
    return found.pop() if len(found) == 1 else ""


def labels_of(table: Table, index: FileIndex, given: Mapping[str, str]) -> Labelled:
    """What a table says of the images that are there.

    Labels are stripped of white space around them, for no image shows it, and composed (NFC).

    Args:
        table: the table.
        index: of the files that may be images.
        given: columns by role, as a person names them.

    Raises:
        InputError: a fault of the table, an image with two labels, a label that is no line of
            text, a part that is none, or a column that cannot be found.
    """
    name = shown(table.name)
    if table.fault:
        raise InputError(table.fault)
    if not table.rows:
        raise InputError(f"{name} has no rows")
    base = folder_of(table.name)
    found = {cell: index.find(cell, base) for row in table.rows for cell in row}
    columns = find_columns(table, given, lambda cell: found[cell] is not None)
    rows: dict[str, Row] = {}
    missing, empty = [], []
    stripped = 0
    for cells, line in zip(table.rows, table.lines, strict=True):
        cell, text = cells[columns.image], cells[columns.label]
        label = unicodedata.normalize("NFC", text.strip())
        path = found[cell]
        if path is None:
            missing.append(cell)
            continue
        if not label:
            empty.append(path)
            continue
        if any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in label):
            raise InputError(
                f"{name}, line {line}: the label {label!a} has a line break or another sign that "
                "no image shows; mend the table"
            )
        stripped += label != unicodedata.normalize("NFC", text)
        part = _part(cells, columns.split, table, line)
        row = Row(label, _cell(cells, columns.group), part, line)
        other = rows.setdefault(path, row)
        if (other.label, other.group, other.part) != (row.label, row.group, row.part):
            what = "labels" if other.label != row.label else "groups or parts"
            raise InputError(
                f"{name}: {shown(path)} has two {what}: {shown(_told(other))} in line "
                f"{other.line} and {shown(_told(row))} in line {line}; keep the right row"
            )
    both = [path for path in empty if path in rows]
    if both:
        raise InputError(
            f"{name}: {shown(both[0])} has a label in line {rows[both[0]].line} and an empty one "
            "in another; keep the right row"
        )
    notes = list(columns.notes)
    if stripped:
        notes.append(f"{name}: white space around {counted(stripped, 'label')} is left out")
    return Labelled(table, rows, columns, tuple(missing), tuple(dict.fromkeys(empty)), tuple(notes))


def check_plausible(labelled: Labelled, num_images: int, place: str) -> None:
    """Refuse a table that speaks of other images.

    Args:
        labelled: what it says.
        num_images: how many files look like images.
        place: where they are, in words.

    Raises:
        InputError: it names none, or few of the images that there are while most of its rows name
            others; or most of its labels are empty.
    """
    name, rows, missing = shown(labelled.table.name), labelled.rows, labelled.missing
    known = len(rows) + len(labelled.empty)
    of_rows = known + len(set(missing))
    if not known or (2 * known < of_rows and 2 * known < num_images):
        first = shown(missing[0]) if missing else ""
        raise InputError(
            f"{name}: {known} of the images that it names are in {place} (not {first}); if they "
            "lie elsewhere, give that folder with --data and the table with --labels; if another "
            "column names them, --columns image=NAME"
        )
    labels = {PurePosixPath(path).stem: row.label for path, row in rows.items()}
    fields = [text for text in labels.values() if len(_FIELDS.findall(text)) >= MANY_FIELDS]
    if labelled.table.header is None and 2 * len(fields) > len(labels):
        raise InputError(
            f"{name} has more than a file and its text in a line, such as {shown(fields[0])}: "
            "write a table with the columns image and label"
        )
    ids = [stem for stem, text in labels.items() if _LEXICON.fullmatch(f"{stem} {text}")]
    if len(ids) > 1 and 2 * len(ids) > len(labels):
        raise InputError(
            f"{name} gives numbers that stand in the names, as MJSynth does ({shown(ids[0])}): "
            "--labels '{number}_{label}_{number}' reads "
            f"{shown(ids[0].split('_', 1)[1].rpartition('_')[0])} in it"
        )
    if 2 * len(labelled.empty) > known:
        raise InputError(
            f"{name}: {len(labelled.empty)} of {known} labels are empty; if another column is the "
            "label, --columns label=NAME"
        )


def coverage(labelled: Iterable[Labelled], images: Iterable[str]) -> list[str]:
    """Lines on rows without an image, images without a row, and empty labels."""
    tables = list(labelled)
    missing = [shown(cell) for one in tables for cell in one.missing]
    empty = [shown(path) for one in tables for path in one.empty]
    known = {path for one in tables for path in (*one.rows, *one.empty)}
    without = [shown(path) for path in images if path not in known and is_image_name(path)]
    notes = []
    for names, what in (
        (
            missing,
            ("row is of an image that is not there", "rows are of images that are not there"),
        ),
        (without, ("image has no row and is left out", "images have no row and are left out")),
        (
            empty,
            (
                "image has an empty label and is left out",
                "images have an empty label and are left out",
            ),
        ),
    ):
        if names:
            some = ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)
            notes.append(f"{counted(len(names), *what)} ({some})")
    return notes


def merged(tables: list[Labelled], place: str) -> dict[str, Row]:
    """What several tables say together.

    Raises:
        InputError: they say different things of one image.
    """
    rows: dict[str, Row] = {}
    origin: dict[str, str] = {}
    several = len(tables) > 1 and len({part_of_name(one.table.name) for one in tables}) > 1
    for one in tables:
        of_name = part_of_name(one.table.name) if several else ""
        for path, row in one.rows.items():
            new = Row(row.label, row.group, row.part or of_name, row.line)
            old = rows.get(path)
            if old is None:
                rows[path] = new
            elif old.label != new.label or (old.part and new.part and old.part != new.part):
                first, second = shown(origin[path]), shown(one.table.name)
                raise InputError(
                    f"{place} has two tables that contradict each other: {shown(path)} is "
                    f"{shown(_told(old))} in {first} and {shown(_told(new))} in {second}; "
                    + (
                        f"say which is meant: --labels {first} or --labels {second}"
                        if old.label != new.label
                        else "take it out of one of them"
                    )
                )
            else:
                rows[path] = Row(old.label, old.group or new.group, old.part or new.part, old.line)
            origin.setdefault(path, one.table.name)
    counted = Counter(bool(row.part) for row in rows.values())
    if len(counted) > 1:
        # Such as all.txt beside train.txt and val.txt.
        rows = {k: Row(r.label, r.group, r.part or "train", r.line) for k, r in rows.items()}
    return rows


def _told(row: Row) -> str:
    return " ".join(filter(None, (row.label, row.group, row.part)))


def _cell(cells: tuple[str, ...], place: int) -> str:
    return unicodedata.normalize("NFC", cells[place].strip()) if place >= 0 else ""


def _part(cells: tuple[str, ...], place: int, table: Table, line: int) -> str:
    value = _cell(cells, place).lower()
    if value and value not in PARTS:
        raise InputError(
            f"{shown(table.name)}, line {line}: the part {shown(value)} is none of train, valid, "
            "test"
        )
    return PARTS[value] if value else ""
