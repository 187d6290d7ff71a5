"""Steps of the epochs under way, which workers tell the driver of while they train.

Each goes in a datagram: nobody waits for it, the next makes a lost one good, and it is in no
record. It is shown and decides nothing. Where none comes through, such as past a firewall, a search
shows what it knows without them.
"""

import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_hex
from types import TracebackType
from typing import Self

from search.store.status import Step

EVERY_S = 0.5
"""Seconds between two datagrams of a trial, at least; its last step of an epoch goes at once."""
_LONGEST = 512
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Address:
    """Where the driver listens, and the word by which it knows its own workers."""

    host: str
    port: int
    token: str


class Steps:
    """Listens while it is open; may be asked from any thread.

    Args:
        host: address of this machine at which workers find it; None listens to nobody.
    """

    def __init__(self, host: str | None) -> None:
        self.address: Address | None = None
        self._socket: socket.socket | None = None
        self._heard: dict[str, Step] = {}
        self._lock = threading.Lock()
        with suppress(OSError):
            if host is not None:
                self._socket = _socket(host)
                self._socket.bind((host, 0))
                self.address = Address(host, self._socket.getsockname()[1], token_hex(16))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._socket:
                self._socket.close()
            self._socket = self.address = None

    def of(self, trial: str, epoch: int) -> Step | None:
        """The last step that a trial told of, in an epoch (from 1) or later; None if in none.

        A worker may be an epoch further than what the driver has taken in of its reports.
        """
        with self._lock:
            self._listen()
        found = self._heard.get(trial)
        return found if found and found.epoch >= epoch else None

    def _listen(self) -> None:
        """Take in all that has come; what is no step of a worker of ours is passed over."""
        if self._socket is None or self.address is None:
            return
        for _ in range(_AT_ONCE):
            try:
                data = self._socket.recv(_LONGEST)
            except OSError:
                return
            with suppress(ValueError, TypeError, RecursionError):
                token, trial, *numbers = json.loads(data)
                if compare_digest(token, self.address.token):
                    self._heard[str(trial)] = Step.of(*numbers)


class Teller:
    """Tells the driver of a trial's steps; called after each, it lets most of them pass.

    Args:
        to: where the driver listens; None tells nobody.
        trial: the trial's name.
    """

    def __init__(self, to: Address | None, trial: str) -> None:
        self._to, self._trial = to, trial
        self._socket: socket.socket | None = None
        if to:
            with suppress(OSError):
                self._socket = _socket(to.host)
        self._began = self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket:
            self._socket.close()

    def __call__(self, epoch: int, step: int, steps: int, images: int) -> None:
        """Note that a step is done.

        Args:
            epoch: under way, from 1.
            step: of the epoch, from 1.
            steps: that the epoch has.
            images: that a step trains on.
        """
        if self._socket is None or self._to is None:
            return
        now = time.monotonic()
        if step == 1:
            self._began = now
        if now < self._next and step < steps:
            return
        self._next = now + EVERY_S
        told = [self._to.token, self._trial, epoch, step, steps, images, now - self._began]
        with suppress(OSError):
            self._socket.sendto(json.dumps(told).encode(), (self._to.host, self._to.port))


def _socket(host: str) -> socket.socket:
    """A socket for datagrams, which never blocks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_DGRAM)
    found.setblocking(False)
    return found
