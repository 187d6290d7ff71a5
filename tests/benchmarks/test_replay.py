"""Recorded curves are given back, and a search is played against them by their own clock."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from benchmarks.curves import Curve, read_curves, read_spaces
from benchmarks.curves.methods import methods, misled
from benchmarks.curves.record import drawn as drawn_point
from benchmarks.curves.record import fitted_space, starting_points
from benchmarks.curves.replay import Incumbent, play
from benchmarks.curves.surrogate import Forest, Surrogate, trees
from benchmarks.curves.transfer import transferred
from benchmarks.search_replay import OURS, others_of, ratio, sets_of
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import make_split
from captcha_models.errors import InputError
from search.store.jsonl import Table
from spaces.space import Prior, Space

EPOCHS = 4
SPACE = Space(
    name="toy",
    parameters={"x": FloatDistribution(0.0, 1.0), "kind": CategoricalDistribution(["a", "b"])},
    baseline={"x": 0.5, "kind": "a"},
)
FIXED = {"epochs": EPOCHS, "schedule": "constant"}


def curve(index: int, seed: int = 0) -> Curve:
    """Best near x = 0.3; `b` is twice as slow."""
    config = drawn_point(SPACE, index)
    x = float(config["x"])
    ends = 0.1 + (x - 0.3) ** 2
    nll = tuple(ends * (1 + 2 / epoch) * (1.02 if seed else 1.0) for epoch in range(1, EPOCHS + 1))
    each = 20.0 if config["kind"] == "b" else 10.0
    seconds = tuple(each * epoch for epoch in range(1, EPOCHS + 1))
    return Curve(
        "toy", "toy", SPACE.name, index, seed, config, FIXED, 100,
        nll, nll, nll, tuple(1 - v for v in nll), nll, seconds,
    )  # fmt: skip


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return Surrogate([*map(curve, range(60)), *(curve(i, 1) for i in range(0, 60, 3))], SPACE)


def write(file: Path, curves: list[Curve], space: Space = SPACE) -> None:
    with Table(file) as table:
        table.append({"images": "toy", "arch": "toy", "fixed": FIXED, "space": space.to_json()})
        for one in curves:
            table.append(one.row())


def test_curves_are_read_as_they_were_written_in_one_file_or_two(tmp_path: Path) -> None:
    curves = [curve(0), curve(0, 1), curve(1)]
    write(tmp_path / "toy.1.jsonl", curves[2:])
    write(tmp_path / "toy.2.jsonl", curves[:2])
    assert read_curves(tmp_path) == curves
    assert read_curves(tmp_path / "toy.2.jsonl") == curves[:2]
    assert read_spaces(tmp_path) == {"toy-toy": SPACE}
    with pytest.raises(InputError, match="2 configurations; at least 10"):
        sets_of(tmp_path, [])
    write(tmp_path / "toy.3.jsonl", [curve(index) for index in range(2, 12)])
    assert sets_of(tmp_path, []).keys() == {"toy-toy"}
    with pytest.raises(InputError, match="has toy-toy"):
        sets_of(tmp_path, ["other"])


def test_files_of_one_name_have_one_space(tmp_path: Path) -> None:
    write(tmp_path / "toy.1.jsonl", [curve(0)])
    write(tmp_path / "toy.2.jsonl", [curve(1)], SPACE.changed({"kind": "a"}))
    with pytest.raises(InputError, match="another space"):
        read_spaces(tmp_path)


def test_a_number_always_draws_the_same_configuration() -> None:
    assert drawn_point(SPACE, 7) == drawn_point(SPACE, 7) != drawn_point(SPACE, 8)


def test_a_starting_point_keeps_its_number_when_others_come_or_go() -> None:
    alone = starting_points(SPACE)
    more = starting_points(replace(SPACE, known=({"x": 0.9, "kind": "b"},)))
    assert alone.items() < more.items()
    assert all(index < 0 for index in more)
    assert list(more.values()) == [SPACE.baseline, {"x": 0.9, "kind": "b"}]


def test_recorded_curves_are_nearly_given_back(surrogate: Surrogate) -> None:
    for one in (curve(5), curve(17)):
        played = surrogate.play(one.config, seed=0)
        assert played.expected == pytest.approx(one.valid_nll, rel=0.2)
        assert played.seconds == pytest.approx(one.seconds, rel=0.1)


def test_one_point_at_a_time_comes_to_what_the_trees_say() -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.random((80, 4)), rng.random((80, 3))
    model = trees().fit(inputs, targets)
    forest = Forest(model)
    for point in rng.random((50, 4)):
        assert forest.at(point) == pytest.approx(model.predict([point])[0])


def test_one_lucky_curve_is_no_place_that_a_search_could_find() -> None:
    curves = [curve(i) for i in range(60)]
    worst = max(curves, key=lambda one: one.valid_nll[-1])
    lucky = replace(worst, valid_nll=(1e-3,) * EPOCHS)
    found = Surrogate([lucky if one is worst else one for one in curves], SPACE)
    assert found.best > 0.05


def test_between_them_the_error_is_small_and_told(surrogate: Surrogate) -> None:
    error = surrogate.held_out()
    assert error["configurations"] == 60
    assert error["rank"] > 0.9
    assert error["factor"] < 1.2
    least = min(curve(i).valid_nll[-1] for i in range(60))
    assert surrogate.best == pytest.approx(least, rel=0.2)


def test_a_seed_changes_a_curve_as_recorded_seeds_do(surrogate: Surrogate) -> None:
    played = surrogate.play(curve(5).config, seed=0)
    assert np.abs(np.log(played.nll / played.expected)) == pytest.approx(
        math.log(1.02) / math.sqrt(2)
    )


def test_every_repeat_has_luck_of_its_own(surrogate: Surrogate) -> None:
    config = curve(5).config
    lucks = {tuple(surrogate.play(config, 3, repeat).nll) for repeat in range(20)}
    assert len(lucks) > 1
    assert tuple(surrogate.play(config, 3, 7).nll) == tuple(surrogate.play(config, 3, 7).nll)


class Listed:
    """Tries given configurations in turn, and stops those named after their first epoch."""

    def __init__(self, configs: list[Mapping[str, Any]], stopped: tuple[int, ...] = ()) -> None:
        self.configs, self.stopped = configs, stopped
        self.names: list[str] = []
        self.ended: list[str] = []

    def ask(self, name: str) -> tuple[Mapping[str, Any], int]:
        self.names.append(name)
        return self.configs[(len(self.names) - 1) % len(self.configs)], 0

    def report(self, name: str, epoch: int, nll: float, seconds: float) -> bool:
        return self.names.index(name) not in self.stopped

    def tell(self, name: str) -> None:
        self.ended.append(name)


def test_the_clock_is_the_recorded_one(surrogate: Surrogate) -> None:
    """One worker, 10 or 20 s an epoch: trials one after another, a stopped one costs an epoch."""
    quick = next(one for one in map(curve, range(60)) if one.config["kind"] == "a")
    slow = next(one for one in map(curve, range(60)) if one.config["kind"] == "b")
    method = Listed([slow.config, quick.config], stopped=(0,))
    found = play(method, surrogate, workers=1, budget_s=61.0)
    assert method.ended == ["trial-0000", "trial-0001"]
    assert [step.seconds for step in found.steps if step.trials == 1] == pytest.approx(
        [20.0], rel=0.1
    )
    for step in found.steps[1:]:
        assert (step.seconds - 20) / 10 == pytest.approx(round((step.seconds - 20) / 10), abs=0.3)


def test_workers_share_the_trials(surrogate: Surrogate) -> None:
    quick = next(one for one in map(curve, range(60)) if one.config["kind"] == "a")
    one, four = Listed([quick.config]), Listed([quick.config])
    budget = 10.01 * float(surrogate.play(quick.config, 0).seconds[-1])
    play(one, surrogate, workers=1, budget_s=budget)
    play(four, surrogate, workers=4, budget_s=budget)
    assert len(one.ended) == 10
    assert len(four.ended) == 40


def test_time_to_a_target_counts_from_when_it_is_kept() -> None:
    found = Incumbent()
    found.take(1.0, reported=0.5, expected=0.5, trials=1)
    found.take(2.0, reported=0.4, expected=0.3, trials=2)
    found.take(3.0, reported=0.3, expected=0.6, trials=3)  # Lucky, and worse than it seemed.
    found.take(4.0, reported=0.2, expected=0.2, trials=4)
    found.take(5.0, reported=0.9, expected=0.9, trials=5)
    assert found.time_to(0.35) == 4.0
    assert found.time_to(0.1) == math.inf
    assert found.at(2.5) == 0.3
    assert found.at(0.5) == math.inf


OWN = replace(
    SPACE, priors={"x": Prior(0.4, 0.2), "kind": Prior("a", 0.5)}, known=({"x": 0.5, "kind": "b"},)
)


@pytest.mark.parametrize("name", list(methods(OWN)))
def test_every_method_searches_and_repeats_itself(name: str, surrogate: Surrogate) -> None:
    def search(seed: int) -> Incumbent:
        make = methods(OWN)[name]
        return play(make(SPACE, EPOCHS, seed), surrogate, workers=2, budget_s=600.0)

    found = search(0)
    assert found.steps[-1].nll < 0.2
    assert search(0).steps == found.steps
    assert search(1).steps != found.steps


def test_wrong_priors_lie_where_the_right_ones_do_not() -> None:
    wrong = misled(OWN)
    assert wrong.priors["x"].centre == OWN.parameters["x"].high  # type: ignore[attr-defined]
    assert wrong.priors["kind"].centre == "b"
    assert not wrong.known


def test_priors_and_starting_points_come_from_other_sets_alone(surrogate: Surrogate) -> None:
    shared = transferred(SPACE, [surrogate], 2)
    assert len(shared.known) == 2
    # What is good there lies near 0.3.
    assert float(shared.priors["x"].centre) == pytest.approx(0.3, abs=0.15)
    assert all(abs(float(point["x"]) - 0.3) < 0.3 for point in shared.known)
    alone = {curve.name for curve in surrogate.curves}
    with pytest.raises(InputError, match=f"{alone.pop()}: no other images"):
        others_of(surrogate, [surrogate])
    elsewhere = Surrogate([replace(one, images="other") for one in surrogate.curves], SPACE)
    assert others_of(surrogate, [surrogate, elsewhere]) == [elsewhere]


def test_a_ratio_is_of_medians_and_has_its_interval() -> None:
    own, other = np.full(50, 10.0), np.linspace(20, 40, 50)
    found = ratio({("a", OURS, 1): own, ("a", "random", 1): other}, "random")
    assert found[0] == pytest.approx(3.0)
    assert found[1] < 3.0 < found[2]
    assert found[2] - found[1] < 1.5


def test_what_a_space_fixes_is_in_every_recorded_training(drawn: LabelledImages) -> None:
    space, base = fitted_space("crnn", drawn, make_split(drawn.names), {"schedule": "constant"}, 2)
    assert space.fixed
    assert base.items() >= space.fixed.items()
    assert (base["schedule"], base["beam_width"], base["fixed_length"]) == ("constant", 1, False)
