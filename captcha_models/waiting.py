"""Waiting made visible: what a command is doing, with a clock that moves, until there is more.

On a terminal one line that is drawn over; in a file a line a minute. Loads nothing that takes time.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from captcha_models.cli import say
from captcha_models.words import counted

T = TypeVar("T")

EVERY_S = 0.5
FILE_EVERY_S = 60.0


class Waiting:
    """Says what is being done, from a thread of its own; on standard error."""

    def __init__(self, file_every_s: float = FILE_EVERY_S) -> None:
        self._is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._every_s = EVERY_S if self._is_terminal else file_every_s
        self._began = time.monotonic()
        self._doing: str | None = None
        self._count = ""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, daemon=True)

    def __enter__(self) -> Self:
        _open.append(self)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _open.remove(self)
        self.now(None)
        self._over.set()
        self._thread.join()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Ray pickles whatever its searcher knows into a file that is never read.
        return Waiting, ()

    def now(self, doing: str | None) -> None:
        """Show what is being done from now on; None shows nothing, for others draw."""
        with self._lock:
            self._clear()
            self._doing, self._count = doing, ""
            if self._is_terminal:
                self._draw()

    def count(self, count: str) -> None:
        """Say beside what is being done how much of it is done, such as `120 of 936 images`."""
        self._count = count

    def say(self, text: str, *, err: bool = False) -> None:
        """Print lines as `captcha_models.cli.say` does, above what is being done."""
        with self._lock:
            self._clear()
            say(text, err=err)
            if self._is_terminal:
                self._draw()

    def _draw_on(self) -> None:
        while not self._over.wait(self._every_s):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if self._doing is None:
            return
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        line = f"[{minutes // 60}:{minutes % 60:02d}:{seconds:02d}] {self._doing}"
        line += f": {self._count}" if self._count else " ..."
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[2K{line[:width]}")
            sys.stderr.flush()
        else:
            say(line, err=True)

    def _clear(self) -> None:
        if self._doing is not None and self._is_terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


_open: list[Waiting] = []


def through(
    items: Iterable[T], noun: str, size: Callable[[T], int] = lambda item: 1
) -> Iterator[T]:
    """Give items one by one; what this process waits with, if it does, counts those that are done.

    Args:
        items: all of them; of a list it is told how many there are.
        noun: what each is, or is so many of.
        size: how many an item is.
    """
    done, total = 0, sum(map(size, items)) if isinstance(items, Sequence) else None
    for item in items:
        yield item
        done += size(item)
        if _open:
            all_of = counted(done if total is None else total, noun)
            _open[-1].count(all_of if total is None else f"{done:,} of {all_of}")
