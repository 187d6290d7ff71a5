"""Search of one space: starting points first, then what the sampler proposes."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from optuna.samplers import BaseSampler
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from search.store.records import whole
from search.store.run_folder import RunFolder
from search.tuning.objectives import exceeded
from search.tuning.scheduler import Bound, Rungs, ready, scheduler_of
from search.tuning.searcher import StudySearcher, rebuild
from search.tuning.settings import Settings
from search.tuning.source import Source
from search.tuning.stopping import Stopping
from spaces.space import Space, Values

_BEHIND = "behind other trials at a rung"
_REASONS = {
    "halving": _BEHIND,
    "rungs": _BEHIND,
    "asha": _BEHIND,
    "median": "behind the median of the other trials",
    "bound": "cost bound exceeded: as expensive as the cheapest trial that reached the target",
}


class SpaceSearch(Source):
    """The trials of a space.

    Args:
        folder: where they are recorded.
        space: what varies.
        settings: of the whole search.
        base: fields of the Config, `epochs` among them, before a point is put over them.
        sampler: proposes the points after the starting points; None is the default.
        scheduler: stops trials early; None is the objective's own. One from outside begins anew
            when a run is resumed.
    """

    keeps_best = True

    def __init__(
        self,
        folder: RunFolder,
        space: Space,
        settings: Settings,
        base: Mapping[str, Any],
        sampler: BaseSampler | None = None,
        scheduler: TrialScheduler | None = None,
    ) -> None:
        super().__init__(space.name, folder, settings)
        # Both learn from the trials they see: those of another space shall not be among them.
        self.space, self.base, self.sampler = space, base, deepcopy(sampler)
        self.objective = settings.objective
        self._scheduler = ready(scheduler, settings.objective) if scheduler else None

    @property
    def starting_points(self) -> list[dict[str, Any]]:
        """The points that are tried first, the baseline at their head."""
        space = self.space
        found = [space.active({**p, **space.fixed}) for p in (space.baseline, *space.known)]
        return [{k: v for k, v in point.items() if k in space.parameters} for point in found]

    def trial_name(self, number: int) -> str:
        """Name of a trial everywhere: in the records, the tables and the models."""
        return f"{self.name}-{number:03d}"

    def start_point(self, number: int, values: Values) -> None:
        """Append the row of a trial that a point was proposed for."""
        self.start_trial(
            self.trial_name(number), {**self.base, **values}, self.settings.seed + number,
            number=number, baseline=number == 0,
        )  # fmt: skip

    def archs(self) -> Iterable[str]:
        return (self.space.arch,)

    def searcher(self, stopping: Stopping) -> tuple[Searcher, int] | None:
        with whole(self.folder.path):
            unfinished = self.settle()
            ended = sum(row["state"] != "running" for _, row in self.own())
            missing = self.settings.trials - ended
            if missing <= 0:
                return None
            study, live = rebuild(self, unfinished)
        return StudySearcher(self, study, live, stopping), missing

    def scheduler(self) -> TrialScheduler:
        if self._scheduler is None:
            self._scheduler = scheduler_of(self.settings.scheduler, self)
        return self._scheduler

    def rungs(self) -> tuple[int, ...]:
        return self.settings.rungs

    def why_stopped(self, trial: str) -> str | None:
        last = self.records.last(trial)
        cap = exceeded(self.settings.caps, last) if last else None
        return cap or _REASONS.get(self.settings.scheduler or self.settings.objective.stopping)

    def was_stopped(self, trial: str) -> str | None:
        last, scheduler = self.records.last(trial), self.scheduler()
        if last and (cap := exceeded(self.settings.caps, last)):
            return cap
        stopped = isinstance(scheduler, Rungs | Bound) and scheduler.has_stopped(trial)
        return self.why_stopped(trial) if stopped else None
