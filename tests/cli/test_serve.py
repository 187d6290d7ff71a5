"""`search.analyse --serve` as a person starts it: the page, on this machine alone, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done
from tests.cli.test_dashboard import ROOT, get
from tests.search.report import runs


@pytest.mark.slow
def test_the_page_is_served_by_our_own_names_until_it_is_ended(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "r")
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    viewer = subprocess.Popen(
        [sys.executable, "-m", "search.analyse", str(run), "--serve", "--port", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert viewer.stdout
    try:
        lines = [viewer.stdout.readline().strip() for _ in range(3)]
        assert (lines[0], lines[2]) == (f"run: {run}", "Ctrl-C ends it"), viewer.communicate()[1]
        at = lines[1]
        assert "<h1>r</h1>" in get(f"{at}/")
        assert set(get(f"{at}/state")) == {"version", "says"}
        for method, host in (("POST", None), ("GET", "elsewhere.example")):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                get(f"{at}/state", method, host)
        taken = subprocess.run(
            [sys.executable, "-m", "search.analyse", str(run), "--serve", "--port",
             at.rpartition(":")[2]],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        port = at.rpartition(":")[2]
        assert taken.returncode == 2
        assert taken.stderr == f"error: port {port} is taken: give another, or leave it out\n"
    finally:
        viewer.send_signal(signal.SIGINT)
        rest, errors = viewer.communicate(timeout=60)
    assert (viewer.returncode, rest, errors) == (0, "ended\n", "")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--serve", "--html", "a.html"), "--serve shows one run until it is ended, --html is"),
        (("--serve", "--json"), "--serve shows one run until it is ended, --json is"),
        (("--port", "8080"), "--port 8080 is of --serve: give --serve too, or leave it out"),
    ],
)
def test_other_answers_are_not_served(
    tmp_path: Path, arguments: tuple[str, ...], text: str, called: Callable[..., Done]
) -> None:
    done = called("search.analyse", runs.write(tmp_path / "r", trials=1), *arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_run_is_one_line(tmp_path: Path, called: Callable[..., Done]) -> None:
    done = called("search.analyse", tmp_path / "none", "--serve")
    assert (done.returncode, done.stderr) == (2, f"error: no run folder at {tmp_path / 'none'}\n")
