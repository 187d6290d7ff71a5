"""Objectives in the real study: constraints, costs and fronts; some of it on a real Ray."""

import itertools
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from search.store.leaderboard import best, leaderboard, summary
from search.store.study import load_studies
from search.tuning.objectives import Objective
from search.tuning.plan import plan_spaces
from search.tuning.searcher import rebuild, tell
from search.tuning.settings import Settings
from search.tuning.space_search import SpaceSearch
from search.tuning.task import Task
from spaces.space import Space
from tests.search import _fake
from tests.search.tuning.test_search import agreed, run_of, search, states

COST = {"objective": "cost", "target_nll": 0.1}
NEEDED = 6
"""Epochs of the shortest cycle that reaches the target of `cycle`."""


def space_of(**values: Any) -> Space:
    return plan_spaces(Settings.parse({"spaces": ("pooled",), **values}))["pooled"].space


def study_in(path: Path) -> Study:
    return optuna.load_study(study_name="pooled", storage=load_studies(path))


def cycle(epochs: int, epoch: int) -> float:
    """An NLL that reaches 0.1 only at the end of a cycle of NEEDED epochs or more."""
    return 1.0 - 0.4 * epoch / epochs if epoch < epochs else 0.099 * NEEDED / epochs


def one_by_one(run: SpaceSearch, trials: int) -> Study:
    """A search for the cheapest without Ray: the real study, records, bound and sampler."""
    (study, _), objective, records = rebuild(run, []), run.settings.objective, run.folder.records
    for _ in range(trials):
        trial = study.ask()
        run.start_point(trial.number, run.space.suggest(trial))
        name = run.trial_name(trial.number)
        whole = [rows[max(rows)] for n, rows in records.epochs.items() if records.is_whole(n)]
        epochs = records.trials[name]["config"]["epochs"]
        for epoch in range(1, epochs + 1):
            row = _fake.metrics(epoch, cycle(epochs, epoch)).as_dict()
            run.folder.add_epoch(trial=name, checkpoint=None, **row)
            if row["images_seen"] >= objective.bound(whole):
                break
        run.folder.end_trial(name, "completed" if records.is_whole(name) else "stopped")
        tell(run, study, trial)
    return study


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_tpe_finds_the_shortest_cycle_that_reaches_the_target(tmp_path: Path) -> None:
    given = {**COST, "epochs": 24, "trials": 40}
    run = run_of(tmp_path / "run", space_of(**given), **given)
    with run.folder as folder:
        study = one_by_one(run, 40)
        board = leaderboard(folder.records, "pooled")
    assert board[0]["feasible"]
    assert NEEDED <= board[0]["epochs"] <= NEEDED + 1
    assert study.best_trial.value == board[0]["images_seen"] == board[0]["epochs"]
    assert study.best_trial.number == board[0]["number"]
    short = [t for t in study.trials if t.params["epochs"] < NEEDED]
    assert short
    assert all(t.constraints["nll"] > 0 for t in short)
    assert all(t.value == t.params["epochs"] for t in study.trials if t.state.name == "COMPLETE")


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
class TestOnRay:
    def test_the_gap_is_a_constraint_of_complete_and_of_pruned_trials(self, tmp_path: Path) -> None:
        values = {0: (1.0, 0.5), 1: (0.9, 0.05), 2: (5.0, 0.02), 3: (6.0, 0.5), 4: (0.5, 0.5)}

        def by_seed(task: Task, epoch: int) -> tuple[float, float]:
            return values[task.seed]

        path = tmp_path / "run"
        records, trials = search(path, by_seed, trials=5, epochs=8, max_gap=0.1)
        words = ["completed", "completed", "stopped", "stopped", "completed"]
        assert list(states(records).values()) == words
        assert agreed(records, trials)
        for trial in trials:
            assert trial.constraints == {"gap": pytest.approx(values[trial.number][1] - 0.1)}
            assert trial.user_attrs["gap"] == pytest.approx(values[trial.number][1])
        found = best(records, "pooled")
        assert found
        assert (found["trial"], found["feasible"]) == ("pooled-001", True)
        assert study_in(path).best_trial.number == 1
        order = [row["number"] for row in leaderboard(records, "pooled")]
        assert order == [1, 4, 0, 2, 3]
        reasons = {row["reason"] for row in records.trials.values() if row["state"] == "stopped"}
        assert reasons == {"behind other trials at a rung"}

    def test_cycles_differ_in_length_and_end_where_they_cannot_win(self, tmp_path: Path) -> None:
        given = {**COST, "epochs": 12, "trials": 12}

        def hook(task: Task, epoch: int) -> float:
            return cycle(task.config["epochs"], epoch)

        path = tmp_path / "run"
        records, trials = search(path, hook, space=space_of(**given), **given)
        assert agreed(records, trials)
        assert trials[0].params["epochs"] == trials[0].value == 12
        least = 1e9
        for trial in trials:
            name, cost = f"pooled-{trial.number:03d}", trial.params["epochs"]
            reached = cost >= NEEDED
            if cost > least:
                assert trial.state == TrialState.PRUNED
                assert records.last_epoch(name) == least
                assert records.trials[name]["reason"].startswith("cost bound exceeded")
                continue
            assert (trial.state, trial.value) == (TrialState.COMPLETE, cost)
            assert (trial.constraints["nll"] <= 0) == reached
            least = min(least, cost) if reached else least
        found = best(records, "pooled")
        assert found
        assert (found["images_seen"], found["feasible"]) == (least, True)
        assert found["config"]["epochs"] == least
        assert Path(found["model"]).read_text() == f"model of epoch {least}"

    def test_the_front_is_that_of_all_pairs_and_optunas(self, tmp_path: Path) -> None:
        def hook(task: Task, epoch: int) -> tuple[float, float]:
            dropout = task.config["dropout_1"]
            gap = 1.0 - dropout + task.config["dropout_2"] / 4
            return 0.5 + dropout + task.config["label_smoothing"], gap

        path, given = tmp_path / "run", {"objective": "pareto", "trials": 10, "epochs": 2}
        records, trials = search(path, hook, **given)
        assert set(states(records).values()) == {"completed"}
        assert agreed(records, trials)
        rows = {name: records.epochs[name][2] for name in records.trials}
        points = {name: (row["valid_nll"], row["gap"]) for name, row in rows.items()}
        beaten = {
            b for (_, p), (b, q) in itertools.permutations(points.items(), 2)
            if p != q and p[0] <= q[0] and p[1] <= q[1]
        }  # fmt: skip
        found = summary(records)["spaces"]["pooled"]
        front = [row["trial"] for row in found["front"]]
        assert sorted(front) == sorted(set(points) - beaten)
        numbers = sorted(t.number for t in study_in(path).best_trials)
        assert [f"pooled-{number:03d}" for number in numbers] == sorted(front)
        assert found["best"]["trial"] == front[0] == min(points, key=lambda name: points[name])

    def test_a_trial_past_its_cap_is_stopped_with_its_reason(self, tmp_path: Path) -> None:
        given = {"objective": "pareto", "max_trial_images_seen": 3, "trials": 2, "epochs": 6}
        records, trials = search(tmp_path / "run", lambda task, epoch: 1.0, **given)
        assert agreed(records, trials)
        assert [t.state for t in trials] == [TrialState.PRUNED] * 2
        assert [row["epochs"] for row in records.trials.values()] == [4, 4]
        said = "4 images_seen, more than --at-most images_seen=3"
        assert {row["reason"] for row in records.trials.values()} == {said}
        found = best(records, "pooled")
        assert found
        assert Path(found["model"]).read_text() == "model of epoch 4"
        assert summary(records)["spaces"]["pooled"]["front"] == []

    def test_an_objective_of_ones_own_is_computed_recorded_and_ranked_by(
        self, tmp_path: Path
    ) -> None:
        own = Objective(function=lambda m: m.lr * m.epoch - m.valid_nll, name="own", mode="max")

        def hook(task: Task, epoch: int) -> float:
            return float(task.config["dropout_1"])

        records, trials = search(tmp_path / "run", hook, objective=own, trials=4, epochs=4)
        assert records.run["settings"]["objective"]["name"] == "own"
        for name, rows in records.epochs.items():
            assert len(rows) == 4 or records.trials[name]["state"] == "stopped"
            for epoch, row in rows.items():
                assert row["own"] == pytest.approx(1e-3 * epoch - row["valid_nll"])
        board = [row for row in leaderboard(records, "pooled") if row["state"] == "completed"]
        assert len(board) >= 2
        assert [row["own"] for row in board] == sorted((r["own"] for r in board), reverse=True)
        told = {t.value for t in trials if t.state == TrialState.COMPLETE}
        assert told == {row["own"] for row in board}
