"""`search.dashboard` as a person starts it: two servers, on this machine alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from search import dashboard
from search.store.curves import Curves
from tests.cli.conftest import Done
from tests.search import _runs
from tests.search.store.test_leaderboard import write

ROOT = Path(__file__).parents[2]


def study_in(run: Path) -> optuna.Study:
    """A study as a search keeps it, with one trial, open for writing."""
    study = optuna.create_study(storage=f"sqlite:///{run / 'study.db'}", study_name="crnn")
    study.add_trial(optuna.trial.create_trial(value=0.5))
    return study


def get(address: str, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=60) as page:
        text = page.read().decode()
    return json.loads(text) if text[:1] in "[{" else text


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_answer_on_this_machine_alone_and_end_together(
    tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "runs" / "my run"
    with write(run) as folder:
        study = study_in(run)
        command = [sys.executable, "-m", "search.dashboard", "--runs-dir", str(run.parent)]
        command += ["--optuna-port", "0", "--tensorboard-port", "0"]
        viewer = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert viewer.stdout
        try:
            lines = [viewer.stdout.readline() for _ in range(4)]
            assert lines[0].strip() == f"run: {run}"
            assert lines[3].strip() == "Ctrl-C ends both", viewer.communicate()[1]
            found = [re.search(r"http://127\.0\.0\.1:(\d+)/", line) for line in lines[1:3]]
            optuna_at, board_at = [match[0] for match in found if match]
            ports = [int(match[1]) for match in found if match]

            assert "Optuna" in get(f"{optuna_at}dashboard")
            assert get(f"{optuna_at}api/studies")["study_summaries"][0]["study_name"] == "crnn"
            with pytest.raises(urllib.error.HTTPError):
                get(f"{optuna_at}api/studies/1", "DELETE")
            # The search goes on meanwhile, and is seen.
            study.add_trial(optuna.trial.create_trial(value=0.25))
            assert len(get(f"{optuna_at}api/studies/1?after=0")["trials"]) == 2
            _runs.epoch(folder, "crnn-004", 2, 0.125, images_seen=2)
            tag = f"{board_at}data/plugin/scalars/scalars?run=crnn-004%2Fvalid&tag=nll"
            values: list[float] = []
            deadline = time.monotonic() + 100
            while len(values) < 2 and time.monotonic() < deadline:
                time.sleep(0.5)
                try:
                    values = [value for _, _, value in get(tag)]
                except urllib.error.HTTPError:
                    continue  # Not read yet.
            assert values == pytest.approx([0.2, 0.125])
            assert get(f"{board_at}data/plugin/scalars/tags")["crnn-002/train"].keys() == {
                "nll", "loss"
            }  # fmt: skip
            for port in ports:
                assert listening(port) == {"0100007F"}
        finally:
            viewer.send_signal(number)
            viewer.communicate(timeout=60)
    assert viewer.returncode == 0
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert not list(tmp_path.glob("dashboard-*"))


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


def test_a_run_without_a_study_and_a_taken_port_are_one_line(
    tmp_path: Path, called: Callable[..., Done]
) -> None:
    write(tmp_path / "run").close()
    done = called("search.dashboard", tmp_path / "run")
    assert done.returncode == 2
    assert (
        done.stderr
        == f"error: {tmp_path / 'run'} holds no study.db yet: its search has not ended\n"
    )
    (tmp_path / "run" / "study.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = called("search.dashboard", tmp_path / "run", "--optuna-port", port)
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr


def test_without_the_packages_one_line_says_what_to_install(
    tmp_path: Path, called: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    done = called("search.dashboard", tmp_path)
    assert done.returncode == 2
    assert "needs optuna-dashboard and tensorboard: pip install 'captcha-search[dashboard]'" in (
        done.stderr
    )


def test_epochs_are_written_once_as_they_come(tmp_path: Path) -> None:
    with write(tmp_path / "run") as folder, Curves(tmp_path / "curves") as curves:
        assert curves.follow(folder.records) == 6
        assert curves.follow(folder.records) == 0
        _runs.epoch(folder, "crnn-004", 2, float("nan"))
        assert curves.follow(folder.records) == 1
    trials = {path.name for path in (tmp_path / "curves").iterdir()}
    assert trials == {f"crnn-00{i}" for i in (0, 1, 2, 4)}
