"""Pictures of a batch and of a training, drawn without a screen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fastai.data.core import DataLoaders
from matplotlib.figure import Figure

from captcha_models.training.metrics import EpochMetrics

TRAIN, VALID = "#3b6fb6", "#d1495b"


def draw_batch(loaders: DataLoaders, path: Path, num_images: int = 12) -> None:
    """The first images of a batch of augmented training images, under their labels."""
    columns = 3
    rows = -(-num_images // columns)
    figure = Figure(figsize=(3.2 * columns, 1.15 * rows), layout="constrained")
    axes = figure.subplots(rows, columns).flatten()
    for axis in axes:
        axis.axis("off")
    charset = loaders.train.dataset.tfms[0].charset
    for axis, image, ids in zip(axes, *loaders.train.one_batch(), strict=False):
        pixels = image.permute(1, 2, 0).cpu().numpy()
        axis.imshow(pixels, cmap="gray" if pixels.shape[2] == 1 else None, vmin=0, vmax=1)
        # matplotlib takes a pair of dollars for mathematics.
        axis.set_title(charset.decode(ids.tolist()).replace("$", r"\$"))
    figure.savefig(path, dpi=110)


def draw_curve(epochs: Sequence[EpochMetrics], path: Path, title: str) -> None:
    """NLL on both sides with the gap between them shaded, and accuracy, over the images seen."""
    seen = np.array([epoch.images_seen for epoch in epochs])
    train = np.array([epoch.train_nll for epoch in epochs])
    valid = np.array([epoch.valid_nll for epoch in epochs])
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.fill_between(seen, train, valid, color=VALID, alpha=0.15, label="gap")
    left.plot(seen, train, color=TRAIN, marker=".", label="training images")
    left.plot(seen, valid, color=VALID, marker=".", label="validation images")
    left.set_yscale("log")
    left.set_ylabel("NLL, nats per captcha")
    right.plot(
        seen,
        [epoch.valid_cer for epoch in epochs],
        color="#888888",
        marker=".",
        label="character error rate",
    )
    right.plot(
        seen,
        [epoch.valid_exact_match for epoch in epochs],
        color=VALID,
        marker=".",
        label="captchas read",
    )
    right.set_ylabel("share, validation images")
    right.set_ylim(-0.02, 1.02)
    for axis in (left, right):
        axis.set_xlabel("images seen")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
