"""A fit: one training, scored image by image on what it has not seen; and the row it leaves.

Confirmation, cross-validation and ablation are lists of fits. A row holds for good: it is found
again by the fit's key, so that a list can be stopped and taken up again on another day.
"""

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split, make_split
from captcha_models.errors import InputError, NonFiniteLossError, one_line
from captcha_models.training.metrics import EpochMetrics
from search.store.provenance import git_revision, versions
from search.store.records import now
from search.tuning.task import Data, Savable, Task, train

if TYPE_CHECKING:
    from captcha_models.training.metrics import Scores
    from captcha_models.training.state import Snapshot

Row = dict[str, Any]
CHECKPOINT_EVERY_S = 60.0


@dataclass(frozen=True)
class Fit:
    """What is trained on which images, and on which it is scored.

    Attributes:
        name: of the candidate, for the person; not part of the key.
        arch: the architecture.
        config: every field of its Config.
        seed: of the training, and of the choice of `limit_train`.
        fold: which fold is held out and scored; None trains on all that are not locked and scores
            the locked test set.
        folds: how many there are.
        split_seed: what the folds were drawn with.
        limit_train: train on so many images only; None is all.
        all_images: the folds are of all images, the locked ones too.
    """

    name: str
    arch: str
    config: Mapping[str, Any]
    seed: int
    fold: int | None
    folds: int
    split_seed: int = 0
    limit_train: int | None = None
    all_images: bool = False

    def key(self, data_digest: str) -> str:
        """Sha256 (hex) of all that decides the outcome, but for the program's versions.

        Fields of the configuration at their defaults do not count, so that a new field, off by
        default, leaves the keys as they were.
        """
        from captcha_models.architectures import config_class

        config = config_class(self.arch).parse(self.config)
        defaults = type(config)().model_dump()
        changed = {k: v for k, v in config.model_dump().items() if v != defaults[k]}
        decides = {**self.describe(), "config": changed, "data": data_digest}
        del decides["name"]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    def describe(self) -> Row:
        """Plain values; the beginning of the row."""
        return {
            "name": self.name,
            "arch": self.arch,
            "config": dict(self.config),
            "seed": self.seed,
            "fold": self.fold,
            "folds": self.folds,
            "split_seed": self.split_seed,
            "limit_train": self.limit_train,
            "all_images": self.all_images,
        }

    def __str__(self) -> str:
        part = "test set" if self.fold is None else f"fold {self.fold} of {self.folds}"
        limit = f", {self.limit_train} images" if self.limit_train else ""
        return f"{self.name}, {part}, seed {self.seed}{limit}"

    def split(self, names: tuple[str, ...]) -> Split:
        """Which image is for what.

        Raises:
            InputError: no such fold, or too few images.
        """
        if not self.all_images:
            return make_split(
                names,
                fold=self.fold,
                folds=self.folds,
                seed=self.split_seed,
                limit=self.limit_train,
                limit_seed=self.seed,
            )
        if self.fold is None or not 0 <= self.fold < self.folds <= len(names) or self.limit_train:
            raise InputError("folds of all images: fold must lie in 0..folds-1, and no limit")
        salt = f"all:{self.split_seed}:"
        ranked = sorted(
            range(len(names)), key=lambda i: hashlib.sha256((salt + names[i]).encode()).digest()
        )
        return _parts_of_all(ranked, self.fold, self.folds, self.split_seed)


def _parts_of_all(ranked: list[int], fold: int, folds: int, seed: int) -> Split:
    import numpy as np

    rows = np.array(ranked, dtype=np.intp)
    held = np.arange(len(rows)) % folds == fold
    none = np.array([], dtype=np.intp)
    return Split(np.sort(rows[~held]), np.sort(rows[held]), none, fold, folds, seed)


