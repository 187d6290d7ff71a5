"""A trial that takes milliseconds, for tests of everything around trials."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captcha_models.training.metrics import EpochMetrics
from search.tuning.task import OnEpoch, Task

Hook = Callable[[Task, int], float | tuple[float, float] | None]
"""Called before each epoch with its number; may raise, wait, or give NLL, or NLL and gap."""


@dataclass
class TrainingState:
    epoch: int

    def save_checkpoint(self, folder: Path) -> None:
        (folder / "checkpoint.safetensors").write_text(str(self.epoch))

    def save_model(self, folder: Path) -> None:
        (folder / "model.safetensors").write_text(f"model of epoch {self.epoch}")

    def predictions(self) -> dict[str, Any]:
        return {"wrong": {"0": "x"}, "confidences": [0.5, 1.0], "nlls": [0.7, 0.0], "beams": {}}


def metrics(epoch: int, value: float, gap: float = 0.5) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch, images_seen=epoch, lr=1e-3, train_loss=value, valid_loss=value,
        train_nll=value - gap, valid_nll=value, gap=gap, train_nll_raw=value - gap,
        valid_nll_raw=value, temperature=1.0, valid_exact_match=0.5,
        valid_exact_match_greedy=0.5, valid_position_accuracy=0.5, images_per_s=1.0,
        seconds=float(epoch), device="cpu",
    )  # fmt: skip


def objective(hook: Hook) -> Callable[[Task, Any, OnEpoch, Path | None], None]:
    """An objective whose value falls with the epochs and depends on lr, but for the hook."""

    def run(task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
        start = int((resume / "checkpoint.safetensors").read_text()) if resume else 0
        for epoch in range(start + 1, task.config["epochs"] + 1):
            value = hook(task, epoch)
            if value is None:
                value = 1 / epoch + abs(math.log(task.config["lr"] / 2e-3))
            nll, gap = value if isinstance(value, tuple) else (value, 0.5)
            on_epoch(metrics(epoch, nll, gap), TrainingState(epoch))

    return run
