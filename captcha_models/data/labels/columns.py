"""Columns of a table of labels: which holds the image, the label, the group and the split."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from captcha_models.data.labels.file_index import is_image_name, shown
from captcha_models.data.labels.tables import Table
from captcha_models.errors import InputError

NAMES = {
    "image": "image images img imgs file files filename filenames path filepath imagepath imgpath "
    "imagename imgname imagefile imgfile imagefilename name src crop crops picture photo "
    "imageid imgid id key relativepath",
    "label": "label labels text texts word words transcription transcriptions transcript gt "
    "groundtruth truth labeltext gttext textlabel utf8string",
    "perhaps a label": "target targets value reading string caption answer content ocr captcha "
    "solution characters chars code plate number amount",
    "group": "group groups groupid receipt receiptid writer writerid author source page pageid "
    "document documentid documents doc docid user userid session sessionid camera cameraid "
    "device deviceid meter meterid person subject subjectid scan scanid book form formid sheet "
    "invoice invoiceid batch origin",
    "split": "split splits part subset fold set partition phase usage dataset",
}
"""What columns are called, without case, spaces and signs; a role of its own each."""
PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "vld"), "valid"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), "test"),
}
"""Parts of a split by what they are called, without case."""
FEWEST_GROUPS = 8
"""A column that divides the images into fewer says nothing that a split could keep together."""


@dataclass(frozen=True)
class Columns:
    """Positions of the columns; -1 where the table has none.

    Attributes:
        notes: lines for the person on what was not taken.
    """

    image: int
    label: int
    group: int = -1
    split: int = -1
    notes: tuple[str, ...] = ()


def find_columns(table: Table, given: Mapping[str, str], knows: Callable[[str], bool]) -> Columns:
    """The columns of a table: as a person names them, else by name and by what they hold.

    Args:
        table: with at least one row.
        given: names or numbers of columns by role.
        knows: whether a cell names an image that is there.

    Raises:
        InputError: no such column, or nothing says which column holds the label.
    """
    taken = {role: _given(table, role, name) for role, name in given.items()}
    hints = [_norm(name) for name in table.header] if table.header else [""] * table.width
    named = {
        role: [i for i, hint in enumerate(hints) if hint in names.split()]
        for role, names in NAMES.items()
    }
    image = taken.get("image", -1)
    if image < 0:
        image = _image(table, named["image"], set(taken.values()), knows)
    label = taken.get("label", -1)
    if label < 0:
        label = _label(table, named, {image, *taken.values()})
    notes: list[str] = []
    used = {image, label, *taken.values()}
    group = taken.get("group", -1)
    if group < 0:
        group = _group(table, [i for i in named["group"] if i not in used], notes)
    split = taken.get("split", -1)
    if split < 0:
        split = _split(table, [i for i in named["split"] if i not in {*used, group}], notes)
    return Columns(image, label, group, split, tuple(notes))


def _norm(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _given(table: Table, role: str, name: str) -> int:
    header = table.header or ()
    if name in header:
        return header.index(name)
    folded = [cell.lower() for cell in header]
    if name.lower() in folded:
        return folded.index(name.lower())
    if not header and name.isascii() and name.isdecimal() and 1 <= int(name) <= table.width:
        return int(name) - 1
    raise InputError(
        f"--columns {role}={shown(name)}: {shown(table.name)} has no such column; it has "
        f"{table.describe_columns()}"
    )


def _image(table: Table, named: list[int], taken: set[int], knows: Callable[[str], bool]) -> int:
    """The column that names most images that are there; one that is called so, if it is as good."""
    hits = {
        i: sum(knows(row[i]) for row in table.rows) for i in range(table.width) if i not in taken
    }
    best = max(hits.values(), default=0)
    if not best:
        looks = [
            i for i in hits if sum(is_image_name(row[i].strip()) for row in table.rows[:300]) > 0
        ]
        return (looks or [i for i in named if i in hits] or list(hits) or [0])[0]
    good = [i for i in named if hits.get(i, 0) >= best / 2]
    return good[0] if good else next(i for i, number in hits.items() if number == best)


def _label(table: Table, named: Mapping[str, list[int]], taken: set[int]) -> int:
    free = [i for i in range(table.width) if i not in taken]
    called = [i for i in named["label"] if i in free]
    called = called or [i for i in named["perhaps a label"] if i in free]
    if called and all(_same(table, called[0], other) for other in called[1:]):
        return called[0]
    if not called:
        others = {i for role in ("group", "split", "image") for i in named[role]}
        # A column without a name is a row's number, as pandas writes it.
        called = [i for i in free if i not in others and (not table.header or table.header[i])]
        called = called or (free if len(free) == 1 else [])
    if len(called) == 1:
        return called[0]
    which = "none of" if not called else "several of"
    raise InputError(
        f"{shown(table.name)}: {which} its columns may be the label ({table.describe_columns()}); "
        f"say which: --columns label={_example(table, called or free)}"
    )


def _example(table: Table, places: list[int]) -> str:
    if not places:
        return "NAME"
    return shown(table.header[places[0]]) if table.header else str(places[0] + 1)


def _same(table: Table, one: int, other: int) -> bool:
    return all(row[one] == row[other] for row in table.rows)


def _group(table: Table, named: list[int], notes: list[str]) -> int:
    """Of the columns that are called so the one with the largest groups, if there are enough."""
    sizes = {i: len({row[i].strip() for row in table.rows} - {""}) for i in named}
    enough = [i for i in named if sizes[i] >= FEWEST_GROUPS]
    assert table.header or not named
    for i in named:
        if i not in enough and sizes[i] > 1:
            name = shown((table.header or ())[i])
            notes.append(
                f"column {name} has {sizes[i]} values only: it is not taken as the group "
                f"(--columns group={name} takes it)"
            )
    if not enough:
        return -1
    chosen = min(enough, key=sizes.__getitem__)
    if len(enough) > 1:
        names = [shown((table.header or ())[i]) for i in enough]
        notes.append(
            f"columns {', '.join(names)} may be the group: taken is {(table.header or ())[chosen]} "
            "(--columns group=NAME takes another)"
        )
    return chosen


def _split(table: Table, named: list[int], notes: list[str]) -> int:
    """The column that is called so and holds parts of a split and nothing else."""
    for i in named:
        values = {row[i].strip().lower() for row in table.rows} - {""}
        if values and values <= PARTS.keys():
            return i
        if len(values) > 1:
            name = shown((table.header or ())[i])
            notes.append(
                f"column {name} is not taken as the split, for it holds "
                f"{', '.join(shown(value) for value in sorted(values)[:3])} (train, valid and test "
                "are read)"
            )
    return -1
