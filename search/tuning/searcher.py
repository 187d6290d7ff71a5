"""Searcher that puts Optuna behind Ray Tune: proposes points, learns how each trial ended.

Ray's own adapter tells Optuna that a trial stopped early is complete at its low-budget value, that
a trial it lost is still running, and pickles itself; this one does not.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from optuna.study import Study
from optuna.trial import Trial, TrialState
from ray.tune.search import Searcher

from search.store.study import ATTRIBUTES, new_study, params_of, trial_of, worst
from search.tuning.samplers import sampler_of
from search.tuning.source import TrialSearcher
from search.tuning.stopping import Stopping
from search.tuning.trainable import VALUE
from spaces.space import Space

if TYPE_CHECKING:
    from search.tuning.space_search import SpaceSearch


def rebuild(search: "SpaceSearch", unfinished: list[str]) -> tuple[Study, list[Trial]]:
    """The study of a space as the tables tell it, and the live handles of unfinished trials.

    A number that has no row was suggested by a version that wrote the row later: it is drawn again.
    The starting points that are still to be tried wait in the study's queue.
    """
    records, space, objective = search.records, search.space, search.settings.objective
    rows = {row["number"]: name for name, row in search.own()}
    begun = max(rows, default=-1) + 1
    named = search.settings
    sampler = search.sampler or sampler_of(named.sampler, space, named.seed, begun, named.trials)
    if begun and search.sampler:
        search.sampler.reseed_rng()  # One with a seed would draw the same points again.
    study = new_study(space.name, objective, sampler)
    live = []
    for number in range(begun):
        name = rows.get(number)
        if name is not None and name not in unfinished:
            study.add_trial(trial_of(records, name, space, objective, for_sampler=True))
            continue
        if name is not None:
            study.enqueue_trial(params_of(space, records.trials[name]["config"]))
        elif number < len(search.starting_points):
            study.enqueue_trial(search.starting_points[number])
        live.append(ask(study, space))
    for point in search.starting_points[begun:]:
        study.enqueue_trial(point)
    return study, live


def ask(study: Study, space: Space) -> Trial:
    """A new trial whose parameters without a condition are drawn.

    All trials share the space's own distributions so; a suggestion by its bounds makes new ones.
    """
    free = {k: v for k, v in space.parameters.items() if k not in space.conditions}
    return study.ask(free)


class StudySearcher(TrialSearcher):
    """Proposes the points of one space, unfinished trials of an earlier session first.

    Args:
        search: the space.
        study: from `rebuild`; it learns how each trial ends.
        unfinished: live handles of the trials to go on with.
        stopping: says when no further trial shall begin.
    """

    def __init__(
        self, search: "SpaceSearch", study: Study, unfinished: list[Trial], stopping: Stopping
    ) -> None:
        super().__init__(metric=VALUE, mode=search.settings.objective.mode)
        self._search, self.study, self._stopping = search, study, stopping
        self._unfinished = list(unfinished)
        self._live: dict[str, Trial] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """A trial's task and the checkpoint to go on from; or no more."""
        if self._stopping.closed:
            return Searcher.FINISHED  # type: ignore[return-value]
        space = self._search.space
        trial = self._unfinished.pop(0) if self._unfinished else ask(self.study, space)
        values = space.suggest(trial)
        name = self._search.trial_name(trial.number)
        if name not in self._search.records.trials:
            self._search.start_point(trial.number, values)
        self._live[trial_id] = trial
        return self._search.suggestion(name, space.arch, self._stopping)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Nothing: the study learns of a trial when it ends."""

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study how the trial ended: complete only with its whole budget."""
        trial = self._live.get(trial_id)
        if trial is None:
            return
        name, records = self._search.trial_name(trial.number), self._search.records
        whole, failed = records.is_whole(name), error or "error" in (result or {})
        if self._stopping.interrupted and not (whole or failed):
            return
        del self._live[trial_id]
        tell(self._search, self.study, trial, failed=failed)


def tell(search: "SpaceSearch", study: Study, trial: Trial, *, failed: bool = False) -> None:
    """End a live trial by what the records say of its last epoch; see `trial_of`."""
    records, objective = search.records, search.settings.objective
    name = search.trial_name(trial.number)
    last = records.last(name)
    if failed or not last:
        for key, violation in (worst(objective) or {}).items():
            trial.set_constraint(key, violation)
        with suppress(RuntimeError):
            study.tell(trial, state=TrialState.PRUNED)
        return
    if len(objective.metrics) == 1:
        for epoch, row in sorted(records.epochs.get(name, {}).items()):
            trial.report(row[objective.metric], epoch)
    for attribute in ATTRIBUTES:
        trial.set_user_attr(attribute, last.get(attribute))
    for limit in objective.constraints:
        trial.set_constraint(limit.name, limit.violation(last))
    with suppress(RuntimeError):
        # A sampler that has no more points to draw stops the study, which nobody optimizes here.
        if records.is_whole(name):
            study.tell(trial, objective.values(last))
        else:
            study.tell(trial, state=TrialState.PRUNED)
