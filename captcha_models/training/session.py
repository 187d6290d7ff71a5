"""Session of one training in its folder: progress, checkpoints, curve, model; can be resumed."""

import json
import time
from pathlib import Path

from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.training.checkpoint import (
    CHECKPOINT_FILE,
    MODEL_FILE,
    read_tensors,
    write_whole,
)
from captcha_models.training.fit import fit
from captcha_models.training.initial import Initial
from captcha_models.training.metrics import EpochMetrics
from captcha_models.training.plots import draw_curve
from captcha_models.training.progress import TrainingProgress
from captcha_models.training.state import TrainingState

LOG_FILE = "epochs.jsonl"
CURVE_FILE = "curve.png"
CHECKPOINT_EVERY_S = 30.0


def train_in(
    folder: Path,
    config: Config,
    images: LabelledImages,
    split: Split,
    *,
    seed: int,
    device: str | None = None,
    resume: bool = False,
    init: Initial | None = None,
) -> EpochMetrics:
    """Train in a folder, which then holds the model, the epochs and their picture.

    Args:
        folder: made if it is not there; it must not hold a training, unless `resume`.
        config: what to train.
        images: all images.
        split: which image is for what.
        seed: of everything random.
        device: see `fit`.
        resume: go on from the folder's checkpoint.
        init: see `fit`.

    Returns:
        The last epoch's metrics.

    Raises:
        InputError: the folder holds a training already, or none to go on from.
    """
    checkpoint = folder / CHECKPOINT_FILE
    history: list[EpochMetrics] = []
    if resume:
        history = _history(folder)
    elif checkpoint.exists() or (folder / MODEL_FILE).exists():
        raise InputError(f"{folder} holds a training already: --resume goes on, or choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder} cannot be made: {error.strerror}") from None
    last_saved = time.monotonic()

    with TrainingProgress(config.epochs) as progress:
        for epoch in history:
            progress.line(epoch)

        def on_epoch(metrics: EpochMetrics, state: TrainingState) -> None:
            nonlocal last_saved
            history.append(metrics)
            progress.line(metrics)
            write_whole(folder / LOG_FILE, "".join(map(_row, history)).encode())
            if time.monotonic() - last_saved > CHECKPOINT_EVERY_S:
                state.save_checkpoint(folder)
                last_saved = time.monotonic()

        last = fit(
            config,
            images,
            split,
            seed=seed,
            device=device,
            on_epoch=on_epoch,
            resume=folder if resume else None,
            callbacks=[progress],
            init=init,
        )
    last.save_model(folder)
    config.save(folder / "config.toml")
    held_out = "no validation" if split.fold is None else f"fold {split.fold}"
    draw_curve(history, folder / CURVE_FILE, f"{config.arch}, seed {seed}, {held_out}")
    checkpoint.unlink(missing_ok=True)
    return last.metrics


def _history(folder: Path) -> list[EpochMetrics]:
    if (folder / MODEL_FILE).exists():
        raise InputError(f"{folder}: this training is finished, there is nothing to resume")
    if not (folder / CHECKPOINT_FILE).exists():
        raise InputError(f"{folder} holds no {CHECKPOINT_FILE} to resume from")
    header = read_tensors(folder / CHECKPOINT_FILE)[1]
    try:
        done = header["metrics"]["epoch"]
        rows = (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()[:done]
        history = [EpochMetrics.from_dict(json.loads(row)) for row in rows]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder} cannot be resumed: {LOG_FILE} is damaged ({error})") from None
    if len(history) != done:
        raise InputError(
            f"{folder} cannot be resumed: {LOG_FILE} has {len(history)} epochs, the checkpoint is "
            f"of epoch {done}"
        )
    return history


def _row(metrics: EpochMetrics) -> str:
    return json.dumps(metrics.as_dict()) + "\n"
