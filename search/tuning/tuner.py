"""Runs the trials of a source on Ray Tune, from wherever an earlier session left off."""

import sys
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, cast

import ray
from optuna.exceptions import ExperimentalWarning
from ray import tune
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial

import captcha_models
from search.cluster.connection import Share
from search.store.disk_full import writing
from search.tuning.loggers import tracker_callbacks
from search.tuning.objectives import exceeded
from search.tuning.progress import Progress
from search.tuning.recorder import Recorder, tidy
from search.tuning.source import Source
from search.tuning.stopping import Stopping
from search.tuning.task import Trainable
from search.tuning.trainable import Shared, run_trial

RETRIES = 2
"""Further attempts of a trial whose worker was lost; each goes on from its last checkpoint."""


class _Stop(Stopper):
    """Ends a trial that exceeds a cap, and all trials when the session has to end."""

    def __init__(self, stopping: Stopping, caps: Mapping[str, float]) -> None:
        self._stopping = stopping
        self._caps = caps

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        capped = "metrics" in result and exceeded(self._caps, result["metrics"]) is not None
        return capped or self._stopping.budget_spent

    def stop_all(self) -> bool:
        return self._stopping.cut


def run_trials(
    source: Source,
    data: Any,
    share: Share,
    stopping: Stopping,
    progress: Progress,
    train: Trainable,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Run the trials of a source until none is missing, a budget is spent, or the person stops it.

    Ray has to be connected. May be called again for the same folder: finished trials stay as they
    are, unfinished ones go on from their last checkpoint.

    Args:
        source: a space or a list, and where its trials are recorded.
        data: what trials read; put into Ray's object store once.
        share: of each trial.
        stopping: says when to stop; its budget is running.
        progress: shows it.
        train: what a trial does.
        callbacks: further callbacks of Ray Tune's.
    """
    # TPESampler's multivariate and group; tested with the locked version.
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    with writing(source.folder.path):
        found = source.searcher(stopping)
        tidy(source)
        if found is not None and not stopping.closed:
            searcher, missing = found
            shared = _shared(source, share, stopping, progress)
            place = source.folder.store.child("ray")
            # A file system of ours brings its patience to the workers.
            system, inside = (None, place.place) if place.is_local else place.opened()
            trainable = tune.with_resources(
                tune.with_parameters(run_trial, train=train, data=data, shared=shared),
                {"cpu": share.cpus, "gpu": share.gpus},
            )
            tuner = tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=source.scheduler(),
                    num_samples=missing,
                    # Without it a searcher's trials start one by one.
                    max_concurrent_trials=share.concurrent,
                    reuse_actors=True,
                    trial_name_creator=_name,
                    trial_dirname_creator=_name,
                ),
                run_config=tune.RunConfig(
                    # Each session its own folder: Ray numbers checkpoints from 0 again.
                    name=f"{source.name}-{source.folder.session}",
                    storage_path=inside,
                    storage_filesystem=system,
                    callbacks=[
                        Recorder(source, stopping, progress, data),
                        *tracker_callbacks(source.settings.log_to, source.folder.path, source.name),
                        *callbacks,
                    ],
                    stop=_Stop(stopping, source.settings.caps),
                    failure_config=tune.FailureConfig(max_failures=RETRIES),
                    verbose=0,
                ),
            )
            with stopping.searching():
                tuner.fit()
        if not stopping.interrupted:
            source.finish()
        tidy(source)


def _name(trial: Trial) -> str:
    return str(trial.config["trial"])


def _shared(source: Source, share: Share, stopping: Stopping, progress: Progress) -> Shared:
    left = stopping.remaining_s
    return Shared(
        caps=source.settings.caps,
        rungs=source.rungs(),
        objective=source.objective,
        cpus=share.cpus,
        gpus=share.gpus,
        deadline=None if left is None else time.time() + left,
        models=_outside(source.archs()),
        steps=progress.steps.address,
    )


def _outside(archs: Iterable[str]) -> tuple[type[Any], ...]:
    """Classes of the architectures that are not built in, ready to be carried to workers.

    Those of a module that workers cannot import, such as a file's, travel by value.
    """
    files = Path(captcha_models.__file__).parent / "architectures"
    outside = sorted(arch for arch in archs if not (files / f"{arch}.py").is_file())
    if not outside:
        return ()  # Without the memory that torch takes.
    from captcha_models.architectures import resolve

    found = tuple(resolve(arch).model_class for arch in outside)
    for model in found:
        name = model.__module__
        if name != "__main__" and PathFinder.find_spec(name.partition(".")[0]) is None:
            cast(Any, ray.cloudpickle).register_pickle_by_value(sys.modules[name])
    return found
