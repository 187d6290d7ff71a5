"""Copy of a run in its storage, from which the run goes on when this machine is gone.

copy/state.json         which of the following belong together; written last
copy/TABLE/NUMBER       parts of each table, for object storage cannot append
copy/files/             all else that lies in the run folder and is no checkpoint
"""

import json
import math
import shutil
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError, one_line
from search.store.storage import Storage

STATE = "copy/state.json"
_LOCAL = ("ray", ".lock")


class Copy:
    """Keeps the copy of one run folder.

    What belongs together is read at once, on the driver's thread, when no trial is half recorded;
    a thread carries it to the storage, and what comes meanwhile goes along the next time.
    """

    def __init__(self, path: Path, store: Storage) -> None:
        self._path, self._store = path, store
        self._state: dict[str, Any] = _state(store) if is_kept(store) else {
            "number": 0, "tables": {}, "files": {}
        }  # fmt: skip
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
        """Bring the copy up to date and wait for it.

        Raises:
            InputError: the storage cannot be written; the run folder is as it should be.
        """
        try:
            self.push(wait=True)
        except OSError as error:
            raise InputError(
                f"the copy of {self._path} in {self._store.place} is behind: {one_line(error)}; "
                "--resume brings it up to date"
            ) from None
        finally:
            self._thread.shutdown()

    def _take_over(self) -> None:
        """Wait for what is under way; a failure is for the next time to make good."""
        if self._sending:
            sending, self._sending = self._sending, None
            self._state = sending.result()

    def _snapshot(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The next state, and the files it needs by their names in the storage."""
        before, number = self._state, self._state["number"] + 1
        state: dict[str, Any] = {"number": number, "tables": {}, "files": {}}
        send: dict[str, bytes] = {}
        for place in sorted(self._path.rglob("*")):
            name = place.relative_to(self._path).as_posix()
            if place.is_dir() or name.startswith(_LOCAL) or name.endswith(".tmp"):
                continue
            if place.parent == self._path and place.suffix == ".jsonl":
                parts = list(before["tables"].get(name, []))
                with open(place, "rb") as file:
                    file.seek(sum(size for _, size in parts))
                    more = file.read()
                if more:
                    part = f"copy/{place.stem}/{number:06d}"
                    send[part] = more
                    parts.append([part, len(more)])
                state["tables"][name] = parts
            else:
                about = place.stat()
                state["files"][name] = [about.st_size, about.st_mtime_ns]
                if before["files"].get(name) != state["files"][name]:
                    send[f"copy/files/{name}"] = place.read_bytes()
        return state, send

    def _send(self, state: dict[str, Any], send: dict[str, bytes]) -> dict[str, Any]:
        for name, data in send.items():
            self._store.write(name, data)
        self._store.write(STATE, json.dumps(state).encode())
        return state


def is_kept(store: Storage) -> bool:
    """Whether the storage holds the copy of a run."""
    return store.exists(STATE)


def fetch(store: Storage, path: Path) -> None:
    """Make a run folder of its copy.

    Raises:
        InputError: there is no copy, or it cannot be read.
    """
    if not is_kept(store):
        raise InputError(f"no run at {path}, and none in {store.place}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        place = Path(folder) / path.name
        place.mkdir()
        try:
            state = _state(store)
            for name, parts in state["tables"].items():
                (place / name).write_bytes(b"".join(store.read(part) for part, _ in parts))
            for name in state["files"]:
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                store.fetch(f"copy/files/{name}", place / name)
        except OSError as error:
            text = f"the run in {store.place} cannot be fetched: {one_line(error)}"
            raise InputError(text) from None
        shutil.move(place, path)


def _state(store: Storage) -> dict[str, Any]:
    return dict(json.loads(store.read(STATE)))
