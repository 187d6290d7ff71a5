"""Recorder of what happens on Ray: each trial's epochs and end, and the best model."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from captcha_models.words import counted
from search.store.leaderboard import ranking
from search.store.predictions import keep_predictions
from search.store.records import State
from search.store.run_folder import RunFolder
from search.tuning.progress import Progress
from search.tuning.source import Source
from search.tuning.stopping import Stopping
from search.tuning.trainable import FULL, PREDICTIONS, StorageError

_LOST = {
    "running low on memory": "the machine ran out of memory",
    "its node has died": "the machine went away",
    "worker process has died": "it crashed, or was killed for want of memory",
}
"""Marks in what Ray writes when a worker is lost, and what they say."""


class Recorder(Callback):
    """Writes the run folder as trials report; the only writer, on the driver.

    Args:
        source: of the trials.
        stopping: knows whether the session is interrupted or out of budget.
        progress: is shown what changes.
        data: of the search, from which images are kept.
    """

    def __init__(self, source: Source, stopping: Stopping, progress: Progress, data: Any) -> None:
        self._source, self._folder = source, source.folder
        self._stopping, self._monitor = stopping, stopping.monitor
        self._progress, self._data = progress, data
        self._read: dict[str, tuple[int, str]] = {}

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Ray pickles a run's callbacks into a file that is never read.
        return Callback, ()

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Show that a trial starts, or starts again."""
        if self._monitor:
            self._monitor.started(trial.config["trial"])
        self._progress.update(running=trial.config["trial"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Record an epoch; stop everything when a trial finds no room for its checkpoint."""
        name = trial.config["trial"]
        if self._monitor:
            self._monitor.heard(name, result.get("node_ip", ""))
        if FULL in result:
            raise OSError(f"{name}: {result[FULL]}")
        if "metrics" not in result:
            return
        folder = result.get("checkpoint_dir_name")
        assert trial.storage is not None
        path = f"{trial.storage.trial_fs_path}/{folder}"
        checkpoint = self._folder.store.relative(path) if folder else None
        if PREDICTIONS in result:
            self._read[name] = result["epoch"], result[PREDICTIONS]
        # Before the epoch's row: a trial that is whole has its predictions, and its model.
        if result["epoch"] >= trial.config["config"]["epochs"]:
            self._keep_predictions(name)
            if checkpoint and self._source.leaves_model(name):
                self._folder.keep_listed(name, checkpoint)
        self._folder.add_epoch(trial=name, **result["metrics"], checkpoint=checkpoint)
        if checkpoint:
            _discard_older(self._folder, name)
        self._progress.tick()

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Record how a trial ended, keep its model if it is the best, free its checkpoints."""
        name = trial.config["trial"]
        error = trial.last_result.get("error")
        whole = self._source.records.is_whole(name)
        if self._stopping.interrupted and not (error or whole):
            return
        self._end(name, "failed" if error else "completed" if whole else "stopped", error)
        _forget(trial)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Record a trial that Ray gave up; stop everything where the storage is the reason."""
        reason = _reason(trial)
        if StorageError.__name__ in reason:
            raise OSError(f"{trial.config['trial']}: {reason.partition('Error: ')[2]}")
        if not self._stopping.interrupted:
            self._end(trial.config["trial"], "failed", reason)
            _forget(trial)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Give a trial that is tried again for lack of a GPU's memory twice the share of it."""
        assert trial.placement_group_factory is not None
        wanted = trial.placement_group_factory.required_resources
        gpus = wanted.get("GPU", 0)
        if 0 < gpus < 1 and "OutOfMemoryError" in _reason(trial):
            trial.update_resources({"cpu": wanted["CPU"], "gpu": min(1, 2 * gpus)})

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Let the progress line move, and look after trials and machines.

        Raises:
            InputError: another driver has taken the run over.
        """
        self._folder.look_after()
        if self._monitor:
            self._monitor.step(trials)
        self._progress.tick()

    def _end(self, name: str, state: State, error: str | None) -> None:
        self._keep_predictions(name)
        cost = self._monitor.ended(name) if self._monitor else {}
        self._source.end_trial(name, state, self._stopping, error=error, **cost)
        if self._source.keeps_best:
            _keep_best(self._folder, self._source.name)
        _discard_checkpoints(self._folder, name)
        self._progress.update(ended=name)

    def _keep_predictions(self, name: str) -> None:
        epoch, text = self._read.pop(name, (0, "null"))
        if found := json.loads(text):
            keep_predictions(self._folder.path, name, epoch, found, self._data)


def tidy(source: Source) -> None:
    """Keep the best model, and under ray/ nothing but checkpoints to go on from."""
    folder = source.folder
    if source.keeps_best:
        _keep_best(folder, source.name)
    running = [n for n, row in folder.records.trials.items() if row["state"] == "running"]
    _prune(folder, "ray", {kept[1] for name in running if (kept := folder.checkpoint(name))})


def _prune(folder: RunFolder, place: str, keep: set[str]) -> None:
    """Delete all of a place in the store but what is to be kept."""
    if not any(name.startswith(f"{place}/") for name in keep):
        folder.discard(place)
        return
    for name in folder.store.names(place):
        if f"{place}/{name}" not in keep:
            _prune(folder, f"{place}/{name}", keep)


def _keep_best(folder: RunFolder, space: str) -> None:
    """Make best/SPACE hold the model of the best trial that still has one."""
    for name, epoch in ranking(folder.records, space):
        if folder.records.best_on_disk(space) == (name, epoch):
            return
        place = folder.records.epochs[name][epoch]["checkpoint"]
        if place and folder.store.exists(f"{place}/model.safetensors"):
            folder.keep_model(space, name, epoch, place)
            return


def _discard_older(folder: RunFolder, trial: str) -> None:
    """Delete all checkpoints but a trial's last two: each new one takes the place of the third.

    If Ray did so it would write a snapshot of all trials at every second checkpoint.
    """
    for place in _checkpoints(folder, trial)[-3:-2]:
        folder.discard(place)


def _discard_checkpoints(folder: RunFolder, trial: str) -> None:
    """Delete what a trial that has ended left under ray/: its model was kept or beaten."""
    for place in {str(PurePosixPath(name).parent) for name in _checkpoints(folder, trial)}:
        folder.discard(place)


def _checkpoints(folder: RunFolder, trial: str) -> list[str]:
    """Names in the store of a trial's checkpoints by epoch, deleted ones among them.

    Each once, by its first epoch: a second attempt may write under a name of the first.
    """
    rows = sorted(folder.records.epochs.get(trial, {}).items())
    return list(dict.fromkeys(row["checkpoint"] for _, row in rows if row["checkpoint"]))


def _forget(trial: Trial) -> None:
    """Let go of what Ray keeps of a trial to the end of the search, and puts into its snapshot.

    These are its last reports, and six figures and two windows of every number in them.
    """
    kept = trial.run_metadata
    assert kept.checkpoint_manager is not None
    kept.checkpoint_manager = type(kept.checkpoint_manager)(None)
    # Of a last result without a figure Ray prints that there is none.
    kept.last_result = {"done": True, "released": True}
    kept.metric_analysis, kept.metric_n_steps = {}, {}


def _reason(trial: Trial) -> str:
    """Last line of what Ray wrote about the error; its pickled form is left unread.

    Of a lost worker Ray writes a paragraph: then why, in our words, and how often.
    """
    try:
        text = Path(trial.error_file).read_text(encoding="utf-8").strip()
    except (OSError, TypeError):
        text = ""
    for mark, why in _LOST.items():
        if mark in text:
            return f"its worker was lost {counted(trial.num_failures, 'time')}: {why}"
    return text.splitlines()[-1].strip() if text else "its worker was lost"
