"""What a search is after: order, limits, fronts and bounds, as pure functions."""

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from captcha_models.errors import InputError
from search.report.terminal import print_leaderboard
from search.store.leaderboard import best, leaderboard, missed, ranking, summary
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.tuning.objectives import Constraint, Objective, exceeded, front, objective_of
from search.tuning.plan import plan_spaces
from search.tuning.settings import Settings
from tests.search import _fake, _runs


def settings(**values: object) -> Settings:
    return Settings.parse({"spaces": ("crnn",), **values})


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"objective": "cost"}, "objective cost needs --at-most valid_nll=0.05"),
        ({"target_nll": 0.1}, "--at-most valid_nll=0.1 is for --objective cost, not nll"),
        ({"objective": "pareto", "target_nll": 0.1}, "is for --objective cost, not pareto"),
        ({"objective": "cost", "target_nll": 0}, "target_nll = 0: must be greater than 0"),
        ({"objective": "cost", "target_nll": math.nan}, "target_nll = nan: must be a finite"),
        ({"max_gap": -0.1}, "max_gap = -0.1: must be greater than or equal to 0"),
        ({"max_gap": math.nan}, "max_gap = nan: must be a finite number"),
        ({"max_gap": math.inf}, "max_gap = inf: must be a finite number"),
        ({"cost": "images_seen"}, "nll:images_seen: only cost and pareto count a cost"),
        (
            {"objective": "pareto", "cost": "gap"},
            "cost = 'gap': must be 'images_seen' or 'seconds'",
        ),
        ({"max_trial_images_seen": 0}, "max_trial_images_seen = 0"),
        ({"max_trial_seconds": "soon"}, "max trial seconds 'soon': write seconds, or a number"),
        ({"max_trial_seconds": math.nan}, "max_trial_seconds = nan"),
    ],
)
def test_what_does_not_fit_the_objective_is_refused_in_one_line(
    values: dict[str, object], text: str
) -> None:
    with pytest.raises(InputError) as caught:
        settings(**values)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_duration_may_be_given_for_a_trial() -> None:
    given = settings(max_trial_seconds="2m", max_trial_images_seen=500)
    assert given.caps == {"seconds": 120.0, "images_seen": 500}
    assert settings().caps == {}


def test_caps_are_passed_not_reached() -> None:
    caps = {"images_seen": 10.0}
    assert exceeded(caps, {"images_seen": 10, "seconds": 99.0}) is None
    assert (
        exceeded(caps, {"images_seen": 11}) == "11 images_seen, more than --at-most images_seen=10"
    )
    assert exceeded({}, {"images_seen": 11}) is None


@pytest.mark.parametrize(
    ("epochs", "cycles"), [(20, [10, 5, 20]), (12, [6, 3, 12]), (5, [3, 5]), (2, [2])]
)
def test_where_cost_counts_known_points_are_tried_in_short_cycles_first(
    epochs: int, cycles: list[int]
) -> None:
    plain = plan_spaces(settings(epochs=epochs))["crnn"].space
    space = plan_spaces(settings(epochs=epochs, objective="cost", target_nll=0.1))["crnn"].space
    assert space.baseline["epochs"] == epochs
    assert list(space.known) == [
        {**point, "epochs": each} for each in cycles for point in plain.known
    ]


def test_only_asha_has_rungs() -> None:
    assert settings(epochs=20).rungs
    assert settings(epochs=20, objective="cost", target_nll=1.0).rungs == ()
    assert settings(epochs=20, objective="pareto").rungs == ()


def row(
    nll: float, gap: float = 0.0, images_seen: int = 1, accuracy: float = 0.5
) -> dict[str, Any]:
    return {
        "valid_nll": nll, "gap": gap, "images_seen": images_seen, "seconds": 2.0 * images_seen,
        "valid_exact_match": accuracy,
    }  # fmt: skip


def test_an_infeasible_trial_never_goes_before_a_feasible_one() -> None:
    objective = settings(max_gap=0.1).objective
    rows = [row(0.1, 0.2), row(0.5, 0.1), row(0.4, 0.05), row(0.05, 3.0)]
    assert sorted(rows, key=objective.order) == [rows[2], rows[1], rows[3], rows[0]]
    assert [objective.constraints[0].violation(r) for r in rows] == pytest.approx(
        [0.1, 0.0, -0.05, 2.9]
    )
    # Its own mode for those within the limits, the NLL for those beyond them.
    objective = settings(objective="accuracy", max_gap=0.1).objective
    rows = [row(0.9, 0.0, accuracy=0.8), row(1.0, 0.0, accuracy=0.9), row(0.1, 1.0, accuracy=1.0)]
    assert sorted(rows, key=objective.order) == [rows[1], rows[0], rows[2]]


