"""Local server: pages of a run for the browsers of this machine alone, until Ctrl-C.

It listens on 127.0.0.1, answers questions and takes no orders. A page from elsewhere, whose own
host may be made to lead here, is refused by the name that it asks for.
"""

import signal
import sys
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click

from captcha_models.errors import InputError

HOST, PORT = "127.0.0.1", 8080
OWN_NAMES = (HOST, "localhost")
"""Hosts that a browser on this machine asks for; another page's may be made to lead here."""

Application = Callable[..., Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    # Browsers open connections before they need them; one that says nothing keeps no other waiting.
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing where the browser has gone; else as ever."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Quiet(WSGIRequestHandler):
    """Handler that prints no line for each request."""

    def log_message(self, *args: Any) -> None:
        """Nothing: no line for each request."""


def serve(app: Application, port: int | None, lines: Callable[[str], str]) -> None:
    """Answer by a WSGI application until Ctrl-C or SIGTERM, also in the background.

    Args:
        app: asked by several threads, with GET or HEAD, under one of our own names.
        port: to listen on, 0 is one that is free; None is PORT, or a free one where it is taken.
        lines: what to print, by the address.

    Raises:
        InputError: the port is taken, or may not be listened on.
    """

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        with _listening(_guarded(app), port) as server:
            click.echo(f"{lines(f'http://{HOST}:{server.server_port}')}\nCtrl-C ends it")
            server.serve_forever()
    except KeyboardInterrupt:
        click.echo("ended")


def refuse(start: Callable[..., Any], why: str) -> Iterable[bytes]:
    """An answer that says why there is none."""
    start("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
    return [why.encode()]


def _listening(app: Application, port: int | None) -> WSGIServer:
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            return make_server(HOST, wanted, app, server_class=_Server, handler_class=Quiet)
        except PermissionError:
            raise InputError(
                f"port {wanted} is not for everybody: give one from 1024 to 65535, or leave it out"
            ) from None
        except OSError:
            continue
    raise InputError(f"port {port} is taken: give another, or leave it out")


def _guarded(app: Application) -> Application:
    def asked(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return refuse(start, "it only shows: the run's tables are the truth")
        if environ.get("HTTP_HOST", HOST).partition(":")[0] not in OWN_NAMES:
            return refuse(start, "it is asked for as 127.0.0.1 or localhost")
        return app(environ, start)

    return asked
