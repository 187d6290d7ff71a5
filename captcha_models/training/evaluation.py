"""Scores of a recogniser on images: eval mode, no augmentation, large batches."""

import math
from collections.abc import Sequence

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from captcha_models.architectures.base import Recogniser
from captcha_models.architectures.heads import PositionalRecogniser
from captcha_models.ctc.loss import Hypothesis
from captcha_models.training.metrics import GRID, Scores, char_matches, doubt, edits

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
    *,
    search: bool = True,
    calibrate: bool = False,
) -> Scores:
    """How well a model reads labelled images; the model's mode is left as it was.

    Args:
        model: on the device where it runs.
        pixels: (N, C, H, W) uint8, on any device; at least one image.
        labels: N texts over the model's alphabet.
        search: decode with beam search too; without it, accuracies are the greedy ones.
        calibrate: first give the model the temperature that is best for these images. Their own
            NLL is then computed at temperatures fitted without them, a fifth of them at a time, or
            calibration would seem to help by being fitted to what it is judged on.

    Raises:
        InputError: a label with a symbol outside the alphabet.
    """
    device = next(model.parameters()).device
    ids = torch.from_numpy(model.charset.encode(labels)).to(device)
    outputs, size = _outputs(model, pixels, device)
    targets = torch.split(ids, size)
    fitted: Tensor | None = None
    if calibrate:
        fitted = _cross_fitted(model, outputs, targets)
        every = torch.ones(len(labels), dtype=torch.bool, device=device)
        model.temperature.fill_(_best_temperature(model, outputs, targets, every))
    raw, nlls, greedy = [], [], []
    found: list[Hypothesis] = []
    loss = torch.zeros((), device=device)
    for logits, target in zip(outputs, targets, strict=True):
        loss += model.loss(logits, target) * len(target)
        raw.append(model.nll(logits, target))
        logits = model.tempered(logits)
        nlls.append(model.nll(logits, target))
        greedy += [model.charset.decode(ids) for ids in model.read_greedily(logits)]
        if search:
            found += [best[0] for best in model.read(logits)]
    predictions = [model.charset.decode(best.ids) for best in found] if search else greedy
    right, total = char_matches(predictions, labels)
    wrong = sum(edits(read, label) for read, label in zip(predictions, labels, strict=True))
    nll = (torch.cat(nlls) if fitted is None else fitted).double()
    return Scores(
        num_images=len(labels),
        loss=float(loss) / len(labels),
        nll=float(nll.mean()),
        nll_raw=float(torch.cat(raw).double().mean()),
        exact_match=_share_equal(predictions, labels),
        exact_match_greedy=_share_equal(greedy, labels),
        cer=wrong / sum(map(len, labels)),
        position_accuracy=right / total if isinstance(model, PositionalRecogniser) else math.nan,
        predictions=tuple(predictions),
        nlls=tuple(nll.tolist()),
        confidences=tuple(min(1.0, math.exp(best.log_prob)) for best in found),
        outputs=tuple(outputs) if search else (),
    )


@torch.inference_mode()
def nlls_over_grid(model: Recogniser, pixels: Tensor, labels: Sequence[str]) -> Tensor:
    """(G, N) nats of N images at each temperature of `GRID`; arguments as of `evaluate`."""
    device = next(model.parameters()).device
    outputs, size = _outputs(model, pixels, device)
    targets = torch.split(torch.from_numpy(model.charset.encode(labels)).to(device), size)
    return torch.stack([_nlls_at(model, outputs, targets, one) for one in GRID]).cpu()


def _outputs(model: Recogniser, pixels: Tensor, device: torch.device) -> tuple[list[Tensor], int]:
    """Logits batch by batch, and the batches' size: halved until a batch fits into memory."""
    training, size = model.training, BATCH_SIZE
    model.eval()
    try:
        while True:
            batches = torch.split(pixels, size)
            try:
                return [model(batch.to(device).float().div_(255)) for batch in batches], size
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size //= 2
    finally:
        model.train(training)


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
