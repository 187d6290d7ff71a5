"""Sampler: near the priors first, then near the best, never beyond what it was told."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import TrialState

from search.tuning.prior_sampler import CHANCE, PriorSampler, best_first
from search.tuning.searcher import ask
from spaces.prior import Prior
from spaces.space import Condition, Space

SPACE = Space(
    name="small",
    parameters={
        "lr": FloatDistribution(1e-4, 1e-1, log=True),
        "layers": IntDistribution(1, 2),
        "width": IntDistribution(16, 64, step=16),
        "norm": CategoricalDistribution([False, True]),
    },
    conditions={"width": Condition("layers", (2,))},
    baseline={"lr": 1e-3, "layers": 2, "width": 32, "norm": False},
    priors={"lr": Prior(1e-3, 0.05), "norm": Prior(True, 0.2)},
)


def new_study(seed: int = 0, direction: str = "minimize") -> Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=PriorSampler(SPACE, seed), direction=direction)


def propose(study: Study) -> optuna.trial.Trial:
    trial = ask(study, SPACE)
    SPACE.suggest(trial)
    return trial


def ended(study: Study, value: float, **params: object) -> None:
    """Add a trial of these values that has ended with that objective."""
    study.enqueue_trial({"lr": 1e-2, "layers": 2, "width": 48, "norm": False, **params})
    study.tell(propose(study), value)


def test_before_anything_is_known_proposals_lie_near_the_priors() -> None:
    study = new_study()
    trials = [propose(study) for _ in range(300)]
    near = sum(10**-3.5 < trial.params["lr"] < 10**-2.5 for trial in trials) / 300
    # Three decades, spread a twentieth: all but those that are left to chance.
    assert near > 1 - CHANCE
    assert 1e-4 <= min(t.params["lr"] for t in trials) < 10**-3.5  # Those are there, too.
    assert sum(trial.params["norm"] for trial in trials) / 300 > 0.8
    for trial in trials:
        SPACE.assert_contains(trial.params)


@pytest.mark.parametrize("seed", range(5))
def test_no_point_is_tried_twice_while_there_are_others(seed: int) -> None:
    choices = CategoricalDistribution([False, True])
    few = Space(
        name="few",
        parameters=dict.fromkeys("abc", choices),
        baseline=dict.fromkeys("abc", False),
        priors={"a": Prior(True, 0.9)},
    )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=PriorSampler(few, seed))
    points = []
    for number in range(12):
        trial = ask(study, few)
        points.append(tuple(few.suggest(trial).values()))
        study.tell(trial, float(number))
    # All eight come before one comes again, but for draws that miss the last of them.
    assert len(set(points[:6])) == 6, points
    assert len(points) == 12


def test_later_proposals_lie_near_the_best() -> None:
    study = new_study()
    for i in range(30):
        ended(study, 1.0 + i, lr=1e-4 * (1 + i / 100))
    ended(study, 0.1, lr=5e-2)
    ended(study, 0.2, lr=6e-2)
    ended(study, 0.3, lr=5.5e-2)
    trials = [propose(study) for _ in range(100)]
    assert sum(trial.params["lr"] > 1e-2 for trial in trials) > 50


def test_of_an_objective_to_be_maximised_the_greatest_is_best() -> None:
    study = new_study(direction="maximize")
    ended(study, 0.2, lr=1e-2)
    ended(study, 0.9, lr=2e-2)
    assert [params["lr"] for params in best_first(study)] == [2e-2, 1e-2]


def test_what_violates_a_constraint_stands_behind_all_that_do_not() -> None:
    study = new_study()
    ended(study, 5.0, lr=1e-2)
    study.enqueue_trial({"lr": 2e-2, "layers": 1, "norm": False})
    trial = propose(study)
    trial.set_constraint("gap", 0.3)
    study.tell(trial, 0.1)
    assert [params["lr"] for params in best_first(study)] == [1e-2, 2e-2]


def test_of_two_objectives_those_come_first_that_no_other_beats_in_both() -> None:
    sampler = PriorSampler(SPACE, 0)
    study = optuna.create_study(sampler=sampler, directions=["minimize", "maximize"])
    values = [(3.0, 1.0), (1.0, 5.0), (2.0, 9.0), (2.5, 4.0), (1.0, 5.0)]
    for i, pair in enumerate(values):
        study.enqueue_trial({"lr": 1e-3 * (1 + i), "layers": 1, "norm": False})
        study.tell(propose(study), pair)
    order = [round(1e3 * params["lr"]) - 1 for params in best_first(study)]
    # 0 is beaten by all, 3 by three, the others by none.
    assert order == [1, 2, 4, 3, 0]
    SPACE.assert_contains(propose(study).params)


def test_a_trial_that_runs_counts_by_its_last_report_and_a_failed_one_not_at_all() -> None:
    study = new_study()
    ended(study, 0.5, lr=1e-2)
    study.enqueue_trial({"lr": 2e-2, "layers": 1, "norm": False})
    running = propose(study)
    running.report(0.9, 1)
    running.report(0.4, 2)
    study.tell(propose(study), state=TrialState.FAIL)
    assert [params["lr"] for params in best_first(study)] == [2e-2, 1e-2]


def test_a_search_that_goes_on_proposes_what_it_would_have() -> None:
    """The same trials ended, another object: as after a kill and a resume."""

    def history(study: Study, count: int) -> list[dict[str, object]]:
        found = []
        for i in range(count):
            trial = propose(study)
            found.append(dict(trial.params))
            study.tell(trial, float(i % 5))
        return found

    whole = history(new_study(), 20)
    first = new_study()
    assert history(first, 12) == whole[:12]
    resumed = new_study()
    resumed.add_trials(first.get_trials())
    after = []
    for i in range(12, 20):
        trial = propose(resumed)
        after.append(dict(trial.params))
        resumed.tell(trial, float(i % 5))
    assert after == whole[12:]
    assert history(new_study(seed=1), 12) != whole[:12]


@pytest.mark.parametrize("layers", [1, 2])
def test_a_parameter_that_the_best_lacks_is_drawn(layers: int) -> None:
    study = new_study()
    params = {"layers": layers} if layers == 2 else {"layers": 1}
    for value in (0.1, 0.2, 0.3):
        ended(study, value, **params)
    for _ in range(50):
        SPACE.assert_contains(propose(study).params)
