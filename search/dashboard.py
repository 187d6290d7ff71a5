"""Optuna's dashboard on a run, rebuilt from the run's tables whenever they grow.

    python -m search.dashboard [RUN]

It listens on 127.0.0.1 alone, changes nothing, and ends with Ctrl-C. Curves are TensorBoard's:
`--log-to tensorboard` when the search is started.
"""

import signal
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError

HOST, PORT = "127.0.0.1", 8080
OWN_NAMES = (HOST, "localhost")
"""Hosts that a browser on this machine asks for; another page's may be made to lead here."""


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder whose newest run is taken when RUN is not given.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Port on 127.0.0.1.  [{PORT}, or one that is free]",
)
def dashboard(run: Path | None, runs_dir: Path, port: int | None) -> None:
    """Show RUN, a run folder, in the browser; the newest of --runs-dir if none is given."""
    if find_spec("optuna_dashboard") is None:
        raise InputError(
            "the dashboard needs optuna-dashboard: pip install 'captcha-search[dashboard]'"
        )
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from search.store.records import newest_run

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: Any) -> None:
            """Nothing: no line for each request."""

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    place = run or newest_run(runs_dir)
    app = _following(place)
    for number in (signal.SIGINT, signal.SIGTERM):  # In the background, too.
        signal.signal(number, interrupt)
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            server = make_server(HOST, wanted, app, handler_class=Quiet)
            break
        except OSError:
            continue
    else:
        raise InputError(f"port {port} is taken: give another, or leave it out")
    with server:
        click.echo(f"run: {place}\nhttp://{HOST}:{server.server_port}/dashboard\nCtrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _following(run: Path) -> Callable[..., Iterable[bytes]]:
    """A WSGI application of the run's studies as they are at each request.

    Raises:
        InputError: no run folder, or a damaged one.
    """
    from optuna_dashboard import wsgi

    from search.store.study import load_studies

    def state() -> list[int]:
        return [(run / f"{name}.jsonl").stat().st_size for name in ("trials", "epochs")]

    seen, inner = state() if run.is_dir() else [], wsgi(load_studies(run))

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal seen, inner
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"the dashboard only shows: the run's tables are the truth"]
        if environ.get("HTTP_HOST", HOST).partition(":")[0] not in OWN_NAMES:
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"the dashboard is asked for as 127.0.0.1 or localhost"]
        if (now := state()) != seen:
            seen, inner = now, wsgi(load_studies(run))
        answer: Iterable[bytes] = inner(environ, start)
        return answer

    return app


if __name__ == "__main__":
    command_line(dashboard)
