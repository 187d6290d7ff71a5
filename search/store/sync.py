"""Copy of a run in its storage, from which the run goes on when this machine is gone.

copy/TERM/state.json      what belongs together in all the following; written last
copy/TERM/NUMBER/TABLE    what a table has grown by, for object storage cannot append
copy/TERM/NUMBER/...      all else that lies in the run folder and is no checkpoint

What a state names is never written again, and the state of the highest term counts: a driver whose
term is over changes nothing by what it still writes. A run folder notes in `.term` up to which term
it knows the copy. Before version 0.4 there were no terms.
"""

import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError, one_line
from search.store.lease import Lease
from search.store.records import RUN_FILE
from search.store.storage import Storage
from search.store.terms import folder, latest

_LOCAL = ("ray", ".lock", ".term")


class Copy:
    """Keeps the copy of one run folder.

    What belongs together is read at once, on the driver's thread, when no trial is half recorded;
    a thread carries it to the storage, and what comes meanwhile goes along the next time.

    Attributes:
        store: where the copy is.
        lease: without which nothing is written there.
    """

    def __init__(self, path: Path, store: Storage, lease: Lease, kept: "Kept") -> None:
        self._path, self.store, self.lease = path, store, lease
        self._state = kept.state or {"tables": {}, "files": {}}
        (path / ".term").write_text(f"{lease.term}\n")
        self._number = 0
        self._thread = ThreadPoolExecutor(1)
        self._sending: Future[dict[str, Any]] | None = None
        self._pushed = -math.inf

    def push(self, *, wait: bool = False, every_s: float = 0.0) -> None:
        """Bring the copy up to date, unless it is just being written and nobody waits.

        Args:
            wait: until it is there.
            every_s: not sooner than so long after the last time.
        """
        if self._sending and not (wait or self._sending.done()):
            return
        if time.monotonic() - self._pushed < every_s:
            return
        self._pushed = time.monotonic()
        with suppress(OSError):  # What could not be sent goes along now.
            self._take_over()
        self._sending = self._thread.submit(self._send, *self._snapshot())
        if wait:
            self._take_over()

    def close(self) -> None:
        """Bring the copy up to date, wait for it, and give the lease back.

        Raises:
            InputError: the storage cannot be written, or another driver has the run; the run
                folder is as it should be.
        """
        try:
            self.push(wait=True)
        except OSError as error:
            raise InputError(
                f"the copy of {self._path} in {self.store.place} is behind: {one_line(error)}; "
                "--resume of a search, or the same confirmation again, brings it up to date"
            ) from None
        finally:
            self._thread.shutdown()
            self.lease.release()

    def _take_over(self) -> None:
        """Wait for what is under way; a failure is for the next time to make good."""
        if self._sending:
            sending, self._sending = self._sending, None
            self._state = sending.result()

    def _snapshot(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The next state, and the files it needs by their names in the storage."""
        before, self._number = self._state, self._number + 1
        own = f"{folder(self.lease.term)}/{self._number:06d}"
        state: dict[str, Any] = {"tables": {}, "files": {}}
        send: dict[str, bytes] = {}
        for place in sorted(self._path.rglob("*")):
            name = place.relative_to(self._path).as_posix()
            if place.is_dir() or name.startswith(_LOCAL) or name.endswith(".tmp"):
                continue
            if _is_table(self._path, place):
                parts = list(before["tables"].get(name, []))
                with open(place, "rb") as file:
                    file.seek(sum(size for _, size in parts))
                    more = file.read()
                if more:
                    send[f"{own}/{name}"] = more
                    parts.append([f"{own}/{name}", len(more)])
                state["tables"][name] = parts
            else:
                about = place.stat()
                known = [about.st_size, about.st_mtime_ns]
                old = before["files"].get(name, [])
                state["files"][name] = old if old[:2] == known else [*known, f"{own}/{name}"]
                if old[:2] != known:
                    send[f"{own}/{name}"] = place.read_bytes()
        return state, send

    def _send(self, state: dict[str, Any], send: dict[str, bytes]) -> dict[str, Any]:
        self.lease.check()
        for name, data in send.items():
            self.store.write(name, data)
        self.lease.check()
        own = folder(self.lease.term)
        self.store.write(f"{own}/state.json", json.dumps(state).encode())
        # Whoever takes the run after this begins with this state: what it lacks is not missed.
        self.lease.check()
        for name in _files(self._state) - _files(state):
            with suppress(OSError):
                self.store.delete(name)
        return state


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
        OSError: the storage cannot be read.
    """
    for term in range(latest(store), -1, -1):
        with suppress(FileNotFoundError):
            name = f"{folder(term) if term else 'copy'}/state.json"
            return Kept(term, dict(json.loads(store.read(name))))
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
        return newest(store).state is not None
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
            for file in sorted(files, key=lambda f: (f == place / RUN_FILE, _is_table(place, f))):
                to = path / file.relative_to(place)
                if _is_newer(to, file) and not _is_table(path, to) and to != path / RUN_FILE:
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
            (place / name).write_bytes(b"".join(store.read(part) for part, _ in parts))
        for name, about in state["files"].items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            store.fetch(about[2] if about[2:] else f"copy/files/{name}", place / name)
            os.utime(place / name, ns=(about[1], about[1]))  # Known as sent.
        yield place


def _files(state: dict[str, Any]) -> set[str]:
    """Names in the storage of what is written whole."""
    return {about[2] for about in state["files"].values() if about[2:]}


def _is_newer(one: Path, other: Path) -> bool:
    return one.exists() and one.stat().st_mtime_ns > other.stat().st_mtime_ns


def _is_table(path: Path, file: Path) -> bool:
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
