"""Google's object storage, as far as a run needs it: JSON API, preconditions, resumable uploads."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Google:
    """Objects of all buckets, by bucket and name.

    Attributes:
        obeys: whether `ifGenerationMatch` is heeded.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.generation: dict[tuple[str, str], int] = {}
        self.uploads: dict[str, tuple[tuple[str, str], bytes]] = {}
        self.obeys = True
        self.lock = threading.Lock()

    def put(self, at: tuple[str, str], data: bytes, only: str | None) -> bool:
        with self.lock:
            if self.obeys and only is not None and int(only) != self.generation.get(at, 0):
                return False
            self.objects[at] = data
            self.generation[at] = len(self.objects) + self.generation.get(at, 0)
            return True

    def about(self, at: tuple[str, str]) -> dict[str, Any]:
        return {
            "kind": "storage#object", "bucket": at[0], "name": at[1],
            "size": str(len(self.objects[at])), "generation": str(self.generation[at]),
            "metageneration": "1", "timeCreated": "2026-01-01T00:00:00Z",
            "updated": "2026-01-01T00:00:00Z", "contentType": "application/octet-stream",
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Else an answer is two packets, and the second waits.
    google: Google

    def log_message(self, *arguments: Any) -> None:
        pass

    def _split(self) -> tuple[list[str], dict[str, str]]:
        parts = urlsplit(self.path)
        names = [unquote(name) for name in parts.path.strip("/").split("/")]
        return names, {k: v[0] for k, v in parse_qs(parts.query).items()}

    def _answer(self, code: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _json(self, found: Any, code: int = 200, **headers: str) -> None:
        self._answer(code, json.dumps(found).encode(), Content_Type="application/json", **headers)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def do_GET(self) -> None:
        names, query = self._split()
        google = self.google
        if "b" not in names:
            at = names[0], "/".join(names[1:])  # As its older API names an object.
            self._bytes(at)
            return
        bucket = names[names.index("b") + 1]
        rest = names[names.index("b") + 2 :]
        if not rest:
            self._json({"kind": "storage#bucket", "name": bucket, "id": bucket})
        elif len(rest) == 1:
            prefix = query.get("prefix", "")
            keys = sorted(k for k in google.objects if k[0] == bucket and k[1].startswith(prefix))
            mark = query.get("delimiter")
            deep = [k for k in keys if mark and mark in k[1][len(prefix) :]]
            folders = {prefix + k[1][len(prefix) :].partition("/")[0] + "/" for k in deep}
            items = [google.about(k) for k in keys if k not in deep]
            found = {"kind": "storage#objects", "items": items, "prefixes": sorted(folders)}
            self._json(found)
        elif query.get("alt") == "media":
            self._bytes((bucket, "/".join(rest[1:])))
        else:
            at = bucket, "/".join(rest[1:])
            self._json(google.about(at)) if at in google.objects else self._missing()

    def _bytes(self, at: tuple[str, str]) -> None:
        if at not in self.google.objects:
            self._missing()
            return
        data, first = self.google.objects[at], 0
        about = {"x_goog_generation": str(self.google.generation[at]),
                 "x_goog_stored_content_length": str(len(data))}  # fmt: skip
        if given := self.headers.get("Range"):
            begin, _, end = given.removeprefix("bytes=").partition("-")
            first, last = int(begin), min(int(end or len(data) - 1), len(data) - 1)
            if first >= len(data):
                self._answer(416)
                return
            about["Content_Range"] = f"bytes {first}-{last}/{len(data)}"
            self._answer(206, data[first : last + 1], **about)
        else:
            self._answer(200, data, **about)

    def _missing(self) -> None:
        self._json({"error": {"code": 404, "message": "Not Found"}}, 404)

    def do_POST(self) -> None:
        names, query = self._split()
        body, google = self._body(), self.google
        bucket = names[names.index("b") + 1]
        only = query.get("ifGenerationMatch")
        kind = query.get("uploadType")
        if kind == "resumable":
            name = query.get("name") or json.loads(body)["name"]
            key = str(len(google.uploads))
            google.uploads[key] = (bucket, name), b""
            host = self.headers["Host"]
            self._json({}, Location=f"http://{host}/upload/storage/v1/b/{bucket}/o?id={key}")
            return
        if kind == "multipart":
            mark = self.headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
            about, data = (part.partition(b"\r\n\r\n")[2] for part in body.split(b"--" + mark)[1:3])
            name, body = json.loads(about)["name"], data.removesuffix(b"\r\n")
        else:
            name = query["name"]
        if google.put((bucket, name), body, only):
            self._json(google.about((bucket, name)))
        else:
            self._json({"error": {"code": 412, "message": "Precondition Failed"}}, 412)

    def do_PUT(self) -> None:
        _, query = self._split()
        at, before = self.google.uploads[query["id"]]
        data = before + self._body()
        if self.headers.get("Content-Range", "*/0").endswith("/*"):
            self.google.uploads[query["id"]] = at, data
            self._answer(308, Range=f"bytes=0-{len(data) - 1}")
            return
        self.google.put(at, data, None)
        self._json(self.google.about(at))

    def do_DELETE(self) -> None:
        names, _ = self._split()
        at = names[names.index("b") + 1], "/".join(names[names.index("o") + 1 :])
        if self.google.objects.pop(at, None) is None:
            self._missing()
        else:
            self._answer(204)


@contextmanager
def google() -> Iterator[tuple[Google, str]]:
    """The storage, and host and port where it listens."""
    found = Google()
    handler = type("Handler", (_Handler,), {"google": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found, f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
