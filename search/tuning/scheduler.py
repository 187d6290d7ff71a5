"""Who may be stopped before its full budget; each way survives a resume."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from search.tuning.settings import REDUCTION
from search.tuning.space_run import SpaceRun
from search.tuning.trainable import VALUE


@dataclass(frozen=True)
class _Named:
    """All that Ray's scheduler asks of a trial; its own ids change when a run is resumed."""

    trial_id: str


class Rungs(ASHAScheduler):
    """Asynchronous successive halving over epochs, its rungs keyed by our names of trials.

    The baseline is stopped like any other: that it was, and where it stood, is what it has to say.

    Source: Li et al. 2020 (ASHA); the decision itself is Ray's.
    """

    def __init__(self, run: SpaceRun) -> None:
        settings = run.settings
        super().__init__(
            time_attr="epoch",
            metric=VALUE,
            mode=settings.objective.mode,
            max_t=settings.epochs,
            grace_period=settings.grace,
            reduction_factor=REDUCTION,
        )
        self._replay(run)

    def _replay(self, run: SpaceRun) -> None:
        """Fill the rungs with what an earlier sitting reported."""
        records, metric = run.folder.records, run.settings.objective.metric
        for name, row in records.trials.items():
            if row["space"] == run.space.name:
                for epoch, metrics in sorted(records.epochs.get(name, {}).items()):
                    if metrics[metric] is not None:
                        value = self._metric_op * metrics[metric]
                        self._brackets[0].on_result(cast(Any, _Named(name)), epoch, value)

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

    It could not win any more, so that nothing is lost; unlike ASHA it ranks nobody by an
    unfinished cycle.
    """

    def __init__(self, run: SpaceRun) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._run = run
        self._objective = run.settings.objective
        ours = [n for n, row in run.folder.records.trials.items() if row["space"] == run.space.name]
        self._bound = min(map(self._bound_by, ours), default=math.inf)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        cost = result.get(f"metrics/{self._objective.cost}")
        beaten = cost is not None and cost >= self._bound
        return TrialScheduler.STOP if beaten else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Lower the bound, if this was cheaper and reached the target."""
        self._bound = min(self._bound, self._bound_by(trial.config["trial"]))

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Ray pickles its scheduler into a file that nobody here ever reads.
        return FIFOScheduler, ()

    def _bound_by(self, name: str) -> float:
        records = self._run.folder.records
        whole = self._run.is_whole(name)
        return self._objective.bound(
            [records.epochs[name][records.last_epoch(name)]] if whole else []
        )


def scheduler_for(run: SpaceRun) -> TrialScheduler:
    """The scheduler of the run's objective, knowing what earlier sittings reported."""
    kinds: dict[str, Callable[[SpaceRun], TrialScheduler]] = {"halving": Rungs, "bound": Bound}
    return kinds.get(run.settings.objective.stopping, _stop_nobody)(run)


def _stop_nobody(run: SpaceRun) -> TrialScheduler:
    return FIFOScheduler()  # type: ignore[no-untyped-call]


def _named(trial: Trial) -> Any:
    return _Named(trial.config["trial"])
