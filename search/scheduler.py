"""ASHA that survives a resume."""

from dataclasses import dataclass
from typing import Any, cast

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler

from search.records import Records
from search.settings import REDUCTION, Settings
from search.worker import VALUE


@dataclass(frozen=True)
class _Named:
    """All that Ray's scheduler asks of a trial; its own ids change when a run is resumed."""

    trial_id: str


class Rungs(ASHAScheduler):
    """Asynchronous successive halving over epochs, its rungs keyed by our names of trials.

    The baseline is stopped like any other: that it was, and where it stood, is what it has to say.

    Source: Li et al. 2020 (ASHA); the decision itself is Ray's.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            time_attr="epoch",
            metric=VALUE,
            mode=settings.goal.mode,
            max_t=settings.epochs,
            grace_period=settings.grace,
            reduction_factor=REDUCTION,
        )

    def replay(self, records: Records, space: str, metric: str) -> None:
        """Fill the rungs with what an earlier sitting reported."""
        for name, row in records.trials.items():
            if row["space"] == space:
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


def _named(trial: Trial) -> Any:
    return _Named(trial.config["trial"])
