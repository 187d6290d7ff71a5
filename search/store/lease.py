"""Lease of a stored run: one driver holds it, and whoever else comes is told who.

    copy/TERM/beat.json     changes every few seconds, and says when the run is given back

The driver of the highest term holds the run; see search/store/terms.py. One whose beat has not
changed for a while is dead; whoever wants the run watches for that by a clock of its own, so clocks
may differ. A driver that could not beat for half as long writes nothing until it can again and has
seen that nobody took the run.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from captcha_models.errors import InputError, one_line
from search.store.storage import Storage
from search.store.terms import Holder, create, exists, folder, holder, latest, parsed

BEAT_S = 10.0
HOLD_S = 45.0
"""So long after its last beat a driver still writes."""
TAKE_S = 90.0
"""So long a beat must not have changed before another driver takes the run."""
SAY_S = 30.0
"""So long the storage must not have been reached before it is said that it is waited for."""
LOOK_S = 2.0
TRIES = 5
"""So often a store may refuse the term that nobody has, as S3 does while another asks for it."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BOOT = Path("/proc/sys/kernel/random/boot_id")

Say = Callable[[str], None]


def elapsed() -> float:
    """Seconds by a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class LeaseLostError(InputError):
    """Another driver holds the run."""


class LeaseLapsedError(OSError):
    """The storage has not been reached for so long that another driver may take the run."""


class Lease:
    """The right to write a stored run, from `take` to `release`.

    Attributes:
        term: its number.
        lock: identity of the run folder's lock, which says that its last process is dead.
    """

    def __init__(
        self, store: Storage, term: int, begun: float, lock: str | None,
        clock: Callable[[], float], say: Say = lambda line: None,
    ) -> None:  # fmt: skip
        self._store, self.term, self._renewed = store, term, begun
        self.lock, self._clock, self._say = lock, clock, say
        self._count, self._lost, self._trouble = 0, "", ""
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    @classmethod
    def take(
        cls, store: Storage, say: Say, lock: str | None = None, *,
        clock: Callable[[], float] = elapsed, pause: Callable[[float], None] = time.sleep,
    ) -> Self:  # fmt: skip
        """Take a run; where its last driver was cut off, watch first whether it still writes.

        Args:
            store: of the run.
            say: prints one line.
            lock: identity of the run folder's lock, which is held.
            clock: seconds that pass.
            pause: sleeps.

        Raises:
            InputError: another driver writes the run, or the storage cannot keep two apart.
        """
        me, tries, store = Holder.here(), 0, store.hurried()
        try:
            while True:
                term = latest(store)
                seen = _watch(store, term, lock, say, clock, pause) if term else b""
                begun = clock()
                if not create(store, term + 1, me):
                    if not exists(store, term + 1):
                        tries += 1
                        if tries == TRIES:
                            raise OSError("it refuses to make a file that is not there")
                        pause(LOOK_S)
                    continue  # Another was quicker, and is watched in its turn.
                if term and _beat(store, term) != seen:
                    # It came back at the last moment, and may just be writing.
                    pause(HOLD_S)
                    begun = clock()
                lease = cls(store, term + 1, begun, lock, clock, say)
                lease.beat()
                return lease
        except OSError as error:
            text = f"storage {store.place} cannot be used: {one_line(error)}"
            raise InputError(text) from None

    def keep(self) -> None:
        """Beat in a thread from now on, and say in another when the storage is not reached."""
        self._threads = [
            threading.Thread(target=what, daemon=True) for what in (self._beat_on, self._say_on)
        ]
        for thread in self._threads:
            thread.start()

    def beat(self) -> None:
        """Show that the driver lives, and look whether the run has been taken.

        Raises:
            OSError: the storage cannot be reached.
        """
        if self._lost:
            return
        begun = self._clock()
        self._count += 1
        self._write_beat(released=False)
        # Asked when the beat is there: who takes the run makes its term, then looks at the beat.
        if self._taken():
            self._lose()
        else:
            self._renewed = begun

    def assert_kept(self) -> None:
        """Refuse what would be recorded of a run that is another's now; asks nobody.

        Raises:
            LeaseLostError: says who has it.
        """
        if self._lost:
            raise LeaseLostError(self._lost)

    def check(self) -> None:
        """Refuse a write to the storage unless the run is held at this moment.

        Raises:
            LeaseLostError: another driver has it.
            OSError: it is not known, for the storage cannot be reached.
        """
        self.assert_kept()
        silent = self._clock() - self._renewed
        if silent > HOLD_S:
            text = f"{self._store.place} has not been reached for {silent:.0f} s"
            raise LeaseLapsedError(f"{text} ({self._trouble})" if self._trouble else text)
        if self._taken():
            self._lose()
            self.assert_kept()

    def release(self) -> None:
        """Give the run back: the next driver need not wait."""
        self._ended.set()
        for thread in self._threads:
            thread.join(HOLD_S)  # It may hang in a call to the storage.
        if not self._lost:
            with suppress(OSError):  # Then the next one has to watch for a while.
                self._write_beat(released=True)

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                self.beat()
            except Exception as error:  # Whatever a file system raises, the next beat may be heard.
                self._trouble = one_line(error)

    def _say_on(self) -> None:
        """Say once what is waited for, and once that it is back; a beat may hang meanwhile."""
        since = None
        while not self._ended.wait(min(1.0, SAY_S / 4)):
            if self._lost:
                return
            silent = self._clock() - self._renewed
            if since is None and silent >= SAY_S:
                since = self._renewed
                why = f" ({self._trouble})" if self._trouble else ""
                self._say(
                    f"waiting for {self._store.place}: not reached for {silent:.0f} s{why}; trials "
                    "go on, and what they bring is sent when it is back"
                )
            elif since is not None and silent < SAY_S:
                self._say(f"{self._store.place} is reached again, after "
                          f"{self._renewed - since:.0f} s")  # fmt: skip
                since = None

    def _write_beat(self, *, released: bool) -> None:
        found = {"count": self._count, "lock": self.lock, "released": released}
        self._store.write(f"{folder(self.term)}/beat.json", json.dumps(found).encode())

    def _taken(self) -> bool:
        return exists(self._store, self.term + 1)

    def _lose(self) -> None:
        self._lost = (
            f"{self._store.place} is written by {holder(self._store, self.term + 1)}: it "
            f"took the run over when this search had not been heard of for {TAKE_S:g} s; the run "
            "goes on there, and this search has stopped"
        )


def identity(lock: Path) -> str | None:
    """What tells a lock file from all others, until the machine starts anew; None if unknown."""
    try:
        about = lock.stat()
        return f"{_BOOT.read_text().strip()} {about.st_dev} {about.st_ino}"
    except OSError:
        return None


def _watch(
    store: Storage, term: int, lock: str | None, say: Say, clock: Callable[[], float],
    pause: Callable[[float], None],
) -> bytes:  # fmt: skip
    """Wait until a term's driver is known to be gone; its last beat.

    Raises:
        InputError: it writes.
    """
    seen = _beat(store, term)
    about = parsed(seen)
    if about.get("released") or (lock and about.get("lock") == lock):
        return seen
    who = holder(store, term)
    say(f"{store.place} was last written by {who}: for {TAKE_S:g} s it is watched whether that "
        "still runs")  # fmt: skip
    until = clock() + TAKE_S
    while True:
        pause(LOOK_S)
        asked, found = clock(), _beat(store, term)
        if parsed(found).get("released"):
            return found
        if found != seen:
            raise InputError(
                f"{store.place} is being written by {who}: wait for it, or end it there with "
                "Ctrl-C, then the same command goes on; if it is killed or cut off, the same "
                f"command takes the run over once it has been silent for {TAKE_S:g} s"
            )
        if asked >= until:
            say(f"it was silent for {TAKE_S:g} s: this search takes the run over")
            return found


def _beat(store: Storage, term: int) -> bytes:
    try:
        return store.read(f"{folder(term)}/beat.json")
    except FileNotFoundError:
        return b""
