"""Methods of the replay: ours and its rivals, as their own documentation sets them up."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.curves.surrogate import back, place
from search.tuning.samplers import sampler_of
from spaces.space import Prior, Space, Value

VALUE = "nll"
EPOCH = "epoch"


@dataclass(frozen=True)
class _Named:
    """All that a scheduler of Ray's asks of a trial here."""

    trial_id: str


class Halving:
    """Ray's scheduler as it is asked by Tune."""

    def __init__(self, scheduler: TrialScheduler) -> None:
        self._scheduler = scheduler

    def add(self, name: str) -> None:
        """A trial begins."""
        self._scheduler.on_trial_add(cast(Any, None), cast(Any, _Named(name)))

    def goes_on(self, name: str, epoch: int, nll: float) -> bool:
        """Whether the trial goes on."""
        result = {EPOCH: epoch, VALUE: nll}
        answer = self._scheduler.on_trial_result(cast(Any, None), cast(Any, _Named(name)), result)
        return answer == TrialScheduler.CONTINUE


class ByOptuna:
    """Optuna's study with a sampler, and a pruner of its own or a scheduler of Ray's.

    Args:
        space: what varies.
        epochs: of a whole trial.
        sampler: proposes.
        pruner: of Optuna's.
        scheduler: of Ray's.
        starts: points that are tried first.
        name: of the study; Hyperband deals trials to brackets by it.
    """

    def __init__(
        self,
        space: Space,
        epochs: int,
        sampler: BaseSampler,
        pruner: BasePruner | None = None,
        scheduler: TrialScheduler | None = None,
        starts: Sequence[Mapping[str, Any]] = (),
        name: str = "replay",
    ) -> None:
        self._space, self._epochs = space, epochs
        self._study = optuna.create_study(
            sampler=sampler, pruner=pruner or NopPruner(), study_name=name
        )
        self._halving = Halving(scheduler or FIFOScheduler())  # type: ignore[no-untyped-call]
        for point in starts:
            self._study.enqueue_trial(dict(point))
        self._live: dict[str, tuple[Trial, list[float]]] = {}

    def ask(self, name: str) -> tuple[Mapping[str, Any], int]:
        space = self._space
        free = {k: v for k, v in space.parameters.items() if k not in space.conditions}
        trial = self._study.ask(free)
        self._live[name] = trial, []
        self._halving.add(name)
        return space.suggest(trial), trial.number

    def report(self, name: str, epoch: int, nll: float, seconds: float) -> bool:
        trial, seen = self._live[name]
        seen.append(nll)
        trial.report(nll, epoch)
        return not trial.should_prune() and self._halving.goes_on(name, epoch, nll)

    def tell(self, name: str) -> None:
        trial, seen = self._live.pop(name)
        whole = len(seen) == self._epochs
        self._study.tell(trial, seen[-1] if whole else None,
                         state=TrialState.COMPLETE if whole else TrialState.PRUNED)  # fmt: skip


class ByRay:
    """A searcher and a scheduler of Ray's."""

    def __init__(self, space: Space, epochs: int, scheduler: TrialScheduler, seed: int) -> None:
        self._epochs, self._numbers = epochs, 0

        def define(trial: Trial) -> dict[str, Any]:
            space.suggest(trial)
            return {}

        self._searcher = OptunaSearch(define, metric=VALUE, mode="min", seed=seed)
        self._halving = Halving(scheduler)
        self._space, self._last = space, {}  # type: ignore[var-annotated]

    def ask(self, name: str) -> tuple[Mapping[str, Any], int]:
        config = self._searcher.suggest(name)
        assert isinstance(config, dict), config
        self._halving.add(name)
        self._numbers += 1
        return {**self._space.fixed, **config}, self._numbers - 1

    def report(self, name: str, epoch: int, nll: float, seconds: float) -> bool:
        self._last[name] = {"training_iteration": epoch, VALUE: nll}
        self._searcher.on_trial_result(name, self._last[name])
        return self._halving.goes_on(name, epoch, nll)

    def tell(self, name: str) -> None:
        self._searcher.on_trial_complete(name, self._last.pop(name))


def asha(epochs: int) -> ASHAScheduler:
    """Asynchronous successive halving with Ray's own values."""
    return ASHAScheduler(time_attr=EPOCH, metric=VALUE, mode="min", max_t=epochs)


def today(epochs: int) -> ASHAScheduler:
    """Rungs of revision e19ca25: a half and three quarters of the budget, two thirds stay."""
    return ASHAScheduler(
        time_attr=EPOCH, metric=VALUE, mode="min", max_t=epochs,
        grace_period=-(-epochs // 2), reduction_factor=1.5,
    )  # fmt: skip


Make = Callable[[Space, int, int], Any]
"""A method for a space, a number of epochs and a seed."""

TRIALS_TODAY = 60
"""Trials that today's default is told of; it begins its model after ten of them."""


def ours(own: Space, epochs: int, seed: int) -> ByOptuna:
    """Our default for a space with priors: starting points, `PriorSampler`, today's rungs."""
    starts = [own.start(point) for point in own.known]
    starts = [{k: v for k, v in start.items() if k in own.parameters} for start in starts]
    sampler = sampler_of(None, own, seed, 0, TRIALS_TODAY)
    return ByOptuna(own, epochs, sampler, scheduler=today(epochs), starts=starts)


def misled(space: Space) -> Space:
    """The space with priors that are wrong: as far from what was expected as may be."""
    return replace(space, priors={k: opposite(space.parameters[k], v) for k, v in
                                  space.priors.items()}, known=())  # fmt: skip


def opposite(among: BaseDistribution, prior: Prior) -> Prior:
    """A prior around the end, or the choice, that lies farther from its centre."""
    if isinstance(among, CategoricalDistribution):
        others = [cast(Value, one) for one in among.choices if one != prior.centre]
        return replace(prior, centre=others[-1]) if others else prior
    return replace(prior, centre=back(among, 0.0 if place(among, prior.centre) > 0.5 else 1.0))


def methods(own: Space) -> dict[str, Make]:
    """The methods by name.

    Args:
        own: the space with priors and starting points, which ours begin from; all others are given
            the space alone.
    """
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return {
        "random": lambda space, epochs, seed: ByOptuna(space, epochs, RandomSampler(seed)),
        "random, ASHA": lambda space, epochs, seed: ByOptuna(
            space, epochs, RandomSampler(seed), scheduler=asha(epochs)
        ),
        "Optuna TPE, Hyperband": lambda space, epochs, seed: ByOptuna(
            space, epochs, TPESampler(seed=seed),
            HyperbandPruner(min_resource=1, max_resource=epochs), name=f"replay-{seed}",
        ),
        "Ray OptunaSearch, ASHA": lambda space, epochs, seed: ByRay(
            space, epochs, asha(epochs), seed
        ),
        "e19ca25": lambda space, epochs, seed: ByOptuna(
            space, epochs, sampler_of("tpe", space, seed, 0, TRIALS_TODAY),
            scheduler=today(epochs),
        ),
        "ours": lambda space, epochs, seed: ours(own, epochs, seed),
        "ours, no starting points": lambda space, epochs, seed: ours(
            replace(own, known=()), epochs, seed
        ),
        "ours, wrong priors": lambda space, epochs, seed: ours(misled(own), epochs, seed),
    }  # fmt: skip
