"""Failed trials in the real study: a lesson to the sampler, a failure to everybody else."""

import statistics
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import Study
from optuna.trial import TrialState

from search.store.study import load_studies
from search.tuning.searcher import rebuild, tell
from search.tuning.space_search import SpaceSearch
from spaces.space import Space
from tests.search import _fake
from tests.search.tuning.test_search import run_of

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

SPACE = Space(
    name="crnn",
    parameters={"lr": FloatDistribution(0.001, 1), "rnn_dropout": FloatDistribution(0, 1)},
    baseline={"lr": 0.1, "rnn_dropout": 0.5},
)
LIMIT = 0.5
"""A greater rate fails; the best one lies just below."""


def go_on(run: SpaceSearch, trials: int, reports: bool = True) -> Study:
    """A search without Ray: the real records, study and sampler."""
    study, _ = rebuild(run, [])
    for _ in range(trials):
        trial = study.ask()
        values = run.space.suggest(trial)
        run.start_point(trial.number, values)
        name, lr = run.trial_name(trial.number), float(values["lr"])
        failed = lr > LIMIT
        for epoch in range(1, 1 + (reports if failed else run.settings.epochs)):
            value = (lr - 0.45) ** 2 + float(values["rnn_dropout"])
            row = _fake.metrics(epoch, value).as_dict()
            run.folder.add_epoch(trial=name, checkpoint=None, **row)
        run.folder.end_trial(name, "failed" if failed else "completed")
        tell(run, study, trial, failed=failed)
    return study


def failures(study: Study, first: int) -> float:
    return statistics.mean(t.params["lr"] > LIMIT for t in study.trials[first:])


@pytest.mark.parametrize("reports", [True, False], ids=["after an epoch", "at once"])
def test_the_sampler_keeps_away_from_where_trials_fail(tmp_path: Path, reports: bool) -> None:
    """Told of failures, TPE passes them over and spends nine trials of ten on them."""
    shares = []
    for seed in range(3):
        run = run_of(tmp_path / str(seed), SPACE, trials=40, seed=seed, epochs=2)
        with run.folder:
            shares.append(failures(go_on(run, 40, reports), 20))
    assert statistics.mean(shares) < 0.45


def test_a_resumed_search_has_learnt_the_same(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", SPACE, trials=20, epochs=2, max_gap=0.1)
    with run.folder:
        live = go_on(run, 20).trials
        again = rebuild(run, [])[0].trials
    assert any(trial.params["lr"] > LIMIT for trial in live)
    for one, other in zip(live, again, strict=True):
        assert (one.state, one.values, one.params) == (other.state, other.values, other.params)
        assert one.intermediate_values == other.intermediate_values
        assert one.constraints == other.constraints
        if one.params["lr"] > LIMIT:
            assert one.state == TrialState.PRUNED
            assert not one.intermediate_values
            assert one.constraints and min(one.constraints.values()) > 1e9


def test_dashboards_are_told_that_a_trial_failed(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", SPACE, trials=20, epochs=2)
    with run.folder:
        go_on(run, 20)
    for trial in optuna.load_study(study_name="crnn", storage=load_studies(run.folder.path)).trials:
        assert (trial.state == TrialState.FAIL) == (trial.params["lr"] > LIMIT)
