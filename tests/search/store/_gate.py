"""Gate before a storage that stands in: it can refuse all calls, or let each wait."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Gate:
    """Passes connections on.

    Attributes:
        shut: whether they are refused, those that are open among them.
        delay_s: before each piece of what is asked.
    """

    def __init__(self, to: tuple[str, int]) -> None:
        self.shut, self.delay_s = False, 0.0
        self._to = to
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        """Refuse everything from now on."""
        self.shut = True
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if self.shut:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                self._open += [near, far]
                for one, other, wait in ((near, far, True), (far, near, False)):
                    threading.Thread(
                        target=self._pass, args=(one, other, wait), daemon=True
                    ).start()

    def _pass(self, one: socket.socket, other: socket.socket, wait: bool) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                time.sleep(self.delay_s if wait else 0)
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self.close()
        self._server.close()


@contextmanager
def gate(to: str) -> Iterator[Gate]:
    """A gate before what listens at host:port."""
    host, _, port = to.partition(":")
    made = Gate((host, int(port)))
    try:
        yield made
    finally:
        made.stop()
