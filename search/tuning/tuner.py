"""Run the trials of one space on Ray Tune, from wherever an earlier sitting left off."""

import time
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from ray import tune
from ray.tune import Stopper
from ray.tune.experiment import Trial

from search.cluster.connection import Share
from search.store.disk_full import writing
from search.tuning.loggers import tracker_callbacks
from search.tuning.objectives import exceeded
from search.tuning.progress import Progress
from search.tuning.reconcile import finish_leftovers, reconcile
from search.tuning.recorder import Recorder, tidy
from search.tuning.scheduler import scheduler_for
from search.tuning.searcher import StudySearch, close_study, open_study
from search.tuning.space_run import SpaceRun
from search.tuning.stopping import Control
from search.tuning.task import Objective
from search.tuning.trainable import Plan, run_trial

RETRIES = 2
"""Further attempts of a trial whose worker was lost; each goes on from its last checkpoint."""


class _Stop(Stopper):
    """Ends a trial past a cap, and asks Control; see there how a search ends."""

    def __init__(self, control: Control, caps: Mapping[str, float]) -> None:
        self._control = control
        self._caps = caps

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        capped = "metrics" in result and exceeded(self._caps, result["metrics"]) is not None
        return capped or self._control.spent

    def stop_all(self) -> bool:
        return self._control.cut


def search_space(
    run: SpaceRun,
    data: Any,
    share: Share,
    control: Control,
    progress: Progress,
    objective: Objective,
) -> None:
    """Search one space until it has its trials, the budget is spent, or the person stops it.

    Ray has to be connected. May be called again for the same folder: finished trials stay as they
    are, unfinished ones go on from their last checkpoint.

    Args:
        run: what is searched, and where it is recorded.
        data: what the objective reads; put into Ray's object store once.
        share: of each trial.
        control: tells when to stop; its budget is running.
        progress: shown to.
        objective: what a trial is.
    """
    _quieten()
    with writing(run.folder.path):
        _search(run, data, share, control, progress, objective)


def _search(
    run: SpaceRun,
    data: Any,
    share: Share,
    control: Control,
    progress: Progress,
    objective: Objective,
) -> None:
    study = open_study(run)
    unfinished = reconcile(run, study)
    tidy(run)
    ended = sum(t.state.is_finished() for t in study.get_trials(deepcopy=False))
    missing = run.settings.trials - ended
    if missing > 0 and not control.closed:
        searcher = StudySearch(run, study, unfinished, control)
        trainable = tune.with_resources(
            tune.with_parameters(
                run_trial, objective=objective, data=data, plan=_plan(run, share, control)
            ),
            {"cpu": share.cpus, "gpu": share.gpus},
        )
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=scheduler_for(run),
                num_samples=missing,
                # Without it a searcher's trials start one by one.
                max_concurrent_trials=share.concurrent,
                reuse_actors=True,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                # Each sitting its own folder: Ray numbers checkpoints from 0 again.
                name=f"{run.space.name}-{len(run.folder.records.run['sittings'])}",
                storage_path=run.folder.store.child("ray").place,
                callbacks=[
                    Recorder(run, control, progress, data),
                    *tracker_callbacks(run.settings.log_to, run.folder.path, run.space.name),
                ],
                stop=_Stop(control, run.settings.caps),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                verbose=0,
            ),
        )
        with control.searching():
            tuner.fit()
    if not control.interrupted:
        finish_leftovers(run, study)
    close_study(study)
    tidy(run)


def _name(trial: Trial) -> str:
    return str(trial.config["trial"])


def _plan(run: SpaceRun, share: Share, control: Control) -> Plan:
    left = control.remaining_s
    return Plan(
        arch=run.space.arch,
        base=run.base,
        caps=run.settings.caps,
        rungs=run.settings.rungs,
        objective=run.settings.objective,
        seed=run.settings.seed,
        cpus=share.cpus,
        gpus=share.gpus,
        deadline=None if left is None else time.time() + left,
    )


def _quieten() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # TPESampler's multivariate and group; tested with the locked version.
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
