"""Score a recogniser on images: eval mode, no augmentation, large batches."""

from collections.abc import Sequence

import torch
from torch import Tensor

from captcha_models.architectures._contract import Recogniser
from captcha_models.metrics import Scores, char_matches

BATCH_SIZE = 128


@torch.inference_mode()
def evaluate(
    model: Recogniser, pixels: Tensor, labels: Sequence[str], *, search: bool = True
) -> Scores:
    """How well a model reads labelled images; the model's mode is left as it was.

    Args:
        model: on the device where it shall run.
        pixels: (N, C, H, W) uint8, on any device.
        labels: N texts over the model's alphabet.
        search: decode with beam search too; without it, accuracies are the greedy ones.

    Raises:
        InputError: a label with a symbol outside the alphabet.
    """
    device = next(model.parameters()).device
    targets = torch.from_numpy(model.charset.encode(labels)).to(device)
    loss = torch.zeros((), device=device)
    nlls, beam, greedy = [], [], []
    training = model.training
    model.eval()
    for start in range(0, len(labels), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        images = pixels[rows].to(device).float().div_(255)
        logits = model(images)
        loss += model.loss(logits, targets[rows]) * len(images)
        nlls.append(model.nll(logits, targets[rows]))
        greedy += [model.charset.decode(ids) for ids in model.read_greedily(logits)]
        if search:
            beam += [model.charset.decode(best[0].ids) for best in model.read(logits)]
    model.train(training)
    predictions = beam if search else greedy
    right, total = char_matches(predictions, labels)
    nll = torch.cat(nlls).double()
    return Scores(
        num_images=len(labels),
        loss=float(loss) / len(labels),
        nll=float(nll.mean()),
        captcha_accuracy=_share_equal(predictions, labels),
        captcha_accuracy_greedy=_share_equal(greedy, labels),
        char_accuracy=right / total,
        predictions=tuple(predictions),
        nlls=tuple(nll.tolist()),
    )


def _share_equal(predictions: Sequence[str], labels: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(predictions, labels, strict=True)) / len(labels)
