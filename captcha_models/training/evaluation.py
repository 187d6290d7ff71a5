"""Scores of a recogniser on images: eval mode, no augmentation, large batches."""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captcha_models.architectures.base import Recogniser
from captcha_models.architectures.heads import PositionalRecogniser
from captcha_models.ctc.loss import Hypothesis
from captcha_models.training.metrics import GRID, IMPOSSIBLE, Scores, char_matches, doubt, edits
from captcha_models.waiting import through

T = TypeVar("T")
BATCH_SIZE = 128
TEMPERATURES = (0.1, 10.0)
"""Between these a temperature is looked for."""
PARTS = 5
"""Images whose temperature is fitted to are divided into so many."""


@torch.inference_mode()
def evaluate(
    model: Recogniser,
    pixels: Tensor,
    labels: Sequence[str],
    widths: NDArray[np.intp] | None = None,
    *,
    search: bool = True,
    calibrate: bool = False,
) -> Scores:
    """How well a model reads labelled images; the model's mode is left as it was.

    An image whose label the model can never give, for a symbol that it does not know or a length
    beyond its own, counts as misread; no loss and no NLL can be told of it.

    Args:
        model: on the device where it runs.
        pixels: (N, C, H, W) uint8, on any device; at least one image.
        labels: N texts.
        widths: (N,) px of each image that it fills by itself; all by default. Images of one width
            are read together, so that what is read of one depends on no other.
        search: decode with beam search too; without it, accuracies are the greedy ones.
        calibrate: first give the model the temperature that is best for these images. Their own
            NLL is then computed at temperatures fitted without them, a fifth of them at a time, or
            calibration would seem to help by being fitted to what it is judged on.
    """
    device = next(model.parameters()).device
    known = _readable(model, pixels, labels, widths)
    fine = [i for i in range(len(labels)) if known[i]]
    rest = [i for i in range(len(labels)) if not known[i]]
    greedy: list[str] = []
    found: list[Hypothesis] = []
    kept: list[Tensor] = []
    loss = torch.zeros((), device=device)
    nll = nll_raw = loss.new_zeros(0)
    if fine:
        fine, outputs, targets = _read(model, pixels, labels, widths, fine)
        raw, nlls = [], []
        fitted: Tensor | None = None
        if calibrate:
            fitted = _cross_fitted(model, outputs, targets)
            every = torch.ones(len(fine), dtype=torch.bool, device=device)
            model.temperature.fill_(_best_temperature(model, outputs, targets, every))
        for logits, target in zip(outputs, targets, strict=True):
            loss += model.loss(logits, target) * len(target)
            raw.append(model.nll(logits, target))
            nlls.append(model.nll(model.tempered(logits), target))
        nll, nll_raw = torch.cat(nlls) if fitted is None else fitted, torch.cat(raw)
        kept += outputs
    if rest:
        rest, unread, _ = _read(model, pixels, [""] * len(labels), widths, rest)
        kept += unread
    for logits in map(model.tempered, kept):
        greedy += [model.charset.decode(ids) for ids in model.read_greedily(logits)]
        if search:
            found += [best[0] for best in model.read(logits)]
    # Back in the order of the images.
    order = [*fine, *rest]
    greedy = _placed(greedy, order)
    predictions = _placed([model.charset.decode(best.ids) for best in found], order) or greedy
    right, total = char_matches(predictions, labels)
    wrong = sum(edits(read, label) for read, label in zip(predictions, labels, strict=True))
    unknown = [math.nan] * len(rest)
    return Scores(
        num_images=len(labels),
        loss=float(loss) / len(fine) if fine else math.nan,
        nll=float(nll.double().mean()),
        nll_raw=float(nll_raw.double().mean()),
        exact_match=_share_equal(predictions, labels),
        exact_match_greedy=_share_equal(greedy, labels),
        cer=wrong / sum(map(len, labels)),
        position_accuracy=right / total if isinstance(model, PositionalRecogniser) else math.nan,
        predictions=tuple(predictions),
        nlls=tuple(_placed([*nll.double().tolist(), *unknown], order)),
        num_unreadable=len(rest),
        confidences=tuple(_placed([min(1.0, math.exp(best.log_prob)) for best in found], order)),
        outputs=tuple(kept) if search else (),
        order=tuple(order),
    )


@torch.inference_mode()
def nlls_over_grid(
    model: Recogniser,
    pixels: Tensor,
    labels: Sequence[str],
    widths: NDArray[np.intp] | None = None,
) -> Tensor:
    """(G, N) nats of N images at each temperature of `GRID`; arguments as of `evaluate`.

    A label that the model can never give counts as IMPOSSIBLE.
    """
    known = _readable(model, pixels, labels, widths)
    rows = [i for i in range(len(labels)) if known[i]]
    order, outputs, targets = _read(model, pixels, labels, widths, rows)
    found = torch.full((len(GRID), len(labels)), IMPOSSIBLE)
    if rows:
        found[:, order] = torch.stack([_nlls_at(model, outputs, targets, t) for t in GRID]).cpu()
    return found


