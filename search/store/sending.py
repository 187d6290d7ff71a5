"""Sending of a run to its storage, so that it goes on from there; see search/store/sync.py."""

import json
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError, one_line
from search.store.disk_full import is_full
from search.store.lease import Lease
from search.store.storage import Storage
from search.store.sync import Kept, is_table
from search.store.terms import folder

_LOCAL = ("ray", ".lock", ".term")
CLOSE_S = 120.0
"""So long the end of a search waits for a storage that is not reached."""
AGAIN_S = 2.0
PARTS = 50
"""In so many parts a table may lie there before it is sent whole."""


class Copy:
    """Keeps the copy of one run folder.

    What belongs together is read at once, on the driver's thread, when no trial is half recorded;
    a thread carries it to the storage, and what comes meanwhile goes along the next time.

    Attributes:
        store: where the copy is.
        lease: without which nothing is written there.
    """

    def __init__(self, path: Path, store: Storage, lease: Lease, kept: Kept) -> None:
        self._path, self.store, self.lease = path, store, lease
        self._state = kept.state or {"tables": {}, "files": {}}
        (path / ".term").write_text(f"{lease.term}\n")
        self._number = 0
        self._thread = ThreadPoolExecutor(1)
        self._sending: Future[dict[str, Any]] | None = None
        self._pushed = -math.inf
        self._owed = False

    def push(self, *, wait: bool = False, every_s: float = 0.0) -> None:
        """Bring the copy up to date; what cannot be sent at once is for `catch_up`.

        Args:
            wait: until it is there.
            every_s: not sooner than so long after the last time.
        """
        self._owed = True
        if self._sending and not (wait or self._sending.done()):
            return
        if time.monotonic() - self._pushed < every_s:
            return
        self._owed, self._pushed = False, time.monotonic()
        with suppress(OSError):  # What could not be sent goes along now.
            self._take_over()
        self._sending = self._thread.submit(self._send, *self._snapshot())
        if wait:
            self._take_over()

    def catch_up(self, every_s: float) -> None:
        """Send what is still to be sent, or could not be; not sooner than after the seconds."""
        done = self._sending and self._sending.done()
        if self._owed or (self._sending and done and self._sending.exception()):
            self.push(every_s=every_s)

    def close(self) -> None:
        """Bring the copy up to date, wait for it, and give the lease back.

        Raises:
            InputError: the storage cannot be written, or another driver has the run; the run
                folder is as it should be.
        """
        until = time.monotonic() + CLOSE_S
        try:
            while True:
                try:
                    self.push(wait=True)
                    break
                except OSError as error:
                    if time.monotonic() < until and not is_full(error):
                        time.sleep(AGAIN_S)
                        continue
                    raise InputError(
                        f"the copy of {self._path} in {self.store.place} is behind: "
                        f"{one_line(error)}; --resume of a search, or the same confirmation again, "
                        "brings it up to date"
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
            if is_table(self._path, place):
                parts = list(before["tables"].get(name, []))
                if len(parts) >= PARTS:
                    parts = []
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


def _files(state: dict[str, Any]) -> set[str]:
    """Names in the storage of all that a state is made of."""
    parts = {name for table in state["tables"].values() for name, _ in table}
    return parts | {about[2] for about in state["files"].values() if about[2:]}
