"""Samplers and schedulers that a person names: each is what its name says, and searches."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import GPSampler, QMCSampler, RandomSampler, TPESampler
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule

import spaces
from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from search.experiment import Experiment
from search.store.run_folder import RunFolder
from search.tuning.names import SAMPLERS, SCHEDULERS, SamplerName, SchedulerName
from search.tuning.prior_sampler import PriorSampler
from search.tuning.samplers import sampler_of
from search.tuning.scheduler import Bound, Rungs, scheduler_of
from search.tuning.searcher import ask
from search.tuning.settings import Settings
from search.tuning.space_search import SpaceSearch
from spaces.space import Space

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

PRIORS, NONE = spaces.load("crnn"), spaces.load("crnn-wide")


def settings(**values: Any) -> Settings:
    return Settings.parse({"spaces": ("crnn",), "epochs": 8, **values})


def searched(place: Path, space: Space = PRIORS, **values: Any) -> SpaceSearch:
    given = settings(**values)
    about = {"space": space.to_json()}
    run = {"settings": given.model_dump(mode="json"), "sessions": [{}], "started": ""}
    folder = RunFolder.create(place, {**run, "spaces": {space.name: about}})
    return SpaceSearch(folder, space, given, {"epochs": given.epochs})


def test_a_space_with_priors_is_drawn_near_them_and_others_by_tpe() -> None:
    assert isinstance(sampler_of(None, PRIORS, 0, 0, 8), PriorSampler)
    assert isinstance(sampler_of(None, NONE, 0, 0, 8), TPESampler)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("prior", PriorSampler), ("tpe", TPESampler), ("gp", GPSampler), ("qmc", QMCSampler),
     ("random", RandomSampler)],
)  # fmt: skip
def test_every_sampler_proposes_points_of_both_kinds_of_space(
    name: SamplerName, kind: type
) -> None:
    for space in (PRIORS, NONE):
        sampler = sampler_of(name, space, 3, 0, 8)
        assert isinstance(sampler, kind)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=sampler)
        points = []
        for number in range(6):
            trial = ask(study, space)
            point = space.suggest(trial)
            space.assert_contains(point)
            points.append(tuple(point.items()))
            study.tell(trial, float(number))
        assert len(set(points)) == 6


def test_every_name_has_its_sampler_and_its_scheduler(tmp_path: Path) -> None:
    assert {name: type(sampler_of(name, PRIORS, 0, 0, 8)) for name in SAMPLERS}.keys() == {
        "prior", "tpe", "gp", "qmc", "random",
    }  # fmt: skip
    kinds: dict[SchedulerName, type] = {
        "rungs": Rungs, "asha": ASHAScheduler, "median": MedianStoppingRule, "none": FIFOScheduler,
    }  # fmt: skip
    assert kinds.keys() == set(SCHEDULERS)
    for name, kind in kinds.items():
        search = searched(tmp_path / name, scheduler=name)
        assert type(search.scheduler()) is kind
        # Of others than ours nobody can say when they stop a trial.
        assert search.rungs() == ((4, 6) if name == "rungs" else ())
        search.folder.close()


def test_without_a_name_the_objective_decides(tmp_path: Path) -> None:
    kinds = {"nll": Rungs, "pareto": FIFOScheduler}
    for objective, kind in kinds.items():
        with searched(tmp_path / objective, objective=objective).folder as folder:
            search = SpaceSearch(folder, PRIORS, settings(objective=objective), {"epochs": 8})
            assert type(scheduler_of(None, search)) is kind
    with searched(tmp_path / "cost", objective="cost", target_nll=0.1).folder as folder:
        search = SpaceSearch(
            folder, PRIORS, settings(objective="cost", target_nll=0.1), {"epochs": 8}
        )
        assert type(scheduler_of(None, search)) is Bound


def test_an_objective_that_ends_trials_by_itself_takes_no_scheduler() -> None:
    with pytest.raises(InputError, match="--scheduler asha: objective pareto has its own way"):
        settings(objective="pareto", scheduler="asha")


def test_from_python_too_a_name_will_do(drawn: LabelledImages) -> None:
    found = Experiment(drawn, "crnn", sampler="tpe", scheduler="none")
    assert (found.settings.sampler, found.settings.scheduler) == ("tpe", "none")
    with pytest.raises(InputError, match="sampler = 'tree'"):
        Experiment(drawn, "crnn", sampler="tree")  # type: ignore[arg-type]
