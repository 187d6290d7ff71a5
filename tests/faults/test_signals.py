"""Ctrl-C once and twice, and SIGTERM, while trials run."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from search.store.records import read_run
from tests.faults import _driver
from tests.faults._agree import assert_agreed, size, wait

pytestmark = [
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),
]

TRIALS = 6


@pytest.mark.parametrize(
    ("signals", "pause"),
    [
        pytest.param((signal.SIGINT,), 0.0, marks=pytest.mark.fault(
            "Ctrl-C", "models kept, resumable, exit code 130",
            lost="epochs since the last checkpoints")),
        pytest.param((signal.SIGINT, signal.SIGINT), 0.05, marks=pytest.mark.fault(
            "Ctrl-C twice", "ends at once, resumable, exit code 130",
            lost="epochs since the last checkpoints")),
        pytest.param((signal.SIGINT, signal.SIGINT), 0.0, marks=pytest.mark.fault(
            "Ctrl-C twice", "ends at once, resumable, exit code 130",
            lost="epochs since the last checkpoints")),
        pytest.param((signal.SIGTERM,), 0.0, marks=pytest.mark.fault(
            "SIGTERM", "models kept, resumable, exit code 130",
            lost="epochs since the last checkpoints")),
    ],
)  # fmt: skip
def test_a_signal_ends_the_session_and_no_trial(
    tmp_path: Path, address: str, signals: tuple[int, ...], pause: float
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    driver = _driver.start(address, run, log, trials=TRIALS)
    wait(lambda: size(run) >= 4, driver)
    for number in signals:
        assert driver.pid
        with contextlib.suppress(ProcessLookupError):  # It may be quicker than the second.
            os.kill(driver.pid, number)
        driver.join(pause)
    driver.join(60)
    assert driver.exitcode == 130
    found = read_run(run)
    assert not any(row["state"] == "failed" for row in found.trials.values())
    assert any(row["state"] == "running" for row in found.trials.values())
    driver = _driver.start(address, run, log, trials=TRIALS)
    driver.join(120)
    assert driver.exitcode == 0
    after = read_run(run)
    assert_agreed(after, TRIALS)
    for name, row in found.trials.items():
        if row["state"] != "running":
            assert after.trials[name] == row
