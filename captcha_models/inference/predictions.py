"""Predictions for held-out images, one by one, and how wide the beam search had to be."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from captcha_models.architectures.base import Recogniser
from captcha_models.architectures.heads import CTCRecogniser
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import NonFiniteLossError
from captcha_models.training.evaluation import evaluate, nlls_over_grid
from captcha_models.training.metrics import IMPOSSIBLE, Scores

BEAM_WIDTHS = (1, 2, 5, 10, 25)


def predictions_of(model: Recogniser, scores: Scores, labels: Sequence[str]) -> dict[str, Any]:
    """Plain values, kept small: a search keeps them of every trial.

    Args:
        model: that was scored.
        scores: with what it put out.
        labels: N texts, of the images that were scored.

    Returns:
        `wrong`: what was read, by the image's position, where that is not its label;
        `confidences`: the model's probability of what it read, of each image; `nlls`: nats of each,
        IMPOSSIBLE of a label that it can never give;
        `beams`: share of captchas read by beam width, `greedy` among them; a model that decodes
        exactly has that alone.
    """
    pairs = enumerate(zip(scores.predictions, labels, strict=True))
    return {
        "wrong": {str(i): read for i, (read, label) in pairs if read != label},
        "confidences": [round(value, 4) for value in scores.confidences],
        "nlls": [round(value, 5) for value in _counted(scores.nlls)],
        "beams": {"greedy": scores.exact_match_greedy, **_by_width(model, scores, labels)},
    }


def _counted(nlls: Sequence[float]) -> list[float]:
    return [IMPOSSIBLE if math.isnan(nll) else nll for nll in nlls]


def _by_width(model: Recogniser, scores: Scores, labels: Sequence[str]) -> dict[str, float]:
    """Accuracy at each width, decoded from what the model put out: nothing is run again."""
    if not isinstance(model, CTCRecogniser):
        return {}
    own, found = model.beam_width, {}
    try:
        for width in sorted({*BEAM_WIDTHS, own}):
            model.beam_width = width
            read = [
                model.charset.decode(best[0].ids)
                for logits in scores.outputs
                for best in model.read(model.tempered(logits))
            ]
            right = sum(a == labels[i] for a, i in zip(read, scores.order, strict=True))
            found[str(width)] = right / len(labels)
    finally:
        model.beam_width = own
    return found


def held_out(model: Recogniser, images: LabelledImages, split: Split, seed: int) -> dict[str, Any]:
    """Scores of the held-out images one by one, and of as many training images together.

    Held out are the images that validate or, where none does, the locked test set.

    Args:
        model: trained on the split's training images.
        images: all images.
        split: of the training.
        seed: chooses the training images that are scored.

    Returns:
        Plain values; `nlls_over_grid` (G, N) and `train_nll_over_grid` (G,), nats at each
        temperature of the grid, only from a calibrated model with images that validate.

    Raises:
        NonFiniteLossError: an NLL is infinite or not a number.
    """
    rows = split.valid if len(split.valid) else split.test
    subset = np.random.default_rng(seed).permutation(split.train)[: len(rows)]
    scores, seen = (evaluate(model, *_parts(images, part)) for part in (rows, subset))
    if not (math.isfinite(scores.nll) and math.isfinite(seen.nll)):
        raise NonFiniteLossError(f"the NLL is {scores.nll}, on training images {seen.nll}")
    over_grid = {}
    if len(split.valid) and model.config.calibrate:
        found, before = (
            nlls_over_grid(model, *_parts(images, part)).double().numpy() for part in (rows, subset)
        )
        over_grid = {
            "nlls_over_grid": np.round(found, 6).tolist(),
            "train_nll_over_grid": before.mean(axis=1).tolist(),
        }
    return {
        "num_train": len(split.train),
        "num_images": len(rows),
        **scores.figures(),
        "train_nll": seen.nll,
        "gap": scores.nll - seen.nll,
        "parameters": sum(p.numel() for p in model.parameters()),
        "images": [images.names[i] for i in rows],
        "labels": [images.labels[i] for i in rows],
        "nlls": _counted(scores.nlls),
        "read": list(scores.predictions),
        "confidences": [round(value, 6) for value in scores.confidences],
        **over_grid,
    }


def _parts(
    images: LabelledImages, rows: NDArray[np.intp]
) -> tuple[torch.Tensor, list[str], NDArray[np.intp]]:
    labels = [images.labels[i] for i in rows]
    return torch.from_numpy(images.pixels[rows]), labels, images.widths[rows]
