"""Train one configuration on one split and tell somebody about each epoch.

The only seam between training and search is `on_epoch`: training has never heard of a trial.
"""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.learner import Recorder
from torch import Tensor

from captcha_models.architectures import build
from captcha_models.architectures._contract import Recogniser
from captcha_models.checkpoint import (
    CHECKPOINT_FILE,
    MODEL_FILE,
    Card,
    read_tensors,
    save_model,
    versions,
    write_tensors,
)
from captcha_models.config import Config
from captcha_models.errors import InputError, NonFiniteLossError
from captcha_models.evaluate import evaluate
from captcha_models.images import LabelledImages
from captcha_models.learner import CaptchaLearner
from captcha_models.loaders import make_loaders
from captcha_models.metrics import EpochMetrics
from captcha_models.splits import Split


@dataclass(frozen=True)
class Snapshot:
    """The state of a training at the end of an epoch; save it before the next one begins.

    Attributes:
        metrics: of the epoch.
        model: the recogniser, live.
        card: what a model file says besides weights.
    """

    metrics: EpochMetrics
    model: Recogniser
    card: Card
    _optimiser: torch.optim.Optimizer

    def save_model(self, folder: Path) -> Path:
        """Write `model.safetensors`, which can be evaluated; returns its path."""
        save_model(folder / MODEL_FILE, self.model, self.card)
        return folder / MODEL_FILE

    def save_checkpoint(self, folder: Path) -> Path:
        """Write `checkpoint.safetensors`, which `fit(resume=...)` goes on from."""
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        for i, parameter in enumerate(_parameters(self._optimiser)):
            for name, value in self._optimiser.state[parameter].items():
                tensors[f"optimiser.{i}.{name}"] = value
        write_tensors(folder / CHECKPOINT_FILE, tensors, self.card.model_dump(mode="json"))
        return folder / CHECKPOINT_FILE


OnEpoch = Callable[[EpochMetrics, Snapshot], None]


def check(config: Config, images: LabelledImages) -> None:
    """Refuse a configuration that could never read these labels.

    Raises:
        InputError: naming the field or the label.
    """
    height, width = images.pixels.shape[2:]
    model_class(config).check(config, images.labels, (height, width))


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
) -> Snapshot:
    """Train by one cycle and report every epoch.

    All randomness comes from the seed and the epoch's number, so that a resumed training goes on
    as if it had not been interrupted. Touches torch's global generators.

    Args:
        config: what to train, and how.
        images: all images.
        split: which of them train and validate; the test part is not touched.
        seed: of weights, order, dropout and augmentation.
        on_epoch: called after each epoch with its metrics and a Snapshot that can be saved.
        device: such as "cpu" or "cuda:0"; the GPU if there is one by default.
        resume: a folder with a checkpoint of the same configuration, images, split and seed.
        callbacks: further fastai callbacks, such as a progress bar.

    Returns:
        The last epoch's Snapshot.

    Raises:
        InputError: too few images for one batch, or a checkpoint of something else.
        NonFiniteLossError: the training loss is infinite or not a number.
    """
    check(config, images)
    _seed_everything(seed, 0)
    learner, subset = _prepare(config, images, split, seed, pick_device(device), callbacks)
    report = _EpochReport(config, images, split, seed, subset, on_epoch)
    if resume is not None:
        report.previous = _restore(resume / CHECKPOINT_FILE, learner, report.card(None))
        if report.previous.epoch >= config.epochs:
            return report.snapshot(learner, report.previous)
    learner.add_cb(report)
    start = report.previous.epoch if report.previous else 0
    learner.fit_one_cycle(config.epochs, config.lr, start_epoch=start)
    assert report.last is not None
    return report.last


def model_class(config: Config) -> type[Recogniser]:
    """The Recogniser class a configuration builds."""
    from importlib import import_module

    from captcha_models import architectures

    found: type[Recogniser] = import_module(f"{architectures.__name__}.{config.arch}").Model
    return found


def _prepare(
    config: Config,
    images: LabelledImages,
    split: Split,
    seed: int,
    device: torch.device,
    callbacks: Sequence[Callback],
) -> tuple[CaptchaLearner, np.ndarray]:
    if len(split.train) < config.batch_size:
        raise InputError(
            f"batch_size = {config.batch_size}: there are only {len(split.train)} training images"
        )
    height, width = images.pixels.shape[2:]
    model = build(config, images.charset, max(map(len, images.labels)), (height, width))
    loaders = make_loaders(
        images, split, batch_size=config.batch_size, augment=config.augment, device=device
    )
    learner = CaptchaLearner(loaders, model.to(device), config, cbs=list(callbacks))
    subset = np.random.default_rng(seed).permutation(split.train)[: len(split.valid)]
    return learner, subset


