"""`search.dashboard` as a person starts it: one server, on this machine alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search import dashboard
from tests.cli.conftest import Done
from tests.search import _runs
from tests.search.report import runs

ROOT = Path(__file__).parents[2]


def get(address: str, method: str = "GET", host: str | None = None) -> Any:
    request = urllib.request.Request(address, method=method, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=60) as page:
        text = page.read().decode()
    return json.loads(text) if text[:1] in "[{" else text


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_shows_a_growing_run_on_this_machine_alone_until_it_is_ended(
    tmp_path: Path, number: signal.Signals
) -> None:
    from search.store.run_folder import RunFolder

    run = runs.write(tmp_path / "runs" / "my run")
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "search.dashboard", "--runs-dir", str(run.parent)]
    viewer = subprocess.Popen(
        [*command, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert viewer.stdout
    try:
        lines = [viewer.stdout.readline().strip() for _ in range(3)]
        assert lines[0] == f"run: {run}", viewer.communicate()[1]
        assert lines[2] == "Ctrl-C ends it"
        match = re.search(r"(http://127\.0\.0\.1:(\d+)/)dashboard", lines[1])
        assert match
        at, port = match[1], int(match[2])
        assert "Optuna" in get(f"{at}dashboard")
        (study,) = get(f"{at}api/studies")["study_summaries"]
        assert study["study_name"] == "crnn"
        trials = f"{at}api/studies/{study['study_id']}?after=0"
        before = get(trials)["trials"]
        for method in ("DELETE", "POST"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                get(f"{at}api/studies/{study['study_id']}", method)
        # Nor may a page from elsewhere, whose host leads here, read anything.
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(f"{at}api/studies", host=f"elsewhere.example:{port}")
        assert get(f"{at}api/studies", host=f"localhost:{port}")
        # A connection that a browser opens before it needs it keeps nobody waiting.
        with socket.create_connection(("127.0.0.1", port)):
            assert get(f"{at}api/studies")
        assert {path: path.read_bytes() for path in files} == files
        # A search goes on meanwhile, and is seen.
        with RunFolder.open(run) as folder:
            new = {"trial": "crnn-090", "number": 90, "state": "running"}
            folder.add_trial(**{**folder.records.trials["crnn-000"], **new})
            _runs.epoch(folder, "crnn-090", 1, 0.125)
        after = get(trials)["trials"]
        assert len(after) == len(before) + 1
        assert after[-1]["intermediate_values"] == [{"step": 1, "value": 0.125}]
        assert listening(port) == {"0100007F"}
    finally:
        viewer.send_signal(number)
        rest, errors = viewer.communicate(timeout=60)
    assert (viewer.returncode, rest, errors) == (0, "ended\n", "")


def listening(port: int) -> set[str]:
    """The addresses, as the kernel writes them, at which somebody listens on a port."""
    rows = [
        row.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for row in Path(table).read_text().splitlines()[1:]
    ]
    return {
        a for row in rows if row[3] == "0A" for a, p in [row[1].split(":")] if int(p, 16) == port
    }


def test_no_run_and_a_taken_port_are_one_line(tmp_path: Path, called: Callable[..., Done]) -> None:
    done = called("search.dashboard", tmp_path / "run")
    assert (done.returncode, done.stderr) == (2, f"error: no run folder at {tmp_path / 'run'}\n")
    run = runs.write(tmp_path / "run", trials=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = called("search.dashboard", run, "--port", port)
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr


def test_without_the_package_one_line_says_what_to_install(
    tmp_path: Path, called: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    done = called("search.dashboard", tmp_path)
    assert done.returncode == 2
    assert "needs optuna-dashboard: pip install 'captcha-search[dashboard]'" in done.stderr
