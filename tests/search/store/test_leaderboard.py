"""Leaderboard, best trial, counts and tables of a run folder written by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from search.store.leaderboard import (
    best,
    counts,
    epochs_table,
    errors,
    leaderboard,
    leaderboard_table,
    ranking,
    summary,
)
from search.store.run_folder import RunFolder
from tests.search import _runs


def write(path: Path, objective: str = "nll") -> RunFolder:
    """Completed: 0 (nll 0.9) and 2 (0.5); stopped: 1 (0.1 after one epoch); 3 failed; 4 runs."""
    folder = RunFolder.create(path, _runs.run_json(objective, ("crnn", "pooled")))
    for number, values, accuracy in [(0, (2.0, 0.9), 0.9), (2, (3.0, 0.5), 0.8)]:
        name = _runs.start(folder, number)
        for epoch, value in enumerate(values, start=1):
            _runs.epoch(folder, name, epoch, value, checkpoint=epoch == 2, accuracy=accuracy)
        folder.end_trial(name, "completed")
    _runs.epoch(folder, _runs.start(folder, 1), 1, 0.1, checkpoint=True, accuracy=1.0)
    folder.end_trial("crnn-001", "stopped")
    folder.end_trial(_runs.start(folder, 3), "failed", "ValueError: no")
    _runs.epoch(folder, _runs.start(folder, 4), 1, 0.2)
    return folder


def test_leaderboard_ranks_full_budgets_first_then_by_the_objective(tmp_path: Path) -> None:
    with write(tmp_path / "run") as folder:
        board = leaderboard(folder.records, "crnn")
        assert [row["trial"] for row in board] == [f"crnn-00{i}" for i in (2, 0, 1, 4, 3)]
        states = ["completed", "completed", "stopped", "unfinished", "failed"]
        assert [row["state"] for row in board] == states
        first = board[0]
        assert (first["train_nll"], first["valid_nll"], first["gap"]) == (0.25, 0.5, 0.25)
        assert [row["valid_nll"] is None for row in board] == [False] * 4 + [True]
        assert leaderboard(folder.records, "pooled") == []


def test_accuracy_as_the_objective_turns_the_order(tmp_path: Path) -> None:
    with write(tmp_path / "run", "accuracy") as folder:
        first, second, *_ = leaderboard(folder.records, "crnn")
        assert (first["trial"], second["trial"]) == ("crnn-000", "crnn-002")
        assert ranking(folder.records, "crnn")[0] == ("crnn-000", 2)


def test_best_is_the_kept_model_and_a_low_budget_never_beats_a_full_one(tmp_path: Path) -> None:
    with write(tmp_path / "run") as folder:
        order = [("crnn-002", 2), ("crnn-000", 2), ("crnn-001", 1)]
        assert ranking(folder.records, "crnn") == order
        assert best(folder.records, "crnn") is None
        _, checkpoint = folder.checkpoint("crnn-002") or (0, "")
        folder.keep_model("crnn", "crnn-002", 2, checkpoint)
        found = best(folder.records, "crnn")
        assert found is not None
        assert (found["trial"], found["state"], found["epochs"]) == ("crnn-002", "completed", 2)
        assert (found["valid_nll"], found["train_nll"], found["gap"]) == (0.5, 0.25, 0.25)
        assert found["config"] == {"lr": 0.2}
        assert Path(found["model"]).read_text() == "crnn-002 2"


def test_best_of_a_partial_trial_has_the_figures_of_its_model(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        name = _runs.start(folder, 0)
        _runs.epoch(folder, name, 1, 5.0, checkpoint=True)
        _runs.epoch(folder, name, 2, 1.0)
        folder.keep_model("crnn", name, 1, folder.checkpoint(name)[1])  # type: ignore[index]
        found = best(folder.records, "crnn")
        assert found is not None
        assert (found["valid_nll"], found["epochs"], found["state"]) == (5.0, 1, "unfinished")


def test_summary_is_finite_json_with_every_count(tmp_path: Path) -> None:
    with write(tmp_path / "run") as folder:
        _runs.epoch(folder, "crnn-004", 2, float("nan"))
        text = json.dumps(summary(folder.records), allow_nan=False)
        assert json.loads(text)["spaces"] == {
            "crnn": {
                "trials": {"completed": 2, "stopped": 1, "failed": 1, "unfinished": 1},
                "best": None,
            },
            "pooled": {
                "trials": {"completed": 0, "stopped": 0, "failed": 0, "unfinished": 0},
                "best": None,
            },
        }
        assert counts(folder.records, "crnn")["stopped"] == 1
        assert errors(folder.records, "crnn") == ["crnn-003 failed: ValueError: no"]


def test_tables_hold_the_trials_and_the_curves_in_order(tmp_path: Path) -> None:
    with write(tmp_path / "run") as folder:
        everything = leaderboard_table(folder.records)
        assert list(everything["trial"]) == [f"crnn-00{i}" for i in (2, 0, 1, 4, 3)]
        assert everything.equals(leaderboard_table(folder.records, "crnn"))
        assert leaderboard_table(folder.records, "pooled").empty
        trials = everything.set_index("trial")
        assert trials.loc["crnn-002", "config/lr"] == 0.2
        assert trials["valid_nll"].isna().sum() == 1
        assert trials.loc["crnn-002", "gap"] == 0.25
        table = epochs_table(folder.records)
        curve = table[table["trial"] == "crnn-002"]
        assert list(curve["epoch"]) == [1, 2]
        assert list(curve["valid_nll"]) == [3.0, 0.5]


@pytest.mark.parametrize(
    "module", ["search.analyse", "search.store.leaderboard", "search.report.terminal"]
)
def test_analysing_a_run_needs_neither_ray_nor_torch(module: str) -> None:
    heavy = {"ray", "torch", "fastai", "optuna", "pandas"}
    code = f"import sys, {module}; sys.exit(' '.join({heavy} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
