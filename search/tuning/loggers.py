"""MLflow, Weights & Biases and TensorBoard beside the run folder, by callbacks of Ray Tune.

All are optional: the run folder alone is what a search reads again.

MLflow logs to MLFLOW_TRACKING_URI, or to `mlflow.db` beside the run folders; Weights & Biases to
the account it is logged in to, or with WANDB_MODE=offline to `wandb/` there; TensorBoard reads
`tensorboard/` in the run folder, also while the search is running.
"""

import logging
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from captcha_models.errors import InputError

Tracker = Literal["mlflow", "wandb", "tensorboard"]
PROJECT = "captcha-search"
_TITLES = {"mlflow": "MLflow", "wandb": "Weights & Biases", "tensorboard": "TensorBoard"}
_PACKAGES = {"tensorboard": "tensorboardX"}
"""Modules that write for a tracker, where they are not of its name."""


def check_trackers(names: Sequence[Tracker]) -> None:
    """Refuse trackers that cannot be.

    Raises:
        InputError: a package is missing, or nobody is logged in.
    """
    for name in names:
        if find_spec(_PACKAGES.get(name, name)) is None:
            raise InputError(
                f"--log-to {name}: {_TITLES[name]} is not installed: "
                f"pip install 'captcha-search[{name}]' brings it"
            )
    if "wandb" in names and os.environ.get("WANDB_MODE") not in ("offline", "disabled"):
        import wandb

        if not wandb.api.api_key:
            raise InputError(
                "--log-to wandb: nobody is logged in: run `wandb login`, set WANDB_API_KEY, or "
                "keep it on this machine with WANDB_MODE=offline"
            )


def tracker_callbacks(names: Sequence[Tracker], run: Path, space: str) -> list[Any]:
    """Callbacks for the trackers; a trial is a run there, under its own name.

    Args:
        names: of the trackers.
        run: the run folder; its name is the experiment's (MLflow) or the group's (W&B).
        space: the tag of its trials.
    """
    beside = run.resolve().parent
    found: list[Any] = []
    if "mlflow" in names:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{beside / 'mlflow.db'}"
        tags = {"space": space, "run": run.name}
        found.append(MLflowLoggerCallback(uri, experiment_name=run.name, tags=tags))
    if "wandb" in names:
        from ray.air.integrations.wandb import WandbLoggerCallback

        options: dict[str, Any] = {
            # Its files outlive the trials' own folders, which the recorder clears.
            "dir": os.environ.get("WANDB_DIR") or str(beside),
            # Where Ray was already there, its processes do not have our environment.
            "mode": os.environ.get("WANDB_MODE"),
            "tags": [space],
        }
        project = os.environ.get("WANDB_PROJECT") or PROJECT
        found.append(WandbLoggerCallback(project, group=run.name, **options))
    if "tensorboard" in names:
        found.append(_curves(run / "tensorboard"))
    return found


def _curves(place: Path) -> Any:
    """A callback that writes each trial's metrics as event files, over the images trained on.

    Ray's own writes into the trial's working folder, which does not outlive the trial.
    """
    from ray.tune import Callback
    from tensorboardX import SummaryWriter

    writers: dict[str, SummaryWriter] = {}

    class Curves(Callback):
        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any
        ) -> None:
            metrics, name = result.get("metrics", {}), trial.config["trial"]
            writer = writers.get(name) or SummaryWriter(str(place / name))
            writers[name] = writer
            for metric, value in metrics.items():
                if isinstance(value, int | float) and metric != "images_seen":
                    writer.add_scalar(metric, value, metrics["images_seen"])
            writer.flush()

        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            # A flush alone may leave the last point in the writer's queue.
            if writer := writers.pop(trial.config["trial"], None):
                writer.close()

        on_trial_error = on_trial_complete

        def __reduce__(self) -> tuple[type, tuple[()]]:
            # Ray pickles a run's callbacks into a file that is never read.
            return Callback, ()

    return Curves()