class _EpochReport(Callback):  # type: ignore[misc]  # fastai is untyped
    """Seeds each epoch, and afterwards scores the model on both sides and reports."""

    order = 80

    def __init__(
        self,
        config: Config,
        images: LabelledImages,
        split: Split,
        seed: int,
        subset: np.ndarray,
        on_epoch: OnEpoch,
    ) -> None:
        self.config, self.images, self.split, self.seed = config, images, split, seed
        self.subset, self.on_epoch = subset, on_epoch
        self.previous: EpochMetrics | None = None
        self.last: Snapshot | None = None

    def before_fit(self) -> None:
        """Move what is scored to the device, start the clock."""
        device = self.dls.device
        self.sides = {
            name: (
                torch.from_numpy(self.images.pixels[rows]).to(device),
                [self.images.labels[i] for i in rows],
            )
            for name, rows in (("train", self.subset), ("valid", self.split.valid))
        }
        self.began = time.perf_counter() - (self.previous.seconds if self.previous else 0.0)

    def before_train(self) -> None:
        """Make the epoch depend on nothing but the seed and its number."""
        _seed_everything(self.seed, self.epoch + 1)
        self.train_began = time.perf_counter()

    def after_train(self) -> None:
        """Score both sides and report."""
        train_loss = self.learn.running_loss.read()
        train_s = time.perf_counter() - self.train_began
        if not np.isfinite(train_loss):
            raise NonFiniteLossError(
                f"the training loss is {train_loss} in epoch {self.epoch + 1}; lr = "
                f"{self.config.lr:g} may be too high"
            )
        train = evaluate(self.model, *self.sides["train"], search=False)
        valid = evaluate(self.model, *self.sides["valid"])
        per_epoch = self.n_iter * self.config.batch_size
        metrics = EpochMetrics(
            epoch=self.epoch + 1,
            passes=(self.epoch + 1) * per_epoch,
            lr=float(self.opt.hypers[-1]["lr"]),
            train_loss=train_loss,
            valid_loss=valid.loss,
            train_nll=train.nll,
            valid_nll=valid.nll,
            gap=valid.nll - train.nll,
            valid_captcha_accuracy=valid.captcha_accuracy,
            valid_captcha_accuracy_greedy=valid.captcha_accuracy_greedy,
            valid_char_accuracy=valid.char_accuracy,
            images_per_s=per_epoch / train_s,
            seconds=time.perf_counter() - self.began,
            device=_device_name(self.dls.device),
        )
        self.last = self.snapshot(self.learn, metrics)
        self.on_epoch(metrics, self.last)

    def snapshot(self, learner: CaptchaLearner, metrics: EpochMetrics) -> Snapshot:
        return Snapshot(metrics, learner.model, self.card(metrics), learner.opt.opt)

    def card(self, metrics: EpochMetrics | None) -> Card:
        images, split = self.images, self.split
        height, width = images.pixels.shape[2:]
        return Card(
            arch=self.config.arch,
            config=self.config.model_dump(),
            symbols=images.charset.symbols,
            max_length=max(map(len, images.labels)),
            label_length=images.label_length,
            height=height,
            width=width,
            data={
                "source": images.source,
                "digest": images.digest,
                "num_images": len(images),
                "num_train": len(split.train),
            },
            split={"fold": split.fold, "folds": split.folds, "seed": split.seed},
            seed=self.seed,
            metrics=metrics.as_dict() if metrics else {},
            versions=versions(),
        )


def _restore(path: Path, learner: CaptchaLearner, expected: Card) -> EpochMetrics:
    tensors, header = read_tensors(path)
    wanted = expected.model_dump(mode="json")
    for key in ("arch", "config", "symbols", "data", "split", "seed"):
        found, now = header[key], wanted[key]
        if key == "data":
            found, now = found["digest"], now["digest"]
        if found != now:
            raise InputError(f"{path} belongs to another training: its {key} is {found}, not {now}")
    model = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    learner.model.load_state_dict(model)
    learner.create_opt()
    optimiser = learner.opt.opt
    for i, parameter in enumerate(_parameters(optimiser)):
        prefix = f"optimiser.{i}."
        state = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        optimiser.state[parameter] = {
            name: value.to(parameter.device) for name, value in state.items()
        }
    return EpochMetrics(**header["metrics"])


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _seed_everything(seed: int, epoch: int) -> None:
    mixed = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
    torch.manual_seed(mixed)
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002  (fastai's transforms draw from all three)


def pick_device(name: str | None) -> torch.device:
    """The device of that name, or the GPU if there is one, else the CPU.

    Raises:
        InputError: no such device on this machine.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used: {reason}") from None
    return device


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def summary(config: Config, images: LabelledImages, split: Split, seed: int) -> str:
    """Every layer with its output shape, as fastai's Learner tells it."""
    learner = _prepare(config, images, split, seed, torch.device("cpu"), ())[0]
    # What follows repeats the whole model as the owner of its loss function.
    return str(learner.summary()).partition("Optimizer used")[0].rstrip()


def find_lr(
    config: Config, images: LabelledImages, split: Split, *, seed: int, device: str | None = None
) -> tuple[float, list[float], list[float]]:
    """Fastai's learning-rate search: a mock training with an ever-growing rate.

    Returns:
        The suggestion (the valley), and the rates and smoothed losses it was read from.
    """
    _seed_everything(seed, 0)
    learner = _prepare(config, images, split, seed, pick_device(device), [Recorder()])[0]
    with tempfile.TemporaryDirectory() as folder:
        learner.path = Path(folder)
        suggestion = learner.lr_find(show_plot=False)
    recorder = learner.recorder
    return (
        float(suggestion.valley),
        list(map(float, recorder.lrs)),
        list(map(float, recorder.losses)),
    )
