"""Turns of threads in a time of their own, so that what they do falls together as it may."""

import threading
from collections.abc import Callable


class Turns:
    """Time that goes on when all actors sleep; who is due first acts, until it sleeps again."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: dict[int, float] = {}
        self._changed = threading.Condition()

    def run(self, *acts: Callable[[], None]) -> None:
        threads = [threading.Thread(target=self._act, args=(act,), daemon=True) for act in acts]
        with self._changed:
            for thread in threads:
                thread.start()
                self._changed.wait_for(lambda thread=thread: thread.ident in self._due)
            self._next()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    def sleep(self, seconds: float) -> None:
        me = threading.get_ident()
        with self._changed:
            self._due[me] = self.now + seconds
            self._next()
            self._changed.wait_for(lambda: self._turn == me)

    def _act(self, act: Callable[[], None]) -> None:
        me = threading.get_ident()
        with self._changed:
            self._turn = 0
            self._due[me] = 0.0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._turn == me)
        try:
            act()
        finally:
            with self._changed:
                del self._due[me]
                self._next()

    def _next(self) -> None:
        if self._due:
            self._turn = min(self._due, key=lambda one: self._due[one])
            self.now = self._due[self._turn]
            self._changed.notify_all()
