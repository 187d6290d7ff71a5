"""Stopping of a whole search: the time budget, the cost limit, and the person."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.tuning.monitor import Monitor


SAME_S = 1.0
"""So long after a SIGTERM another is the same: `timeout` sends it to its child and to the group."""


class Stopping:
    """Asked by the searcher and by Ray whether to go on.

    The budget drains: when it is spent no trial begins and those that run stop at their next
    epoch's end; what has not reported within the grace after it is cut off.

    Attributes:
        interrupted: whether Ctrl-C or SIGTERM has been received.
        monitor: of cost, silence and waiting; None keeps none.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self.monitor: Monitor | None = None
        self._searching = self._holding = False
        self._terminated = -math.inf
        self._deadline: float | None = None
        self._grace = 0.0

    def start_budget(self, budget_s: float | None) -> None:
        """Start the clock anew; None is no limit."""
        self._deadline = None if budget_s is None else time.monotonic() + budget_s
        self._grace = min(60.0, max(10.0, (budget_s or 0.0) / 4))

    @property
    def remaining_s(self) -> float | None:
        """Seconds left, not below zero; None without a limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def budget_spent(self) -> bool:
        """Whether the time budget is over, or the cost limit reached."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or self.cost_reached

    @property
    def cost_reached(self) -> bool:
        """Whether the run has cost as much as it may."""
        return self.monitor is not None and self.monitor.cost_reached

    @property
    def closed(self) -> bool:
        """Whether no further trial shall begin."""
        return self.interrupted or self.budget_spent

    @property
    def cut(self) -> bool:
        """Whether everything shall stop at once."""
        late = self._deadline is not None and time.monotonic() >= self._deadline + self._grace
        return self.interrupted or late

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Make SIGINT and SIGTERM raise KeyboardInterrupt, or within `searching` stop cleanly."""
        former = self._listen()
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    @contextmanager
    def searching(self) -> Iterator[None]:
        """While trials run the first signal asks them to stop, a second one insists.

        A SIGTERM within a second of another is no second one.
        """
        # A Ray that was already connected has put its own handler of SIGTERM there.
        self._listen()
        self._searching = True
        try:
            yield
        finally:
            self._searching = False

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the first signal back until the end, while other threads import.

        One that breaks an import off leaves its lock taken, and they would wait for it for ever.
        """
        self._holding = True
        # Threads that are started meanwhile block it for good: it always comes to this one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._holding = False
        if self.interrupted:
            raise KeyboardInterrupt

    def _listen(self) -> dict[int, Any]:
        """Install the handlers; what they replaced. Only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        return {s: signal.signal(s, self._receive) for s in (signal.SIGINT, signal.SIGTERM)}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            before, self._terminated = self._terminated, time.monotonic()
            if self._terminated - before < SAME_S:
                return
        again, self.interrupted = self.interrupted, True
        if again or not (self._searching or self._holding):
            raise KeyboardInterrupt