def test_the_cheapest_counts_only_if_it_reached_the_target() -> None:
    objective = settings(objective="cost", target_nll=0.1).objective
    rows = [
        row(0.09, images_seen=50),
        row(0.05, images_seen=90),
        row(0.11, images_seen=10),
        row(2.0, images_seen=1),
    ]
    assert sorted(rows, key=objective.order) == rows
    assert (objective.values(rows[0]), objective.metric) == ([50.0], "valid_nll")
    assert objective.bound(rows) == 50
    assert objective.bound(rows[2:]) == math.inf
    in_seconds = settings(objective="cost", target_nll=0.1, cost="seconds").objective
    assert in_seconds.values(rows[0]) == [100.0]


def test_the_front_is_the_one_found_by_comparing_all_pairs() -> None:
    chance = random.Random(0)
    for size in (0, 1, 2, 5, 40):
        for _ in range(50):
            points = [(chance.randrange(12) / 1.0, chance.randrange(12) / 1.0) for _ in range(size)]
            beaten = {
                b for a, b in itertools.permutations(points, 2)
                if a != b and a[0] <= b[0] and a[1] <= b[1]
            }  # fmt: skip
            assert front(points) == set(points) - beaten


def write(path: Path, given: dict[str, Any], trials: list[tuple[str, float, float, int]]) -> None:
    """A run folder of trials (state, NLL, gap, passes), the first of them the best on disk."""
    run = _runs.run_json()
    run["settings"] |= given
    with RunFolder.create(path, run) as folder:
        for number, (state, nll, gap, passes) in enumerate(trials):
            name = _runs.start(folder, number)
            _runs.epoch(folder, name, 1, nll, checkpoint=True, gap=gap, images_seen=passes)
            folder.end_trial(name, state)  # type: ignore[arg-type]
        first, epoch = ranking(folder.records, "crnn")[0]
        folder.keep_model("crnn", first, epoch, folder.checkpoint(first)[1])  # type: ignore[index]


def test_the_leaderboard_says_who_is_feasible(tmp_path: Path) -> None:
    trials = [
        ("completed", 0.1, 0.5, 9), ("completed", 0.3, 0.0, 9), ("stopped", 0.01, 0.0, 9),
        ("failed", 9.0, 0.0, 9),
    ]  # fmt: skip
    write(tmp_path / "r", {"max_gap": 0.1}, trials)
    records = read_run(tmp_path / "r")
    board = leaderboard(records, "crnn")
    assert [r["trial"] for r in board] == [f"crnn-00{i}" for i in (1, 0, 2, 3)]
    assert [r["feasible"] for r in board] == [True, False, True, True]
    found = best(records, "crnn")
    assert found
    assert (found["trial"], found["feasible"]) == ("crnn-001", True)
    assert missed(records, "crnn") is None


def test_without_a_feasible_trial_the_lowest_nll_is_best_and_it_is_said(tmp_path: Path) -> None:
    # A stopped one within the limit says nothing: an untrained model has no gap.
    trials = [("completed", 0.2, 0.2, 9), ("completed", 0.1, 0.5, 9), ("stopped", 9.0, 0.0, 1)]
    write(tmp_path / "r", {"max_gap": 0.1}, trials)
    records = read_run(tmp_path / "r")
    found = summary(records)["spaces"]["crnn"]["best"]
    assert (found["trial"], found["feasible"]) == ("crnn-001", False)
    assert json.loads(json.dumps(found))["feasible"] is False
    said = missed(records, "crnn")
    assert said == "crnn: no completed trial has gap at most 0.1; the best is the one of lowest NLL"


def test_without_limits_nobody_is_called_feasible(tmp_path: Path) -> None:
    write(tmp_path / "r", {}, [("completed", 0.2, 0.2, 9)])
    records = read_run(tmp_path / "r")
    assert "feasible" not in leaderboard(records, "crnn")[0]
    assert "feasible" not in summary(records)["spaces"]["crnn"]["best"]
    assert "front" not in summary(records)["spaces"]["crnn"]
    assert missed(records, "crnn") is None