def run_fit(fit: Fit, images: LabelledImages, cpus: int, gpus: float, folder: Path) -> Row:
    """Train and score; an error of the fit's own becomes the row's `error`.

    Args:
        fit: what to do.
        images: all images.
        cpus: threads.
        gpus: share of a GPU, or whole ones; 0 trains on the CPU.
        folder: where a checkpoint is kept once a minute and looked for.

    Returns:
        The row, its key left out.

    Raises:
        MemoryError: or torch's own; another attempt may have more room.
    """
    try:
        outcome = _train_and_score(fit, images, cpus, gpus, folder)
    except Exception as error:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            raise
        outcome = {"error": one_line(error)}
    return {
        **fit.describe(),
        "error": None,
        **outcome,
        "ended": now(),
        "data": images.digest,
        "versions": versions(),
        "git_revision": git_revision(),
    }


def _train_and_score(fit: Fit, images: LabelledImages, cpus: int, gpus: float, folder: Path) -> Row:
    from captcha_models.training.checkpoint import CHECKPOINT_FILE

    split = fit.split(images.names)
    last: Savable | None = None
    last_saved = time.monotonic()

    def on_epoch(metrics: EpochMetrics, snapshot: Savable) -> None:
        nonlocal last, last_saved
        last = snapshot
        if time.monotonic() - last_saved > CHECKPOINT_EVERY_S:
            snapshot.save_checkpoint(folder)
            last_saved = time.monotonic()

    task = Task(fit.arch, fit.config, fit.seed, cpus, gpus)
    data = Data(images, split)
    begun = folder / CHECKPOINT_FILE
    try:
        train(task, data, on_epoch, folder if begun.exists() else None, every_epoch=False)
    except InputError:
        if not begun.exists():
            raise
        # A checkpoint of another version of the program: begin afresh.
        begun.unlink()
        train(task, data, on_epoch, None, every_epoch=False)
    from captcha_models.training.state import Snapshot

    assert isinstance(last, Snapshot)
    return _scored(last, fit, images, split)


def _scored(last: "Snapshot", fit: Fit, images: LabelledImages, split: Split) -> Row:
    """Scores of the held-out part, and of as many training images, the same way."""
    import numpy as np

    held = split.test if fit.fold is None else split.valid
    subset = np.random.default_rng(fit.seed).permutation(split.train)[: len(held)]
    scores, seen = (_score(last, images, rows) for rows in (held, subset))
    if not (math.isfinite(scores.nll) and math.isfinite(seen.nll)):
        raise NonFiniteLossError(f"the NLL is {scores.nll}, on training images {seen.nll}")
    metrics = last.metrics
    over_grid = {}
    if fit.fold is not None and fit.config.get("calibrate"):
        rounded = np.round(_over_grid(last, images, held), 6)
        over_grid = {
            "nlls_over_grid": rounded.tolist(),
            "train_nll_over_grid": _over_grid(last, images, subset).mean(axis=1).tolist(),
        }
    return {
        "num_train": len(split.train),
        "num_images": len(held),
        **scores.figures(),
        "train_nll": seen.nll,
        "gap": scores.nll - seen.nll,
        "temperature": metrics.temperature,
        "epochs": metrics.epoch,
        "images_seen": metrics.images_seen,
        "seconds": metrics.seconds,
        "device": metrics.device,
        "parameters": sum(p.numel() for p in last.model.parameters()),
        "images": [images.names[i] for i in held],
        "labels": [images.labels[i] for i in held],
        "nlls": list(scores.nlls),
        "read": list(scores.predictions),
        **over_grid,
    }


def _score(last: "Snapshot", images: LabelledImages, rows: Any) -> "Scores":
    import torch

    from captcha_models.training.evaluation import evaluate

    pixels = torch.from_numpy(images.pixels[rows])
    return evaluate(last.model, pixels, [images.labels[i] for i in rows])


def _over_grid(last: "Snapshot", images: LabelledImages, rows: Any) -> Any:
    """(G, N) nats of the images `rows` at each temperature of the grid."""
    import torch

    from captcha_models.training.evaluation import nlls_over_grid

    pixels = torch.from_numpy(images.pixels[rows])
    return nlls_over_grid(last.model, pixels, [images.labels[i] for i in rows]).double().numpy()
