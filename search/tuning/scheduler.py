"""Schedulers that stop trials before their full budget; each survives a resume."""

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ray.tune.experiment import Trial
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    TrialScheduler,
)

from captcha_models.errors import InputError
from search.tuning.names import SchedulerName
from search.tuning.objectives import Objective
from search.tuning.settings import REDUCTION
from search.tuning.trainable import VALUE

if TYPE_CHECKING:
    from search.tuning.space_search import SpaceSearch


@dataclass(frozen=True)
class _Named:
    """All that Ray's scheduler asks of a trial; its own ids change when a run is resumed."""

    trial_id: str


class Rungs(ASHAScheduler):
    """Asynchronous successive halving over epochs, its rungs keyed by our names of trials.

    The baseline is stopped like any other: that it was, and where it stood, is what it has to say.

    Source: Li et al. 2020 (ASHA); the decision itself is Ray's.
    """

    def __init__(self, search: "SpaceSearch") -> None:
        settings = search.settings
        super().__init__(
            time_attr="epoch",
            metric=VALUE,
            mode=settings.objective.mode,
            max_t=settings.epochs,
            grace_period=settings.grace,
            reduction_factor=REDUCTION,
        )
        self._decided: dict[str, str] = {}
        self._replay(search)

    def has_stopped(self, trial: str) -> bool:
        """Whether an earlier session's last report of a trial made it stop."""
        return self._decided.get(trial) == TrialScheduler.STOP

    def _replay(self, search: "SpaceSearch") -> None:
        """Decide once more on all that earlier sessions reported, in its order."""
        names, records = {name for name, _ in search.own()}, search.records
        for name in names:
            super().on_trial_add(cast(Any, None), cast(Any, _Named(name)))
        for name, row in records.order:
            value = row.get(search.settings.objective.metric)
            if name in names and value is not None:
                # Of an epoch that was repeated the rungs keep the first value, then as now.
                self._decided[name] = super().on_trial_result(
                    cast(Any, None), cast(Any, _Named(name)), {"epoch": row["epoch"], VALUE: value}
                )

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take in a trial, or one that is tried again."""
        super().on_trial_add(tune_controller, _named(trial))

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        return str(super().on_trial_result(tune_controller, _named(trial), result))

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Let go of a trial that has ended."""
        super().on_trial_complete(tune_controller, _named(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Let go of a trial that never ran."""
        super().on_trial_remove(tune_controller, _named(trial))


class Bound(FIFOScheduler):
    """Stops a trial that has cost as much as the cheapest one that reached the target.

    It could not win any more, so that nothing is lost; unlike ASHA it ranks no trial by an
    unfinished cycle.
    """

    def __init__(self, search: "SpaceSearch") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._search, self._objective = search, search.settings.objective
        self._bound = min((self._bound_by(name) for name, _ in search.own()), default=math.inf)

    def has_stopped(self, trial: str) -> bool:
        """Whether a trial's last report made it stop."""
        cost = self._search.records.last(trial).get(str(self._objective.cost))
        return cost is not None and cost >= self._bound

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        cost = result.get(f"metrics/{self._objective.cost}")
        beaten = cost is not None and cost >= self._bound
        return TrialScheduler.STOP if beaten else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Lower the bound, if this was cheaper and reached the target."""
        self._bound = min(self._bound, self._bound_by(trial.config["trial"]))

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Ray pickles its scheduler into a file that is never read.
        return FIFOScheduler, ()

    def _bound_by(self, name: str) -> float:
        records = self._search.records
        return self._objective.bound([records.last(name)] if records.is_whole(name) else [])


def scheduler_of(name: SchedulerName | None, search: "SpaceSearch") -> TrialScheduler:
    """A scheduler for the trials of a space.

    Args:
        name: `rungs` keeps two thirds at a half and at three quarters; `asha` is Ray's, with
            Ray's own values, and so is `median`, after a half; both begin anew when a run is
            resumed; `none` stops no trial. By default what the objective stops by.
        search: of the space.
    """
    settings = search.settings
    objective = settings.objective
    if name == "asha":
        return ready(ASHAScheduler(time_attr="epoch", max_t=settings.epochs), objective)
    if name == "median":
        return ready(MedianStoppingRule(time_attr="epoch", grace_period=settings.grace), objective)
    if name == "none" or objective.stopping == "never":
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    return Bound(search) if objective.stopping == "bound" else Rungs(search)


def ready(scheduler: TrialScheduler, objective: Objective) -> TrialScheduler:
    """A copy of a scheduler from outside that compares what the objective says.

    Raises:
        InputError: one that changes configurations, or has been told another metric.
    """
    kind = type(scheduler).__name__
    if isinstance(scheduler, PopulationBasedTraining):
        raise InputError(f"{kind}: it changes a trial while it runs; take one that only stops")
    copy = deepcopy(scheduler)
    if not copy.set_search_properties(VALUE, objective.mode):
        raise InputError(f"{kind}: leave metric and mode out: the objective says them")
    return copy


def _named(trial: Trial) -> Any:
    return _Named(trial.config["trial"])
