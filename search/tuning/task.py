"""One trial: a configuration is trained on a split of the images and scored.

Knows nothing of Ray. A search is given such a function, so that a benchmark or a test can put a
cheaper one in its place.
"""

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split, SplitSpec
from captcha_models.errors import InputError
from captcha_models.loading import loading
from captcha_models.training.metrics import EpochMetrics, OnStep

if TYPE_CHECKING:
    from captcha_models.training.initial import Initial
    from captcha_models.training.state import TrainingState


@dataclass(frozen=True)
class Task:
    """What one trial is to do.

    Attributes:
        arch: the architecture.
        config: values of its Config; fields left out keep their default.
        seed: of weights, order and augmentation.
        cpus: threads it may use.
        gpus: its share of a GPU, or whole GPUs; 0 trains on the CPU.
        split: which images train, validate and are held out; None is the split of the data. A
            task with its own is scored once, at its end, image by image, or not at all.
        on_step: for what is shown while it trains; need not be called.
    """

    arch: str
    config: Mapping[str, Any]
    seed: int
    cpus: int = 1
    gpus: float = 0.0
    split: SplitSpec | None = None
    on_step: OnStep | None = None


@dataclass(frozen=True)
class Data:
    """What every trial of a search reads, and starts from.

    Attributes:
        images: all of them.
        split: that of tasks without their own.
        init: a model whose weights every trial starts from; None is from scratch.
    """

    images: LabelledImages
    split: Split
    init: "Initial | None" = None


class Savable(Protocol):
    """The state of a training at the end of an epoch."""

    def save_checkpoint(self, folder: Path) -> object:
        """Write what a later `resume` goes on from."""

    def save_model(self, folder: Path) -> object:
        """Write `model.safetensors`."""

    def predictions(self) -> dict[str, Any] | None:
        """Predictions for the held-out images, in plain values; None if nothing was kept."""


OnEpoch = Callable[[EpochMetrics, Savable], None]
Trainable = Callable[[Task, Any, OnEpoch, Path | None], None]
"""Trains a task on the data, calls back after each epoch; may go on from a checkpoint's folder."""


def train(task: Task, data: Data, on_epoch: OnEpoch, resume: Path | None) -> None:
    """Train a task for all its epochs and report each.

    Every epoch is scored; of a task with a split of its own the last one alone.

    Raises:
        InputError: the configuration cannot be, or cannot read these labels.
        NonFiniteLossError: the loss is infinite or not a number.
    """
    with loading():
        import torch

        from captcha_models.architectures import config_class
        from captcha_models.training.fit import fit

    torch.set_num_threads(task.cpus)
    if 0 < task.gpus < 1:
        # Shares are Ray's bookkeeping alone; without this one trial could take all the memory.
        torch.cuda.set_per_process_memory_fraction(task.gpus)
    config = config_class(task.arch).parse(task.config)
    split = data.split if task.split is None else task.split.of(data.images)
    reported = 0

    def report(metrics: EpochMetrics, state: Savable) -> None:
        nonlocal reported
        reported = metrics.epoch
        if task.split is not None:
            told = task.split.scored and metrics.epoch == config.epochs
            state = _HeldOut(cast("TrainingState", state), data.images, split, task.seed, told)
        on_epoch(metrics, state)

    def go(start: Path | None) -> "TrainingState":
        return fit(
            config, data.images, split, seed=task.seed, device=None if task.gpus else "cpu",
            on_epoch=report, resume=start, every_epoch=task.split is None, init=data.init,
            on_step=task.on_step,
        )  # fmt: skip

    try:
        try:
            last = go(resume)
        except InputError:
            if resume is None:
                raise
            # A checkpoint of another version of the program: begin afresh.
            last = go(None)
        if reported < last.metrics.epoch:
            # The checkpoint was of the last epoch: there was nothing left to train.
            report(last.metrics, last)
    finally:
        if task.gpus:
            gc.collect()
            torch.cuda.empty_cache()


@dataclass(frozen=True)
class _HeldOut:
    """A training's state whose predictions are those for the held-out images of its own split."""

    state: "TrainingState"
    images: LabelledImages
    split: Split
    seed: int
    is_scored: bool

    def save_checkpoint(self, folder: Path) -> object:
        return self.state.save_checkpoint(folder)

    def save_model(self, folder: Path) -> object:
        return self.state.save_model(folder)

    def predictions(self) -> dict[str, Any] | None:
        from captcha_models.inference.predictions import held_out

        if not self.is_scored:
            return None
        return held_out(self.state.model, self.images, self.split, self.seed)
