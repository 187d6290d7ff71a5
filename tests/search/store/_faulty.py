"""Object storage with faults: a proxy before a stand-in that fails, waits, fills up, lags, cuts."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase, BytesIO
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

_FULL = b"<Error><Code>XMinioStorageFull</Code><Message>Storage backend is full</Message></Error>"
_BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_PARTED = ("content-encoding", "content-md5", "x-amz-checksum", "x-amz-content-sha256",
           "x-amz-decoded-content-length", "x-amz-sdk-checksum", "x-amz-trailer")  # fmt: skip
"""Headers of a body that comes in pieces, each with its checksum."""
_ASIDE = {"connection", "transfer-encoding", "content-length", "expect", "keep-alive"}


class Faults:
    """What the storage does wrong; may be changed at any moment.

    Attributes:
        every: one call in so many is answered 503; 0 for none.
        delay_s: before each answer.
        full: whether whatever would be written is refused (507).
        half: one plain write in so many keeps half of the object and cuts the connection.
        lags: whether a listing says for ever what it said first.
        gone: whether every connection is cut without an answer.
        did: how often each was done.
    """

    def __init__(self, to: str) -> None:
        self.every = self.half = 0
        self.delay_s = 0.0
        self.full = self.lags = self.gone = False
        self.did: Counter[str] = Counter()
        self.to = to
        self._calls: Counter[str] = Counter()
        self._listed: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {}
        self._lock = threading.Lock()

    def strikes(self, what: str, every: int) -> bool:
        """Whether the fault hits this call."""
        with self._lock:
            self._calls[what] += 1
            hit = bool(every) and self._calls[what] % every == 0
            self.did[what] += hit
            return hit

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """The answer of what is behind."""
        behind = http.client.HTTPConnection(self.to, timeout=60)
        try:
            behind.request(method, path, body, headers)
            answer = behind.getresponse()
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _ASIDE]
            if method == "HEAD" and (size := answer.getheader("Content-Length")):
                kept.append(("Content-Length", size))
            return answer.status, kept, answer.read()
        finally:
            behind.close()

    def listing(
        self, path: str, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """A listing as it was when it was asked for first."""
        self.did["lags"] += path in self._listed
        if path not in self._listed:
            self._listed[path] = self.ask("GET", path, headers, b"")
        return self._listed[path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    faults: Faults

    def log_message(self, *arguments: object) -> None:
        pass

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()  # Else the client waits a second for it.
        return True

    def _pass(self) -> None:
        faults = self.faults
        body = self._body()
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _ASIDE}
        if headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
            body = b"".join(_chunks(BytesIO(body)))
            headers = {k: v for k, v in headers.items() if not k.lower().startswith(_PARTED)}
        time.sleep(faults.delay_s)
        writes = bool(body) and self.command in ("PUT", "POST") and "delete" not in self.path
        if faults.gone:
            self.close_connection = True
        elif faults.strikes("every", faults.every):
            self._answer(503, [("Content-Type", "application/xml")], _BUSY)
        elif writes and faults.full:
            faults.did["full"] += 1
            self._answer(507, [("Content-Type", "application/xml")], _FULL)
        elif writes and self._is_plain() and faults.strikes("half", faults.half):
            faults.ask("PUT", self.path, headers, body[: len(body) // 2])
            self.close_connection = True
        elif faults.lags and "prefix" in parse_qs(urlsplit(self.path).query):
            self._answer(*faults.listing(self.path, headers))
        else:
            self._answer(*faults.ask(self.command, self.path, headers, body))

    def _is_plain(self) -> bool:
        """Whether it writes over what is there; half a lease would be taken for another's."""
        return self.command == "PUT" and "If-None-Match" not in self.headers

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(_chunks(self.rfile))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD" or not any(k == "Content-Length" for k, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _chunks(file: BinaryIO | BufferedIOBase) -> Iterator[bytes]:
    """The pieces of a body that comes in pieces, without what stands between and after them."""
    while size := int(file.readline().partition(b";")[0], 16):
        yield file.read(size)
        file.readline()
    while file.readline().strip():
        pass


@contextmanager
def faulty(place: str) -> Iterator[tuple[Faults, str]]:
    """The faults of a storage, none to begin with, and its address with them.

    Args:
        place: address of a stand-in that ends with the host and port where it listens.
    """
    front, _, to = place.rpartition("=")
    faults = Faults(to)
    handler = type("Handler", (_Handler,), {"faults": faults})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield faults, f"{front}=127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
