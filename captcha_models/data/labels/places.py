"""Places that `--data` names: a folder, an archive, or a table with its images beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from captcha_models.data.labels.archive import (
    Entry,
    counts,
    file_reader,
    folder_entries,
    zip_entries,
)
from captcha_models.data.labels.file_index import is_image_name
from captcha_models.data.labels.tables import is_table_name, read_table
from captcha_models.errors import InputError

NAMES_BESIDE = ("labels", "label", "gt", "annotations", "annotation", "transcriptions", "metadata")
"""Tables that belong to the folder or archive that they lie beside, by their names."""

NOT_READ = frozenset(
    (
        ".xlsx", ".xls", ".ods", ".parquet", ".arrow", ".feather", ".xml", ".mat", ".pkl", ".npy",
        ".npz", ".h5", ".hdf5", ".mdb", ".sqlite", ".db",
    )
)  # fmt: skip
"""Endings of files that may hold labels, and that are not read."""


@dataclass(frozen=True)
class Place:
    """Files that may be images, and tables that may name them.

    Attributes:
        source: what errors call it.
        entries: its files by path.
        tables: that were given: the table that is the place, or that a person names.
        beside: tables beside the place, which may be meant.
        twice: a path that an archive holds twice; "" if none.
    """

    source: str
    entries: Mapping[str, Entry]
    tables: tuple[Entry, ...] = ()
    beside: tuple[Entry, ...] = ()
    twice: str = ""


def open_place(path: Path, labels: str = "auto") -> Place:
    """The files of a folder, an archive, or of what lies beside a table.

    Args:
        path: of it.
        labels: the rule for the labels; a table if it is the path of one.

    Raises:
        InputError: it cannot be read, is of a kind that is not, or there is no such table.
    """
    if not path.is_dir() and is_table_name(path.name):
        if labels not in ("auto", path.name, str(path)):
            raise InputError(
                f"--data {path} is a table, so that --labels {labels} has no meaning: give the "
                "folder of the images with --data"
            )
        return _beside_table(path)
    place = _folder(path) if path.is_dir() else _of(f"archive {path}", zip_entries(path))
    if labels in ("auto", "stem", "folder") or "{" in labels or "*" in labels:
        return replace(place, beside=(*place.beside, *_tables_beside(path)))
    return replace(place, tables=(_table(path, place, labels),))


def _tables_beside(path: Path) -> list[Entry]:
    """Tables in the folder above that are called like the place, or labels and the like."""
    whole = path.absolute()
    try:
        files = sorted(whole.parent.iterdir())
        return [
            Entry(file.name, file_reader(file))
            for file in files
            if is_table_name(file.name)
            and (file.stem in (whole.name, whole.stem) or file.stem.lower() in NAMES_BESIDE)
            and file.is_file()
        ]
    except OSError:
        # What lies above may be closed to us.
        return []


def _table(path: Path, place: Place, labels: str) -> Entry:
    """The table that a person names, by its path inside the place or on this machine."""
    inside = PurePosixPath(labels)
    file = Path(labels).expanduser()
    if str(inside) not in place.entries and file.is_file():
        root, whole = path.resolve(), file.resolve()
        if not whole.is_relative_to(root):
            return Entry(file.name, file_reader(file))
        inside = PurePosixPath(whole.relative_to(root).as_posix())
    if str(inside) not in place.entries:
        raise InputError(
            f"--labels {labels}: no such table, here or in {place.source}; write auto, stem, "
            "folder, a pattern such as {label}_{number}, or the path of a table"
        )
    return place.entries[str(inside)]


def _folder(path: Path) -> Place:
    entries = folder_entries(path)
    _refuse_databases(path, [entry.path for entry in entries])
    archives = [entry for entry in entries if entry.path.lower().endswith(".zip")]
    if len(archives) == 1 and not any(is_image_name(entry.path) for entry in entries):
        # Such as labels.csv beside images.zip.
        others = [entry for entry in entries if entry is not archives[0]]
        inside = zip_entries(path / archives[0].path)
        return _of(f"archive {path / archives[0].path}", inside, others)
    return _of(f"folder {path}", entries)


def _of(source: str, entries: Iterable[Entry], beside: Iterable[Entry] = ()) -> Place:
    found: dict[str, Entry] = {}
    twice = ""
    for entry in sorted(entries, key=lambda entry: entry.path):
        twice = twice or (entry.path if entry.path in found else "")
        found[entry.path] = entry
    return Place(source, found, (), tuple(beside), twice)


def _beside_table(path: Path) -> Place:
    """A table, and the folders of the images that it names; all below its own if it names none."""
    table = Entry(path.name, file_reader(path))
    above = path.absolute().parent

    def lies_there(cell: str) -> bool:
        try:
            return is_image_name(cell.strip()) and (above / cell.strip()).is_file()
        except (OSError, ValueError):  # No name that this machine's files can have.
            return False

    found = read_table(table.read(), table.path, lies_there)
    cells = [cell.strip() for row in (found.rows if found else ()) for cell in row]
    named = [PurePosixPath(cell) for cell in cells if lies_there(cell)]
    inside = [name for name in named if not name.is_absolute() and ".." not in name.parts]
    if not inside:
        place = _folder(above)
        others = {name: entry for name, entry in place.entries.items() if name != path.name}
        return replace(place, entries=others, tables=(table,))
    # Not all that is below: a table may lie in a folder with very much else.
    entries = [
        Entry(file.relative_to(above).as_posix(), file_reader(file))
        for folder in sorted({above / name.parent for name in inside})
        for file in folder.iterdir()
        if is_image_name(file.name) and counts(file.name) and file.is_file()
    ]
    return replace(_of(f"table {path}", entries), tables=(table,))


def _refuse_databases(path: Path, names: list[str]) -> None:
    for name in sorted(names):
        ending = PurePosixPath(name).suffix.lower()
        if PurePosixPath(name).name == "data.mdb":
            what = "an LMDB database"
        elif ending in NOT_READ - {".xml"}:
            what = f"a {ending[1:]} file"
        else:
            continue
        if not any(map(is_image_name, names)):
            raise InputError(
                f"folder {path} has {what} ({name}), which is not read: write each image into a "
                "file, and labels.csv with the columns image and label"
            )
