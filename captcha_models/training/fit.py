"""Training of one configuration on one split, with a report of each epoch.

The only seam between training and search is `on_epoch`: training has never heard of a trial.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from fastai.callback.core import Callback
from numpy.typing import NDArray

from captcha_models.architectures import check
from captcha_models.config import Config
from captcha_models.data.generated import make_stream
from captcha_models.data.images import LabelledImages
from captcha_models.data.loaders import Mix, make_loaders
from captcha_models.data.splits import Split
from captcha_models.training import schedule
from captcha_models.training.callbacks import EpochReport, OnEpoch
from captcha_models.training.checkpoint import CHECKPOINT_FILE
from captcha_models.training.device import pick_device, seed_everything
from captcha_models.training.initial import Initial, build_for
from captcha_models.training.learner import CaptchaLearner
from captcha_models.training.metrics import OnStep
from captcha_models.training.state import TrainingState, restore


def fit(
    config: Config,
    images: LabelledImages,
    split: Split,
    *,
    seed: int,
    on_epoch: OnEpoch,
    device: str | None = None,
    resume: Path | None = None,
    callbacks: Sequence[Callback] = (),
    every_epoch: bool = True,
    init: Initial | None = None,
    on_step: OnStep | None = None,
) -> TrainingState:
    """Train and report every epoch.

    All randomness comes from the seed and the epoch's number, so that a resumed training goes on
    as if it had not been interrupted. Touches torch's global generators.

    Args:
        config: what to train, and how.
        images: all images.
        split: which of them train and validate; the test part is not touched.
        seed: of weights, order, dropout and augmentation.
        on_epoch: called after each epoch with its metrics and a TrainingState that can be saved.
        device: such as "cpu" or "cuda:0"; the GPU if there is one by default.
        resume: a folder with a checkpoint of the same configuration, images, split and seed.
        callbacks: further fastai callbacks, such as a progress bar.
        every_epoch: score every epoch; else the last one alone, the figures of others are NaN.
        init: a model trained before, whose weights this one starts from as far as they fit.
        on_step: called after each step; changes nothing.

    Returns:
        The last epoch's TrainingState.

    Raises:
        InputError: too few images for one batch, a checkpoint of something else, or a model to
            start from that fits nowhere.
        NonFiniteLossError: the training loss is infinite or not a number.
    """
    check(config, images, split)
    seed_everything(seed, 0)
    learner, subset = _prepare(config, images, split, seed, pick_device(device), callbacks, init)
    report = EpochReport(config, images, split, seed, subset, on_epoch, every_epoch, init, on_step)
    if resume is not None:
        report.previous = restore(resume / CHECKPOINT_FILE, learner, report.card(None))
        if report.previous.epoch >= config.epochs:
            return report.state(learner, learner.kept(), report.previous)
    learner.add_cb(report)
    start = report.previous.epoch if report.previous else 0
    schedule.train(learner, config, start)
    assert report.last is not None
    return report.last


def _prepare(
    config: Config,
    images: LabelledImages,
    split: Split,
    seed: int,
    device: torch.device,
    callbacks: Sequence[Callback],
    init: Initial | None,
) -> tuple[CaptchaLearner, NDArray[np.intp]]:
    model = build_for(config, images)
    if init is not None:
        init.start(model)
    loaders = make_loaders(images, split, config, device=device, any_width=model.any_width)
    if config.synthetic_share or config.synthetic_steps:
        fresh = make_stream(config, images, split, len(loaders.train), seed, device)
        loaders.train.mix = Mix(fresh, config.synthetic_share, config.synthetic_steps)
    learner = CaptchaLearner(loaders, model.to(device), config, cbs=list(callbacks))
    # As many as validate; a fifth, as in five folds, where none does.
    count = len(split.valid) or -(-len(split.train) // 5)
    subset = np.random.default_rng(seed).permutation(split.train)[:count]
    return learner, subset
