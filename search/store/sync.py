"""Copy of a run in its storage, from which the run goes on when this machine is gone.

copy/TERM/state.json      what belongs together in all the following; written last
copy/TERM/NUMBER/TABLE    what a table has grown by, for object storage cannot append
copy/TERM/NUMBER/...      all else that lies in the run folder and is no checkpoint

What a state names is never written again, and the state of the highest term counts: a driver whose
term is over changes nothing by what it still writes. A run folder notes in `.term` up to which term
it knows the copy. Before version 0.4 there were no terms.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError, one_line
from search.store.lease import Lease
from search.store.records import RUN_FILE
from search.store.storage import Storage
from search.store.terms import folder, latest


class DivergedError(InputError):
    """A run folder and its copy each hold what the other does not."""


@dataclass(frozen=True)
class Kept:
    """What a storage holds of a run.

    Attributes:
        term: in which it was written; 0 is one without terms.
        state: that counts; None if there is no copy.
    """

    term: int
    state: dict[str, Any] | None


def newest(store: Storage) -> Kept:
    """The copy that counts.

    Raises:
        OSError: the storage cannot be read, or holds half of it.
    """
    for term in range(latest(store), -1, -1):
        with suppress(FileNotFoundError):
            name = f"{folder(term) if term else 'copy'}/state.json"
            return Kept(term, _parsed(name, store.read(name)))
    return Kept(0, None)


def adopt(store: Storage, lease: Lease) -> Kept:
    """The copy that the driver of a lease goes on from, whatever a former one still writes.

    Raises:
        InputError: the storage cannot be used.
    """
    try:
        kept = newest(store)
        if kept.state is not None:
            # Before anything is done by it: from here on it counts, and nothing that comes late.
            store.write(f"{folder(lease.term)}/state.json", json.dumps(kept.state).encode())
    except OSError as error:
        text = f"the run in {store.place} cannot be taken up: {one_line(error)}"
        raise InputError(text) from None
    return kept


def is_kept(store: Storage) -> bool:
    """Whether the storage holds the copy of a run.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return newest(store.hurried()).state is not None
    except OSError as error:
        raise InputError(f"storage {store.place} cannot be read: {one_line(error)}") from None


def bring_up(store: Storage, path: Path, kept: Kept | None = None) -> None:
    """Bring a run folder up to its copy, where that was written elsewhere since, or make it.

    Args:
        store: of the run.
        path: of the folder.
        kept: the copy, as a driver adopted it; else the one that counts.

    Raises:
        InputError: the copy cannot be read.
        DivergedError: each holds what the other does not.
    """
    try:
        kept = kept or newest(store)
        state = kept.state
        if state is None or ((path / RUN_FILE).exists() and _term(path) >= kept.term):
            return
        with _fetched(store, path, state) as place:
            if not path.exists():
                shutil.move(place, path)
                return
            files = [file for file in place.rglob("*") if file.is_file()]
            tables = [(_complete(place / t), _complete(path / t)) for t in state["tables"]]
            if not all(there.startswith(here) for there, here in tables):
                if not all(here.startswith(there) for there, here in tables):
                    raise DivergedError(
                        f"{path} holds what {store.place} does not, where the run went on without "
                        f"it: move {path} away, and the same command with its --storage goes on "
                        "from what the storage holds"
                    )
                # Of what is the further one only what it lacks is taken.
                files = [file for file in files if not (path / file.relative_to(place)).exists()]
            # The tables at the end, and then the record: they say that all the others are there.
            for file in sorted(files, key=lambda f: (f == place / RUN_FILE, is_table(place, f))):
                to = path / file.relative_to(place)
                if _is_newer(to, file) and not is_table(path, to) and to != path / RUN_FILE:
                    continue  # Such as a confirmation's, made here after the copy had gone on.
                to.parent.mkdir(parents=True, exist_ok=True)
                file.replace(to)
    except OSError as error:
        text = f"the run in {store.place} cannot be fetched: {one_line(error)}"
        raise InputError(text) from None


@contextmanager
def _fetched(store: Storage, path: Path, state: dict[str, Any]) -> Iterator[Path]:
    """A folder beside the run's, made of its copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        place = Path(temporary) / path.name
        place.mkdir()
        for name, parts in state["tables"].items():
            (place / name).write_bytes(b"".join(_whole(store, *part) for part in parts))
        for name, about in state["files"].items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            store.fetch(about[2] if about[2:] else f"copy/files/{name}", place / name)
            _assert_size(name, (place / name).stat().st_size, about[0])
            os.utime(place / name, ns=(about[1], about[1]))  # Known as sent.
        yield place


def _whole(store: Storage, name: str, size: int) -> bytes:
    data = store.read(name)
    _assert_size(name, len(data), size)
    return data


def _assert_size(name: str, found: int, size: int) -> None:
    if found != size:
        raise OSError(f"{name} holds {found} bytes of {size}: its writing was cut off")


def _parsed(name: str, state: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(state))
    except (ValueError, TypeError):
        raise OSError(f"{name} is no whole state: its writing was cut off") from None


def _is_newer(one: Path, other: Path) -> bool:
    return one.exists() and one.stat().st_mtime_ns > other.stat().st_mtime_ns


def is_table(path: Path, file: Path) -> bool:
    """Whether a file of a run folder is a table, which only grows."""
    return file.parent == path and file.suffix == ".jsonl"


def _term(path: Path) -> int:
    """Up to which term a run folder knows its copy."""
    try:
        return int((path / ".term").read_text())
    except (OSError, ValueError):
        return 0


def _complete(table: Path) -> bytes:
    """A table without a last line that a kill has torn."""
    data = table.read_bytes() if table.exists() else b""
    return data[: data.rfind(b"\n") + 1]
