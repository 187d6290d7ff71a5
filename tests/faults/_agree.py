"""Whether all parts of a run folder say the same, once its search has ended."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import optuna

from search.store.jsonl import read_table
from search.store.leaderboard import best, counts
from search.store.records import Records
from search.store.study import load_studies
from tests.faults import _driver


def assert_agreed(records: Records, trials: int) -> None:
    """Every trial ended exactly once, and the study says the same of each as the tables."""
    found = counts(records, "pooled")
    assert found["failed"] == found["unfinished"] == 0
    assert sorted(records.trials) == [f"pooled-{i:03d}" for i in range(trials)]
    rows = read_table(records.path / "trials.jsonl")
    endings = [row["trial"] for row in rows if row["state"] != "running"]
    assert sorted(endings) == sorted(records.trials)
    for trial in records.trials:
        assert [row["state"] for row in rows if row["trial"] == trial][-1] != "running"

    study = optuna.load_study(study_name="pooled", storage=load_studies(records.path))
    words = {"COMPLETE": "completed", "PRUNED": "stopped"}
    assert len(study.trials) == trials
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
