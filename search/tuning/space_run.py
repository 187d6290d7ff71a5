"""One space of a run: what is searched, and where it is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.store.records import RunFolder, now
from search.tuning.objectives import exceeded
from search.tuning.settings import Settings
from spaces.space import Space

SPENT = "the time budget was spent"
TOO_DEAR = "the run has cost as much as it may"
_REASONS = {
    "halving": "behind others at a rung",
    "bound": "as dear as the cheapest that reached the target",
}


@dataclass(frozen=True)
class SpaceRun:
    """What the parts of a space's search share.

    Attributes:
        folder: where it is recorded.
        space: what varies.
        settings: of the whole search.
        base: fields of the Config, `epochs` among them, before a point is put over them.
    """

    folder: RunFolder
    space: Space
    settings: Settings
    base: Mapping[str, Any]

    def trial_name(self, number: int) -> str:
        """Name of a trial everywhere: in the records, the tables and the models."""
        return f"{self.space.name}-{number:03d}"

    def start_trial(self, number: int, values: Mapping[str, Any]) -> None:
        """Append the row of a trial that starts: what it is, and its whole configuration."""
        self.folder.add_trial(
            trial=self.trial_name(number),
            space=self.space.name,
            number=number,
            baseline=number == 0,
            state="running",
            seed=self.settings.seed + number,
            config={**self.base, **values},
            started=now(),
            ended=None,
            epochs=0,
            error=None,
            reason=None,
        )

    def is_whole(self, trial: str) -> bool:
        """Whether the trial has had its full budget: the epochs of its own configuration."""
        records = self.folder.records
        row = records.trials.get(trial)
        epochs: int = {**self.base, **(row["config"] if row else {})}["epochs"]
        return records.last_epoch(trial) >= epochs

    def why_stopped(self, trial: str) -> str | None:
        """Why a trial ended before its full budget, unless the time budget was spent."""
        records, objective = self.folder.records, self.settings.objective
        epoch = records.last_epoch(trial)
        if epoch and (cap := exceeded(self.settings.caps, records.epochs[trial][epoch])):
            return cap
        return _REASONS.get(objective.stopping)
