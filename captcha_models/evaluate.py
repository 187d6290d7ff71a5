"""Score a recogniser on images: eval mode, no augmentation, large batches."""

from collections.abc import Sequence

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from captcha_models.architectures._contract import Recogniser
from captcha_models.metrics import Scores, char_matches

BATCH_SIZE = 128
TEMPERATURES = (0.1, 10.0)
"""Between these a temperature is looked for."""


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
        model: on the device where it shall run.
        pixels: (N, C, H, W) uint8, on any device; at least one image.
        labels: N texts over the model's alphabet.
        search: decode with beam search too; without it, accuracies are the greedy ones.
        calibrate: first give the model the temperature that is best for these images.

    Raises:
        InputError: a label with a symbol outside the alphabet.
    """
    device = next(model.parameters()).device
    ids = torch.from_numpy(model.charset.encode(labels)).to(device)
    targets = torch.split(ids, BATCH_SIZE)
    outputs = _outputs(model, pixels, device)
    if calibrate:
        model.temperature.fill_(_best_temperature(model, outputs, targets))
    raw, nlls, beam, greedy = [], [], [], []
    loss = torch.zeros((), device=device)
    for logits, target in zip(outputs, targets, strict=True):
        loss += model.loss(logits, target) * len(target)
        raw.append(model.nll(logits, target))
        logits = model.tempered(logits)
        nlls.append(model.nll(logits, target))
        greedy += [model.charset.decode(ids) for ids in model.read_greedily(logits)]
        if search:
            beam += [model.charset.decode(best[0].ids) for best in model.read(logits)]
    predictions = beam if search else greedy
    right, total = char_matches(predictions, labels)
    nll = torch.cat(nlls).double()
    return Scores(
        num_images=len(labels),
        loss=float(loss) / len(labels),
        nll=float(nll.mean()),
        nll_raw=float(torch.cat(raw).double().mean()),
        captcha_accuracy=_share_equal(predictions, labels),
        captcha_accuracy_greedy=_share_equal(greedy, labels),
        char_accuracy=right / total,
        predictions=tuple(predictions),
        nlls=tuple(nll.tolist()),
    )


def _outputs(model: Recogniser, pixels: Tensor, device: torch.device) -> list[Tensor]:
    training = model.training
    model.eval()
    batches = torch.split(pixels, BATCH_SIZE)
    outputs = [model(batch.to(device).float().div_(255)) for batch in batches]
    model.train(training)
    return outputs


def _best_temperature(
    model: Recogniser, outputs: Sequence[Tensor], targets: Sequence[Tensor]
) -> float:
    """The temperature of the least NLL, by Brent's method over its logarithm.

    Source: Guo et al. 2017 (arXiv:1706.04599), temperature scaling.
    """

    def nll(log_temperature: float) -> float:
        scale = float(torch.tensor(log_temperature).exp())
        pairs = zip(outputs, targets, strict=True)
        return sum(float(model.nll(logits.float() / scale, t).sum()) for logits, t in pairs)

    low, high = torch.tensor(TEMPERATURES).log().tolist()
    found = minimize_scalar(nll, bounds=(low, high), method="bounded", options={"xatol": 1e-3})
    return float(torch.tensor(found.x).exp())


def _share_equal(predictions: Sequence[str], labels: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(predictions, labels, strict=True)) / len(labels)
