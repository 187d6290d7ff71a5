"""Training state at the end of an epoch: saved, and gone on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from captcha_models.architectures import config_class
from captcha_models.architectures.base import Recogniser
from captcha_models.errors import InputError
from captcha_models.inference.predictions import predictions_of
from captcha_models.training.checkpoint import (
    CHECKPOINT_FILE,
    MODEL_FILE,
    Card,
    read_tensors,
    save_model,
    write_tensors,
)
from captcha_models.training.learner import CaptchaLearner
from captcha_models.training.metrics import EpochMetrics, Scores
from captcha_models.training.seen import Seen


@dataclass(frozen=True)
class TrainingState:
    """The state of a training at the end of an epoch; save it before the next one begins.

    Attributes:
        metrics: of the epoch.
        model: the recogniser that was scored, live.
        card: what a model file says besides weights.
        seen: the images of the training.
        valid: scores of the validation images and their labels; None where nothing validates, or
            a checkpoint left nothing to train.
    """

    metrics: EpochMetrics
    model: Recogniser
    card: Card
    seen: Seen
    _learner: CaptchaLearner
    valid: tuple[Scores, Sequence[str]] | None = None

    def predictions(self) -> dict[str, Any] | None:
        """Those for the validation images: see `captcha_models.inference.predictions`."""
        return predictions_of(self.model, *self.valid) if self.valid else None

    def save_model(self, folder: Path) -> Path:
        """Write `model.safetensors`, which can be evaluated; returns its path."""
        save_model(folder / MODEL_FILE, self.model, self.card, self.seen)
        return folder / MODEL_FILE

    def save_checkpoint(self, folder: Path) -> Path:
        """Write `checkpoint.safetensors`, which `fit(resume=...)` goes on from."""
        learner = self._learner
        tensors = {f"model.{name}": t for name, t in learner.recogniser.state_dict().items()}
        if learner.averaging:
            average = learner.averaging.average.state_dict()
            tensors |= {f"average.{name}": t for name, t in average.items()}
        optimiser = learner.opt.opt
        for i, parameter in enumerate(_parameters(optimiser)):
            for name, value in optimiser.state[parameter].items():
                tensors[f"optimiser.{i}.{name}"] = value
        tensors["running_loss"] = learner.running_loss.value
        header = {**self.card.model_dump(mode="json"), "steps": learner.running_loss.count}
        write_tensors(folder / CHECKPOINT_FILE, tensors, header)
        return folder / CHECKPOINT_FILE


def restore(path: Path, learner: CaptchaLearner, expected: Card) -> EpochMetrics:
    """Put a checkpoint's weights and optimiser into a learner.

    Args:
        path: the checkpoint file.
        learner: of the same configuration.
        expected: the card of the training that wants to go on.

    Returns:
        The metrics of the checkpoint's epoch.

    Raises:
        InputError: no checkpoint, or one of another training; says what differs.
    """
    tensors, header = read_tensors(path)
    try:
        _assert_same(path, header, expected.model_dump(mode="json"))
        return _put(tensors, header, learner)
    except (KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} is no checkpoint that can be resumed ({error})") from None


def _assert_same(path: Path, header: dict[str, Any], wanted: dict[str, Any]) -> None:
    if (before := header.get("init")) != wanted["init"]:
        began = f"model {before[:12]}: give it with --init" if before else "none: leave --init out"
        raise InputError(f"{path} belongs to a training whose initial model is {began}")
    found, now = _identity(header), _identity(wanted)
    for key, value in now.items():
        if found.get(key) != value:
            raise InputError(
                f"{path} belongs to another training: its {key} is {found.get(key)}, not {value}"
            )


def _identity(card: dict[str, Any]) -> dict[str, Any]:
    own = {key: card[key] for key in ("arch", "symbols", "split", "seed")}
    # A field that is younger than the checkpoint has its default, which changes nothing.
    config = {**config_class(card["arch"])().model_dump(mode="json"), **card["config"]}
    return {**own, **config, "digest": card["data"]["digest"]}


def _put(
    tensors: dict[str, Tensor], header: dict[str, Any], learner: CaptchaLearner
) -> EpochMetrics:
    learner.recogniser.load_state_dict(_part(tensors, "model."))
    if learner.averaging:
        learner.averaging.average.load_state_dict(_part(tensors, "average."))
        learner.averaging.steps = header["steps"]
    learner.create_opt()
    optimiser = learner.opt.opt
    for i, parameter in enumerate(_parameters(optimiser)):
        optimiser.state[parameter] = {
            # In the parameter's own memory layout, which the fused step needs.
            name: torch.empty_like(parameter).copy_(value)
            if value.dim()
            else value.to(parameter.device)
            for name, value in _part(tensors, f"optimiser.{i}.").items()
        }
    learner.running_loss.value = tensors["running_loss"]
    learner.running_loss.count = header["steps"]
    return EpochMetrics.from_dict(header["metrics"])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
