"""Optuna's dashboard on a run, rebuilt from the run's tables whenever they grow.

    python -m search.dashboard [RUN]

It listens on 127.0.0.1 alone, changes nothing, and ends with Ctrl-C. Curves are TensorBoard's:
`--log-to tensorboard` when the search is started.
"""

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError
from search.server import PORT, Application, serve


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
    from search.store.records import newest_run

    place = run or newest_run(runs_dir)
    serve(_following(place), port, lambda address: f"run: {place}\n{address}/dashboard")


def _following(run: Path) -> Application:
    """A WSGI application of the run's studies as they are at each request.

    Raises:
        InputError: no run folder, or a damaged one.
    """
    from optuna_dashboard import wsgi

    from search.store.study import load_studies

    def state() -> list[int]:
        return [(run / f"{name}.jsonl").stat().st_size for name in ("trials", "epochs")]

    seen, inner = state() if run.is_dir() else [], wsgi(load_studies(run))
    one_at_a_time = Lock()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal seen, inner
        with one_at_a_time:
            if (now := state()) != seen:
                seen, inner = now, wsgi(load_studies(run))
        answer: Iterable[bytes] = inner(environ, start)
        return answer

    return app


if __name__ == "__main__":
    command_line(dashboard)
