"""SIGTERM to a command's whole process group, as `timeout` and batch systems send it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search.store.records import read_run
from tests.cli.test_run import ROOT, environment

SPACE = """
from optuna.distributions import IntDistribution
from spaces.space import Space
SPACE = Space('narrow', {'channels': IntDistribution(8, 16, step=8)}, {'channels': 8}, arch='tiny')
"""
FAILS = """
import os
from typing import ClassVar
from optuna.distributions import FloatDistribution
from torch import nn
from captcha_models.architectures.heads import CTCRecogniser
from captcha_models.config import Config
from spaces.space import Space

class FailsConfig(Config):
    arch: ClassVar[str] = "fails"

class Fails(CTCRecogniser):
    config_class = FailsConfig

    def __init__(self, config, charset, max_length, size):
        super().__init__(config, charset)
        self.lr, self.body = config.lr, nn.Conv2d(1, charset.num_classes, 5)

    @classmethod
    def num_steps(cls, config, size):
        return 50

    def forward(self, images):
        if self.lr == 2e-3:
            raise ValueError("it cannot be, 日本")
        os._exit(1)

SPACE = Space('fails', {'lr': FloatDistribution(1e-3, 3e-3)}, {'lr': 2e-3}, arch='fails')
"""


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A command that leads a process group of its own, which is gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT, env=environment(), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        for number in in_session(process.pid):
            os.kill(number, signal.SIGKILL)
        process.communicate()


def in_session(leader: int) -> list[int]:
    """Processes of a session that have not ended; those of Ray's workers lead their own groups."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name before it, in brackets, may hold anything.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def wait(until: Callable[[], object], process: subprocess.Popen[str], limit_s: float = 200) -> None:
    deadline = time.monotonic() + limit_s
    while not until():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.fault(
    "SIGTERM to the whole process group",
    "models kept, resumable, exit code 130, no process left",
    lost="epochs since the last checkpoints",
)
def test_sigterm_to_the_group_ends_a_search_as_ctrl_c_does(tmp_path: Path) -> None:
    (tmp_path / "narrow.py").write_text(SPACE)
    run = tmp_path / "r"
    own = ("--space", tmp_path / "narrow.py:SPACE", "--arch", "examples/own_architecture.py:Tiny")
    where = ("--runs-dir", tmp_path, "--name", "r")
    options = (*own, "--data", "synthetic:60", "--trials", 2, "--epochs", 400, *where)
    with started("search.run", *options) as process:
        epochs = run / "epochs.jsonl"
        wait(lambda: epochs.exists() and epochs.read_bytes().count(b"\n") > 3, process)
        leader = process.pid
        os.kill(leader, signal.SIGTERM)
        os.killpg(leader, signal.SIGTERM)
        out, err = process.communicate(timeout=90)
        assert process.returncode == 130, err
        printed = err.partition("interrupted; go on with:\n  ")[2].splitlines()[0]
        assert "Traceback" not in out + err
        assert "(raylet)" not in out + err
        deadline = time.monotonic() + 20
        while left := in_session(leader):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
    found = read_run(run)
    assert {row["state"] for row in found.trials.values()} == {"running"}
    assert found.run["sessions"][-1]["interrupted"]
    with started(*shlex.split(printed)[2:], "--time-budget", "2") as process:
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    assert {row["state"] for row in read_run(run).trials.values()} == {"stopped"}


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_sigterm_ends_a_training_as_ctrl_c_does(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--arch", "crnn", "--data", "synthetic:60", "--epochs", 200, "--threads", 1)
    with started("captcha_models.train", *options, "--out", out) as process:
        wait((out / "epochs.jsonl").exists, process)
        os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_failed_trial_prints_one_line_of_ours_and_nothing_of_rays(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(FAILS, encoding="utf-8")
    own = ("--space", tmp_path / "fails.py:SPACE", "--arch", tmp_path / "fails.py:Fails")
    where = ("--runs-dir", tmp_path, "--name", "r", "--data", "synthetic:60")
    with started("search.run", *own, *where, "--trials", 2, "--epochs", 1) as process:
        out, err = process.communicate(timeout=400)
    assert process.returncode == 1
    why = {
        "fails-000": "ValueError: it cannot be, 日本",
        "fails-001": "its worker was lost 3 times: it crashed, or was killed for want of memory",
    }
    said = [line for line in err.splitlines() if " failed at epoch 0/1: " in line]
    assert sorted(line.partition("] ")[2] for line in said) == [
        f"{name} failed at epoch 0/1: {error}" for name, error in why.items()
    ]
    assert {n: row["error"] for n, row in read_run(tmp_path / "r").trials.items()} == why
    for word in ("ray::", "(raylet)", "Traceback", "worker died", "Actor", "\x1b["):
        assert word not in out + err
