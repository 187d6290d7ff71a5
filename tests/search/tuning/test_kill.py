"""The driver killed hard in the middle, and taken up again until the search is done."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from search.store.leaderboard import best, counts
from search.store.records import read_run
from search.store.study import load_studies

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]

TRIALS = 8


@pytest.mark.fault(
    "driver, its Ray and all workers killed hard",
    "resumed; each trial ended once; study and tables agree",
    lost="epochs since the last checkpoints",
)
def test_kill_the_driver_and_its_children_and_resume(tmp_path: Path) -> None:
    """Pitfall 5: every trial is finished exactly once, and study and records agree."""
    run, log = tmp_path / "run", tmp_path / "log"
    for ended in (2, 4):
        driver = start(run, log)
        wait(lambda ended=ended: num_ended(run) >= ended, driver)
        kill_tree(driver)
    driver = start(run, log)
    assert driver.wait(150) == 0

    records = read_run(run)
    found = counts(records, "pooled")
    assert found["failed"] == found["unfinished"] == 0
    assert found["completed"] + found["stopped"] == TRIALS
    assert sorted(records.trials) == [f"pooled-{i:03d}" for i in range(TRIALS)]

    rows = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()[1:]]
    endings = Counter(row["trial"] for row in rows if row["state"] != "running")
    assert set(endings.values()) == {1}
    finished_again = [
        row["trial"]
        for i, row in enumerate(rows)
        if row["state"] == "running"
        and any(r["trial"] == row["trial"] and r["state"] != "running" for r in rows[:i])
    ]
    assert finished_again == []

    study = optuna.load_study(study_name="pooled", storage=load_studies(run))
    words = {"COMPLETE": "completed", "PRUNED": "stopped"}
    for trial in study.trials:
        row = records.trials[f"pooled-{trial.number:03d}"]
        assert words[trial.state.name] == row["state"]
        assert row["config"].items() >= trial.params.items()
        assert set(trial.intermediate_values) == set(records.epochs[row["trial"]])
    assert best(records, "pooled") is not None
    assert not (run / "ray").exists()


def start(run: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.search._driver", str(run), str(log), str(TRIALS)]
    root = Path(__file__).parents[3]
    return subprocess.Popen(command, cwd=root, start_new_session=True)


def num_ended(run: Path) -> int:
    if not (run / "run.json").exists():
        return 0
    return sum(row["state"] != "running" for row in read_run(run).trials.values())


def wait(until: Callable[[], bool], driver: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 100
    while not until():
        assert time.monotonic() < deadline
        assert driver is None or driver.poll() is None, "the driver ended too early"
        time.sleep(0.05)


def kill_tree(driver: subprocess.Popen[bytes]) -> None:
    for process in [driver.pid, *descendants(driver.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    driver.wait(20)


def descendants(process: int) -> list[int]:
    """Processes that a process started, theirs too."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found, level = [], [process]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found
