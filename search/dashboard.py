"""Look at a run in a browser: optuna-dashboard on its study, TensorBoard on its curves.

    python -m search.dashboard [RUN]

Both listen on 127.0.0.1 alone, and end with Ctrl-C. A run that is still searching is followed.
"""

import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError

HOST = "127.0.0.1"
START_S = 60.0
FOLLOW_EVERY_S = 2.0
PACKAGES = {"optuna_dashboard": "optuna-dashboard", "tensorboard": "tensorboard"}


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True
)
@click.option("--optuna-port", type=click.IntRange(0, 65535), help="[8080, or one that is free]")
@click.option("--tensorboard-port", type=click.IntRange(0, 65535), help="[6006, or one free]")
def dashboard(
    run: Path | None, runs_dir: Path, optuna_port: int | None, tensorboard_port: int | None
) -> None:
    """Show RUN, a run folder, in the browser; the newest of --runs-dir if none is given."""
    missing = [title for module, title in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise InputError(
            f"the dashboard needs {' and '.join(missing)}: pip install "
            "'captcha-search[dashboard]' brings them"
        )
    from search.store.curves import Curves
    from search.store.records import newest_run, read_run

    place = run or newest_run(runs_dir)
    records = read_run(place)
    study = place / "study.db"
    if not study.is_file():
        raise InputError(f"{place} holds no study.db yet: its search has not ended")
    ports = _port(optuna_port, 8080), _port(tensorboard_port, 6006)
    # Read only: no click in the browser shall delete what a search goes on with.
    database = f"sqlite:///file:{study.resolve()}?mode=ro&uri=true"
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashboard-")))
        (folder / "curves").mkdir()
        curves = stack.enter_context(Curves(folder / "curves"))
        curves.follow(records)
        pages = {
            "optuna-dashboard": (f"{_address(ports[0])}dashboard", _optuna(database, ports[0])),
            "tensorboard": (_address(ports[1]), _tensorboard(folder / "curves", ports[1])),
        }
        try:
            servers = {
                name: stack.enter_context(_server(command, folder / f"{name}.log"))
                for name, (_, command) in pages.items()
            }
            click.echo(f"run: {place}")
            for name, (address, _) in pages.items():
                _await(servers[name], address, folder / f"{name}.log")
                click.echo(f"{name}: {address}")
            click.echo("Ctrl-C ends both")
            while all(server.poll() is None for server in servers.values()):
                time.sleep(FOLLOW_EVERY_S)
                curves.follow(read_run(place))
        except KeyboardInterrupt:
            return
        ended = [name for name, server in servers.items() if server.poll() is not None]
        raise InputError(f"{' and '.join(ended)} ended by itself")


def _address(port: int) -> str:
    return f"http://{HOST}:{port}/"


def _optuna(database: str, port: int) -> list[str]:
    code = "from optuna_dashboard._cli import main; main()"
    where = ["--host", HOST, "--port", str(port), "--server", "wsgiref", "--quiet"]
    return [sys.executable, "-W", "ignore", "-c", code, database, *where]


def _tensorboard(folder: Path, port: int) -> list[str]:
    where = ["--host", HOST, "--port", str(port), "--load_fast", "false"]
    often = ["--reload_interval", "5"]
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main"]
    return [*command, "--logdir", str(folder), *where, *often]


@contextmanager
def _server(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that ends with the block; it hears Ctrl-C from us alone."""
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    """Wait until a server answers.

    Raises:
        InputError: it ended, or does not answer in time; with the last line it wrote.
    """
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=START_S).close()
            return
        except OSError:
            time.sleep(0.2)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
    raise InputError(f"{log.stem} does not answer at {address}: {lines[-1]}")


def _port(given: int | None, usual: int) -> int:
    """The port asked for; else the usual one, or one that is free if that is taken.

    Raises:
        InputError: the port asked for is taken.
    """
    for port in [usual, 0] if given is None else [given]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise InputError(f"port {given} is taken: give another, or leave it out")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends both servers as Ctrl-C does, and either does so in the background too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    command_line(dashboard)