def batches(
    any_width: bool,
    widths: NDArray[np.intp] | None,
    rows: Sequence[int],
    size: int = BATCH_SIZE,
) -> list[tuple[list[int], int | None]]:
    """Rows that are read together, and the px that they fill; None is all.

    Args:
        any_width: whether the model reads images of any width, or of one only.
        widths: (N,) px of each image that it fills by itself; None is all.
        rows: of the images that are to be read.
        size: most rows at a time.
    """
    of_width: dict[int | None, list[int]] = {}
    for row in rows:
        width = None if widths is None or not any_width else int(widths[row])
        of_width.setdefault(width, []).append(row)
    return [
        (those[start : start + size], width)
        for width, those in of_width.items()
        for start in range(0, len(those), size)
    ]


def _readable(
    model: Recogniser,
    pixels: Tensor,
    labels: Sequence[str],
    widths: NDArray[np.intp] | None,
) -> list[bool]:
    """Which labels the model can give for their images."""
    found = [True] * len(labels)
    height, widest = pixels.shape[2:]
    for rows, width in batches(model.any_width, widths, range(len(labels)), len(labels)):
        own = model.readable([labels[i] for i in rows], (height, width or widest))
        for row, known in zip(rows, own, strict=True):
            found[row] = known
    return found


def _read(
    model: Recogniser,
    pixels: Tensor,
    labels: Sequence[str],
    widths: NDArray[np.intp] | None,
    rows: Sequence[int],
) -> tuple[list[int], list[Tensor], list[Tensor]]:
    """The rows in the order they were read in; logits and targets, batch by batch.

    The batches' size is halved until one fits into memory.
    """
    device = next(model.parameters()).device
    training, size = model.training, BATCH_SIZE
    model.eval()
    try:
        while True:
            parts = batches(model.any_width, widths, rows, size)
            try:
                outputs = [
                    model(pixels[part, :, :, :width].to(device).float().div_(255))
                    for part, width in through(parts, "image", lambda one: len(one[0]))
                ]
                break
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size //= 2
    finally:
        model.train(training)
    order = [row for part, _ in parts for row in part]
    ids = torch.from_numpy(model.charset.encode([labels[row] for row in order])).to(device)
    return order, outputs, list(torch.split(ids, [len(part) for part, _ in parts]))


def _nlls_at(
    model: Recogniser, outputs: Sequence[Tensor], targets: Sequence[Tensor], temperature: float
) -> Tensor:
    """(N,) nats of each image at a temperature."""
    pairs = zip(outputs, targets, strict=True)
    return torch.cat([model.nll(logits.float() / temperature, t) for logits, t in pairs])


def _best_temperature(
    model: Recogniser, outputs: Sequence[Tensor], targets: Sequence[Tensor], among: Tensor
) -> float:
    """The most probable temperature given the images `among` (N,), by Brent's method.

    Source: Guo et al. 2017 (arXiv:1706.04599), temperature scaling.
    """
    from scipy.optimize import minimize_scalar  # Takes a third of a second to load.

    def nll(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        nlls = _nlls_at(model, outputs, targets, temperature)[among]
        return float(nlls.sum()) + doubt(temperature)

    bounds = tuple(map(math.log, TEMPERATURES))
    found = minimize_scalar(nll, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return math.exp(found.x)


def _cross_fitted(
    model: Recogniser, outputs: Sequence[Tensor], targets: Sequence[Tensor]
) -> Tensor:
    """(N,) nats of each image at a temperature that was fitted to the other parts."""
    count = sum(map(len, targets))
    part = torch.arange(count, device=targets[0].device) % PARTS
    nlls = _nlls_at(model, outputs, targets, 1.0)
    for one in range(min(PARTS, count) if count > 1 else 0):
        own = part == one
        temperature = _best_temperature(model, outputs, targets, ~own)
        nlls = torch.where(own, _nlls_at(model, outputs, targets, temperature), nlls)
    return nlls


def _share_equal(predictions: Sequence[str], labels: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(predictions, labels, strict=True)) / len(labels)


def _placed(values: Sequence[T], order: Sequence[int]) -> list[T]:
    """Values whose number i belongs to the place order[i]; none if there are none."""
    if not values:
        return []
    return [value for _, value in sorted(zip(order, values, strict=True), key=lambda pair: pair[0])]
