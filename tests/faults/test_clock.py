"""The machine's clock set back, in the driver and in the workers, while a time budget runs."""

import time
from pathlib import Path

import pytest

from search.store.leaderboard import best
from search.store.records import newest_run
from search.store.run_folder import RunFolder
from search.tuning.task import Task
from search.tuning.trainable import Shared, _due, _ends
from tests.search import _runs
from tests.search.tuning.test_search import agreed, search, states

DAY = 86_400.0


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
@pytest.mark.fault(
    "clock set back by a day while a time budget runs", "the budget holds; the models are kept"
)
def test_a_budget_does_not_follow_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time

    def turned_back(task: Task, epoch: int) -> None:
        if not hasattr(time, "right"):  # The worker's, for good.
            time.right = time.time
            time.time = lambda: time.right() - 86_400.0
        time.sleep(0.2)

    begin = time.monotonic()
    # And the driver's, once its first reports have come.
    monkeypatch.setattr(time, "time", lambda: real() - DAY * (time.monotonic() > begin + 8))
    records, trials = search(
        tmp_path / "run", turned_back, trials=50, epochs=400, time_budget_s=15.0
    )
    assert time.monotonic() - begin < 15 + 15 + 15
    assert set(states(records).values()) == {"stopped"}
    assert agreed(records, [trial for trial in trials if trial.state.name != "WAITING"])
    found = best(records, "pooled")
    assert found
    assert Path(found["model"]).read_text() == f"model of epoch {found['epochs']}"


@pytest.mark.fault(
    "clock set back by a day while a time budget runs", "the budget holds; the models are kept"
)
@pytest.mark.parametrize("shift", [-DAY, 0.0, DAY])
def test_a_trial_saves_before_the_deadline_whatever_its_clock_says(
    shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monotonic = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic[0])
    monkeypatch.setattr(time, "time", lambda: 1e9 + shift)
    shared = Shared({}, (), "valid_nll", 1, 0.0, deadline=1e9 + 30)
    ends = _ends(shared, left_s=30.0)
    monotonic[0] = 129.0
    assert _due(shared, 1, last_saved=100.0, ends=ends)
    monotonic[0] = 101.0
    assert _due(shared, 1, last_saved=100.0, ends=ends) == (shift == DAY)
    assert not _due(shared, 1, last_saved=100.0, ends=_ends(shared, left_s=None)) or shift == DAY


@pytest.mark.fault("clock set back between two runs", "the newest run is by its own record")
def test_rows_and_runs_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import search.store.records as records

    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        for number, hour in enumerate(("12", "11")):
            monkeypatch.setattr(records, "now", lambda hour=hour: f"2026-01-01T{hour}:00:00")
            name = _runs.start(folder, number)
            _runs.epoch(folder, name, 1, 1.0)
            folder.end_trial(name, "completed")
    found = records.read_run(tmp_path / "run")
    assert list(found.trials) == ["crnn-000", "crnn-001"]
    assert [row["state"] for row in found.trials.values()] == ["completed", "completed"]
    assert newest_run(tmp_path) == tmp_path / "run"
