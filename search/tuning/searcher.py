"""Optuna behind Ray Tune, telling the study the truth about every trial.

Ray's own adapter tells Optuna that a trial stopped early is complete at its low-budget value, that
a trial it lost is still running, and pickles itself; this one does not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import Trial, TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from search.tuning.space_run import SpaceRun
from search.tuning.stopping import Control
from search.tuning.study_file import OwnStorage, WrittenAhead, sync
from search.tuning.trainable import VALUE

ATTRIBUTES = ("train_nll", "valid_nll", "gap", "valid_exact_match")
"""Metrics kept with each trial of the study, for optuna-dashboard."""


def open_study(run: SpaceRun) -> Study:
    """The space's study in the run folder; a new one begins with baseline and known points.

    The sampler's seed also depends on how many trials there are, or a resumed search would draw
    the same points again.
    """
    space, settings = run.space, run.settings
    url = f"sqlite:///{run.folder.path / 'study.db'}"
    connecting = {"timeout": 60, "factory": WrittenAhead}
    storage = OwnStorage(RDBStorage(url, engine_kwargs={"connect_args": connecting}))
    objective = settings.objective
    direction = StudyDirection.MINIMIZE if objective.mode == "min" else StudyDirection.MAXIMIZE
    study = optuna.create_study(
        storage=storage,
        study_name=space.name,
        load_if_exists=True,
        directions=[direction] * len(objective.metrics),
    )
    if not study.get_trials(deepcopy=False):
        for point in (space.baseline, *space.known):
            start = space.active({**point, **space.fixed})
            study.enqueue_trial({k: v for k, v in start.items() if k in space.parameters})
    begun = sum(t.state != TrialState.WAITING for t in study.get_trials(deepcopy=False))
    seed = int(np.random.SeedSequence([settings.seed, begun]).generate_state(1)[0])
    # A search of few trials cannot spend ten of them on chance alone.
    by_chance = min(10, 2 + settings.trials // 4)
    study.sampler = TPESampler(multivariate=True, group=True, seed=seed, n_startup_trials=by_chance)
    return study


def close_study(study: Study) -> None:
    """Close the database, which then is one file again; it opens by itself when it is needed."""
    storage = cast(Any, study._storage)._backend
    storage.remove_session()
    storage.engine.dispose()


class StudySearch(OptunaSearch):
    """Proposes the points of one space, unfinished trials of an earlier sitting first.

    Args:
        run: what is searched.
        study: from `open_study`; only this process writes it.
        unfinished: numbers of the trials to go on with.
        control: tells when no further trial shall begin. What an interruption cuts off stays
            running in the study, to be taken up again.
    """

    def __init__(
        self, run: SpaceRun, study: Study, unfinished: list[int], control: Control
    ) -> None:
        super().__init__(
            space=run.space.suggest,
            metric=VALUE,
            mode=run.settings.objective.mode,
            sampler=study.sampler,
            study_name=study.study_name,
            storage=study._storage,
        )
        self._study = study
        self._ot_study = study  # type: ignore[assignment]  # The parent has opened it once more.
        self._run = run
        self._unfinished = list(unfinished)
        self._control = control

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """A trial's number, name, point and the checkpoint to go on from; or no more."""
        if self._control.closed:
            return Searcher.FINISHED  # type: ignore[return-value]
        if self._unfinished:
            trial = resumed_trial(self._study, self._unfinished.pop(0))
        else:
            trial = self._study.ask()
        self._ot_trials[trial_id] = trial
        name = self._run.trial_name(trial.number)
        folder = self._run.folder
        kept = folder.checkpoint(name)
        values = self._run.space.suggest(trial)
        cast(OwnStorage, self._study._storage).write_params()
        sync(folder.path / "study.db")
        return {
            "trial": name,
            "number": trial.number,
            "values": values,
            "left_s": self._control.remaining_s,
            "resume": folder.store.child(kept[1]).place if kept else None,
        }

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Pass on what has been recorded; an epoch repeated after a retry is already known."""
        if VALUE in result:
            catch_up(self._run, self._ot_trials[trial_id])

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study how the trial ended: complete only with its whole budget."""
        if trial_id in self._completed_trials:
            return
        number = self._ot_trials[trial_id].number
        if self._control.interrupted and not self._run.is_whole(self._run.trial_name(number)):
            return
        tell(self._run, self._study, number, failed=error or "error" in (result or {}))
        self._completed_trials.add(trial_id)
        del self._ot_trials[trial_id]

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Ray pickles its searcher at the start; what it writes is never read, and a placeholder
        # keeps the study's connection and the folder's lock out of it.
        return object, ()

    def save(self, checkpoint_path: str) -> None:
        """Leave an empty file: the study and the records are what a search resumes from."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Never used: nothing in a run folder is unpickled."""
        raise NotImplementedError("a search resumes from its records, not from Ray's snapshot")


def resumed_trial(study: Study, number: int) -> Trial:
    """The live handle of a trial that an earlier process left running."""
    frozen = study.get_trials(deepcopy=False)[number]
    return Trial(study, frozen._trial_id)


def catch_up(run: SpaceRun, trial: Trial) -> None:
    """Give a running trial its recorded epochs; with several metrics Optuna takes none."""
    rows = run.folder.records.epochs.get(run.trial_name(trial.number), {})
    if len(run.settings.objective.metrics) == 1 and rows:
        known = trial.storage.get_trial(trial._trial_id).intermediate_values
        for epoch in sorted(rows.keys() - known.keys()):
            trial.report(rows[epoch][run.settings.objective.metric], epoch)


def tell(run: SpaceRun, study: Study, number: int, *, failed: bool = False) -> None:
    """End a running trial by what the records say of its last epoch.

    Complete with its values if it had its full budget, pruned if not, failed if it raised or
    never reported. Pruned ones carry the constraints too, or TPE would rank them above every
    complete trial that misses a limit.
    """
    name, objective = run.trial_name(number), run.settings.objective
    last, trial = run.folder.records.last_epoch(name), resumed_trial(study, number)
    catch_up(run, trial)
    if failed or not last:
        study.tell(number, state=TrialState.FAIL)
        return
    metrics = run.folder.records.epochs[name][last]
    for attribute in ATTRIBUTES:
        trial.set_user_attr(attribute, metrics[attribute])
    told = study.get_trials(deepcopy=False)[number].constraints
    for limit in objective.constraints:
        if limit.name not in told:
            trial.set_constraint(limit.name, limit.violation(metrics))
    if run.is_whole(name):
        study.tell(number, objective.values(metrics))
    else:
        study.tell(number, state=TrialState.PRUNED)