def test_the_best_of_a_front_is_its_lowest_nll(tmp_path: Path) -> None:
    trials = [
        ("completed", 0.1, 0.5, 9), ("completed", 0.3, 0.2, 9), ("completed", 0.4, 0.3, 9),
        ("stopped", 0.0, 0.0, 9), ("completed", 0.1, 0.6, 9), ("completed", 0.9, 0.1, 9),
    ]  # fmt: skip
    write(tmp_path / "r", {"objective": "pareto"}, trials)
    records = read_run(tmp_path / "r")
    found = summary(records)["spaces"]["crnn"]
    assert [r["trial"] for r in found["front"]] == ["crnn-000", "crnn-001", "crnn-005"]
    assert found["best"]["trial"] == "crnn-000"
    marks = {r["trial"]: r["front"] for r in leaderboard(records, "crnn")}
    assert [name for name, on in sorted(marks.items()) if on] == [
        "crnn-000",
        "crnn-001",
        "crnn-005",
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["min"]),
        ({"max_gap": 0.1}, ["feasible", "no"]),
        ({"objective": "cost", "target_nll": 0.3}, ["feasible", "images", "9000", "yes"]),
        ({"objective": "pareto"}, ["front", "yes"]),
    ],
)
def test_the_terminal_shows_what_the_objective_is_about(
    tmp_path: Path, given: dict[str, Any], words: list[str]
) -> None:
    import io

    from rich.console import Console

    from search.store.leaderboard import extra_columns

    write(tmp_path / "r", given, [("completed", 0.2, 0.2, 9000), ("stopped", 0.6, 0.6, 9000)])
    records = read_run(tmp_path / "r")
    out = io.StringIO()
    board = leaderboard(records, "crnn")
    print_leaderboard(board, "crnn", 10, Console(file=out, width=80), extra_columns(records))
    text = out.getvalue()
    assert "…" not in text
    assert set(words) <= set(text.split())
    for word in {"feasible", "front", "images"} - set(words):
        assert word not in text


def test_any_metric_may_be_the_objective_and_knows_its_direction() -> None:
    for name, mode in [("gap", "min"), ("train_loss", "min"), ("valid_exact_match_greedy", "max")]:
        found = settings(objective=name)
        assert found.objective == Objective(metric=name, mode=mode, metrics=(name,), name=name)
        assert found.model_dump(mode="json")["objective"] == name
        assert found.rungs
    found = settings(objective=Objective(metric="lr", mode="max"), max_gap=0.5)
    again = Settings.parse(json.loads(found.model_dump_json()))
    assert again == found
    assert (again.objective.mode, [c.metric for c in again.objective.constraints]) == (
        "max",
        ["gap"],
    )


def test_a_function_is_an_objective_under_its_name() -> None:
    own = Objective(function=lambda m: m.valid_nll + 2 * m.gap, name="careful", mode="min")
    found = settings(objective=own, max_gap=0.9)
    assert found.objective.measured(_fake.metrics(1, 0.5, 0.25))["careful"] == 1.0
    assert found.objective.measured(_fake.metrics(1, 0.5, 0.25))["gap"] == 0.25
    again = Settings.parse(json.loads(found.model_dump_json()))
    assert again == found
    assert again.objective.metrics == ("careful",)
    assert objective_of(json.loads(found.model_dump_json())) == found.objective


@pytest.mark.parametrize("name", ["", "a b", "gap", "nll"])
def test_a_function_without_a_name_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="give it a name=") as caught:
        Objective(function=lambda m: m.gap, name=name)
    assert "\n" not in str(caught.value)


def test_an_objective_of_an_unknown_metric_is_refused() -> None:
    with pytest.raises(InputError, match="objective = 'valid_cre': must be nll, accuracy"):
        settings(objective=Objective(metric="valid_cre"))
    for wrong in (
        {"objective": Objective(constraints=(Constraint("x", "valid_cre", 1),))},
        {"at_most": {"valid_cre": 1}},
    ):
        with pytest.raises(InputError, match="--at-most valid_cre: must be a metric: images_seen"):
            settings(**wrong)


def test_any_metric_may_be_bounded() -> None:
    found = settings(at_most={"valid_cer": "0.02"}, max_gap=0.5)
    assert list(map(str, found.objective.constraints)) == [
        "gap at most 0.5",
        "valid_cer at most 0.02",
    ]
    assert found.objective.feasible({"gap": 0.1, "valid_cer": 0.02})
    assert not found.objective.feasible({"gap": 0.1, "valid_cer": 0.03})
    assert Settings.parse(found.model_dump(mode="json")) == found


def test_a_run_of_an_earlier_version_has_an_objective() -> None:
    assert objective_of({"objective": "nll"}) == settings().objective
