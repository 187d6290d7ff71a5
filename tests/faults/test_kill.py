"""The driver killed hard at twenty moments of one search, and taken up again each time."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from search.records import Records, read_run
from search.results import best, counts
from search.tables import read_table
from tests.faults import _driver

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

KILLS, TRIALS = 20, 36
EARLY = 4
"""Every so many kills one comes while the driver starts; the others while trials run."""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.fault(
    "driver killed hard (SIGKILL) at random moments of one search",
    "resumed; each trial ended once; study, tables and models agree",
)
def test_twenty_kills_at_random_moments(
    tmp_path: Path, address: str, record_property: Callable[[str, object], None]
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    chance, started = random.Random(8), 5.0
    for number in range(KILLS):
        before, begin = size(run), time.monotonic()
        driver = _driver.start(address, run, log, trials=TRIALS)
        if number % EARLY == EARLY - 1:
            driver.join(chance.uniform(0, started))
        else:
            rows = chance.randint(1, 5)
            wait(lambda rows=rows, before=before: size(run) >= before + rows, driver)
            started = time.monotonic() - begin
            driver.join(chance.uniform(0, 0.25))
        assert driver.exitcode is None, "the search ended before it was killed often enough"
        _driver.kill(driver)
        if run.exists():
            read_run(run)  # Whole enough to be looked at, always.
    driver = _driver.start(address, run, log, trials=TRIALS)
    driver.join(300)
    assert driver.exitcode == 0

    records = read_run(run)
    assert_agreed(records)
    assert_models(records)
    begun = Counter(log.read_text().splitlines())
    again = sum(begun.values()) - len(begun)
    record_property("tried", KILLS)
    record_property("lost", f"{again} of {len(begun)} epochs trained again, no trial")


def assert_agreed(records: Records) -> None:
    """Every trial ended exactly once, and the study says the same of each as the tables."""
    found = counts(records, "pooled")
    assert found["failed"] == found["unfinished"] == 0
    assert sorted(records.trials) == [f"pooled-{i:03d}" for i in range(TRIALS)]
    rows = read_table(records.path / "trials.jsonl")
    endings = [row["trial"] for row in rows if row["state"] != "running"]
    assert sorted(endings) == sorted(records.trials)
    for trial in records.trials:
        assert [row["state"] for row in rows if row["trial"] == trial][-1] != "running"

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="pooled", storage=f"sqlite:///{records.path / 'study.db'}")
    words = {"COMPLETE": "completed", "PRUNED": "stopped"}
    assert len(study.trials) == TRIALS
    for trial in study.trials:
        row = records.trials[f"pooled-{trial.number:03d}"]
        assert words[trial.state.name] == row["state"]
        assert row["config"].items() >= trial.params.items()
        epochs = records.epochs[row["trial"]]
        assert trial.intermediate_values == {e: r["valid_nll"] for e, r in epochs.items()}
        assert sorted(epochs) == list(range(1, row["epochs"] + 1))
        if row["state"] == "completed":
            assert row["epochs"] == _driver.EPOCHS
            assert trial.value == epochs[row["epochs"]]["valid_nll"]


def assert_models(records: Records) -> None:
    """The model kept is the best trial's, of the epoch that the tables say; nothing else is."""
    found = best(records, "pooled")
    assert found
    assert Path(found["model"]).read_text() == f"model of epoch {found['epochs']}"
    note = json.loads((records.path / "best/pooled/trial.json").read_text())
    assert note == {"trial": found["trial"], "epoch": found["epochs"]}
    ended = [row for row in records.trials.values() if row["state"] == "completed"]
    last = {row["trial"]: records.epochs[row["trial"]][_driver.EPOCHS] for row in ended}
    assert found["valid_nll"] == min(row["valid_nll"] for row in last.values())
    assert not (records.path / "ray").exists()
    assert not list(records.path.rglob("*.tmp"))


def size(run: Path) -> int:
    """Rows in the table of epochs, as good as."""
    file = run / "epochs.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait(until: Callable[[], bool], driver: _driver.BaseProcess) -> None:
    deadline = time.monotonic() + 120
    while not until():
        assert time.monotonic() < deadline, "the driver does not come on"
        assert driver.exitcode is None, "the driver ended too early"
        time.sleep(0.02)
