"""The state of a training at the end of an epoch: saved, and taken up again."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from captcha_models.architectures._contract import Recogniser
from captcha_models.checkpoint import (
    CHECKPOINT_FILE,
    MODEL_FILE,
    Card,
    read_tensors,
    save_model,
    write_tensors,
)
from captcha_models.errors import InputError
from captcha_models.learner import CaptchaLearner
from captcha_models.metrics import EpochMetrics


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
            # In the parameter's own memory layout, which the fused step needs.
            name: torch.empty_like(parameter).copy_(value) if value.dim() else value
            for name, value in state.items()
        }
    return EpochMetrics(**header["metrics"])


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
