"""Tables that only grow: one JSON object a line, synced, repairable after a kill at any moment.

Neither they nor the JSON files beside them hold a password or a key: captcha_models/secrets.py.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from captcha_models.errors import InputError
from captcha_models.renamed import renamed
from captcha_models.secrets import hide

VERSION = 1


class Table:
    """Appends rows to one file; a line that a kill left half-written is cut off first.

    The file's first line names the table and the version of its schema. One writer at a time.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115
        end = _complete(path.read_bytes())
        self._file.truncate(end)
        if end == 0:
            self.append({"table": path.stem, "version": VERSION})

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; it is on the disk when this returns.

        Raises:
            ValueError: a value that is not finite.
            OSError: the disk is full; the table is as it was.
        """
        line = hide(json.dumps(row, allow_nan=False)).encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(f"{self._file.name}: {written} of {len(line)} bytes written")
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(size)
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a table, without a last line that is still being written.

    Raises:
        InputError: no such file, another version, or a line that is no row.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(data[: _complete(data)].splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: not a row of a table")
        rows.append(renamed(row))
    if rows:
        check_version(path, rows.pop(0))
    return rows


def check_version(path: Path, header: Mapping[str, Any]) -> None:
    """Refuse a file of another version.

    Raises:
        InputError: names the file, its version and ours.
    """
    found = header.get("version")
    if found != VERSION:
        raise InputError(
            f"{path} is of version {found!r}; this program reads version {VERSION}: "
            "use the program that wrote it"
        )


def write_json(path: Path, values: Mapping[str, Any], *, lasting: bool = True) -> None:
    """Replace a JSON file; a reader or a kill sees the old one or the new one, whole.

    One that need not last is not synced: a power cut may leave it empty.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(hide(json.dumps(values, indent=2, allow_nan=False)) + "\n")
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new and renamed names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _complete(data: bytes) -> int:
    return data.rfind(b"\n") + 1
