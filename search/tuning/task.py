"""One trial: a sampled point becomes a configuration, is trained, and says how good it is.

Knows nothing of Ray. A search is given such a function, so that a benchmark or a test can put a
cheaper one in its place.
"""

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.training.metrics import EpochMetrics


@dataclass(frozen=True)
class Task:
    """What one trial is to do.

    Attributes:
        arch: the architecture.
        config: values of its Config; fields left out keep their default.
        seed: of weights, order and augmentation.
        cpus: threads it may use.
        gpus: its share of a GPU, or whole GPUs; 0 trains on the CPU.
    """

    arch: str
    config: Mapping[str, Any]
    seed: int
    cpus: int = 1
    gpus: float = 0.0


@dataclass(frozen=True)
class Data:
    """What every trial of a search reads."""

    images: LabelledImages
    split: Split


class Savable(Protocol):
    """The state of a training at the end of an epoch."""

    def save_checkpoint(self, folder: Path) -> object:
        """Write what a later `resume` goes on from."""

    def save_model(self, folder: Path) -> object:
        """Write `model.safetensors`."""

    def readings(self) -> dict[str, Any] | None:
        """What was read of the validation images, in plain values; None if nothing was kept."""


OnEpoch = Callable[[EpochMetrics, Savable], None]
Objective = Callable[[Task, Any, OnEpoch, Path | None], None]
"""Trains a task on the data, calls back after each epoch; may go on from a checkpoint's folder."""


def train(
    task: Task, data: Data, on_epoch: OnEpoch, resume: Path | None, *, every_epoch: bool = True
) -> None:
    """Train a task for all its epochs, and score each, or only the last one.

    Raises:
        InputError: the configuration cannot be, or cannot read these labels.
        NonFiniteLossError: the loss is infinite or not a number.
    """
    import torch

    from captcha_models.architectures import config_class
    from captcha_models.training.fit import fit

    torch.set_num_threads(task.cpus)
    if 0 < task.gpus < 1:
        # Shares are Ray's bookkeeping alone; without this one trial could take all the memory.
        torch.cuda.set_per_process_memory_fraction(task.gpus)
    reported = 0

    def report(metrics: EpochMetrics, snapshot: Savable) -> None:
        nonlocal reported
        reported = metrics.epoch
        on_epoch(metrics, snapshot)

    try:
        last = fit(
            config_class(task.arch).parse(task.config),
            data.images,
            data.split,
            seed=task.seed,
            device=None if task.gpus else "cpu",
            on_epoch=report,
            resume=resume,
            every_epoch=every_epoch,
        )
        if reported < last.metrics.epoch:
            # The checkpoint was of the last epoch: there was nothing left to train.
            on_epoch(last.metrics, last)
    finally:
        if task.gpus:
            gc.collect()
            torch.cuda.empty_cache()
