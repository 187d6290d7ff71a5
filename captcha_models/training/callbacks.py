"""Report of each epoch: seeds are set before it, both sides are scored after it."""

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from fastai.callback.core import Callback, CancelValidException
from numpy.typing import NDArray

from captcha_models.architectures.base import Recogniser
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import NonFiniteLossError
from captcha_models.training.checkpoint import Card, DataCard, SplitCard, versions
from captcha_models.training.device import device_name, seed_everything
from captcha_models.training.evaluation import evaluate
from captcha_models.training.initial import Initial
from captcha_models.training.learner import CaptchaLearner
from captcha_models.training.metrics import EpochMetrics, OnStep
from captcha_models.training.seen import Seen
from captcha_models.training.state import TrainingState

OnEpoch = Callable[[EpochMetrics, TrainingState], None]


class EpochReport(Callback):  # type: ignore[misc]  # fastai is untyped
    """Seeds each epoch, and afterwards scores the model on both sides and reports.

    Unless `every_epoch`, only the last one is scored: figures of the others are NaN. Steps are
    told from here, for fastai takes longer to call another callback than a step's news takes.
    """

    order = 80

    def __init__(
        self,
        config: Config,
        images: LabelledImages,
        split: Split,
        seed: int,
        subset: NDArray[np.intp],
        on_epoch: OnEpoch,
        every_epoch: bool,
        init: Initial | None,
        on_step: OnStep | None = None,
    ) -> None:
        self.on_step = on_step
        self.every_epoch, self.init = every_epoch, init.digest if init else None
        self.config, self.images, self.split, self.seed = config, images, split, seed
        self.subset, self.on_epoch = subset, on_epoch
        self.seen = Seen.of(images, split)
        if init is not None and init.seen is not None:
            # What it learned from is known to what starts from it.
            self.seen = Seen(self.seen.train | init.seen.train, self.seen.valid, self.seen.locked)
        self.previous: EpochMetrics | None = None
        self.last: TrainingState | None = None

    def __call__(self, event_name: str) -> None:
        """Run the event's method; fastai's own would put a text of its own before every error."""
        method = getattr(type(self), event_name, None)
        if method is not None:
            method(self)

    def before_fit(self) -> None:
        """Move what is scored to the device, start the clock."""
        device = self.dls.device
        self.sides = {
            name: (
                torch.from_numpy(self.images.pixels[rows]).to(device),
                [self.images.labels[i] for i in rows],
                self.images.widths[rows],
            )
            for name, rows in (("train", self.subset), ("valid", self.split.valid))
            if len(rows)
        }
        self.began = time.perf_counter() - (self.previous.seconds if self.previous else 0.0)

    def before_train(self) -> None:
        """Make the epoch depend on nothing but the seed and its number."""
        seed_everything(self.seed, self.epoch + 1)
        self.dls.train.epoch = self.epoch
        self.train_began = time.perf_counter()

    def after_batch(self) -> None:
        """Tell that a step is done."""
        if self.on_step:
            learn = self.learn
            self.on_step(learn.epoch + 1, learn.iter + 1, learn.n_iter, self.config.batch_size)

    def before_validate(self) -> None:
        """Leave fastai's own validation out: `after_train` has scored in larger batches."""
        raise CancelValidException

    def after_train(self) -> None:
        """Score both sides and report."""
        train_loss = self.learn.running_loss.read()
        train_s = time.perf_counter() - self.train_began
        if not np.isfinite(train_loss):
            raise NonFiniteLossError(
                f"the training loss is {train_loss} in epoch {self.epoch + 1}; lr = "
                f"{self.config.lr:g} may be too high"
            )
        model = self.learn.kept()
        if not all(parameter.isfinite().all() for parameter in model.parameters()):
            raise NonFiniteLossError(
                f"weights are not finite after epoch {self.epoch + 1}; lr = {self.config.lr:g} "
                "may be too high"
            )
        sides = self.sides if self.every_epoch or self.epoch + 1 == self.n_epoch else {}
        valid = train = None
        if "valid" in sides:
            # First, for calibration decides the temperature that both sides are scored at.
            valid = evaluate(model, *sides["valid"], calibrate=self.config.calibrate)
        if "train" in sides:
            train = evaluate(model, *sides["train"], search=False)
        nan = math.nan
        per_epoch = self.n_iter * self.config.batch_size
        metrics = EpochMetrics(
            epoch=self.epoch + 1,
            images_seen=(self.epoch + 1) * per_epoch,
            lr=float(self.opt.hypers[-1]["lr"]),
            train_loss=train_loss,
            valid_loss=valid.loss if valid else nan,
            train_nll=train.nll if train else nan,
            valid_nll=valid.nll if valid else nan,
            gap=valid.nll - train.nll if valid and train else nan,
            train_nll_raw=train.nll_raw if train else nan,
            valid_nll_raw=valid.nll_raw if valid else nan,
            temperature=float(model.temperature),
            valid_exact_match=valid.exact_match if valid else nan,
            valid_exact_match_greedy=valid.exact_match_greedy if valid else nan,
            valid_cer=valid.cer if valid else nan,
            valid_position_accuracy=valid.position_accuracy if valid else nan,
            images_per_s=per_epoch / train_s,
            seconds=time.perf_counter() - self.began,
            device=device_name(self.dls.device),
        )
        scored = (valid, sides["valid"][1]) if valid else None
        self.last = TrainingState(metrics, model, self.card(metrics), self.seen, self.learn, scored)
        self.on_epoch(metrics, self.last)

    def state(
        self, learner: CaptchaLearner, model: Recogniser, metrics: EpochMetrics
    ) -> TrainingState:
        return TrainingState(metrics, model, self.card(metrics), self.seen, learner)

    def card(self, metrics: EpochMetrics | None) -> Card:
        images, split = self.images, self.split
        return Card(
            arch=self.config.arch,
            config=self.config.model_dump(),
            symbols=images.charset.symbols,
            max_length=max(map(len, images.labels)),
            label_length=images.label_length,
            **images.geometry.model_dump(),
            data=DataCard(
                source=images.source,
                digest=images.digest,
                num_images=len(images),
                num_train=len(split.train),
                num_valid=len(split.valid),
            ),
            split=_split_card(split),
            seed=self.seed,
            init=self.init,
            metrics=metrics.as_dict() if metrics else {},
            versions=versions(),
        )


def _split_card(split: Split) -> SplitCard | None:
    if not len(split.test):
        return None
    return SplitCard(
        fold=split.fold,
        folds=split.folds,
        seed=split.seed,
        limit=split.limit,
        limit_seed=split.limit_seed,
    )
