"""What a model reads in images: labels, and how sure it is of them."""

from dataclasses import dataclass
from math import exp

import torch
from torch import Tensor

from captcha_models.architectures.base import Recogniser
from captcha_models.training.evaluation import BATCH_SIZE


@dataclass(frozen=True)
class Reading:
    """One labelling of an image.

    Attributes:
        label: the text.
        confidence: p(label | image) in [0, 1] at the model's temperature, e to the minus NLL; for
            CTC the sum over all alignments, for classifiers the product over the positions.
    """

    label: str
    confidence: float


@torch.inference_mode()
def read_images(model: Recogniser, pixels: Tensor, n_best: int = 1) -> list[list[Reading]]:
    """Per image the most probable labels, best first.

    Args:
        model: in eval mode, on the device where it shall run.
        pixels: (N, C, H, W) uint8, on any device.
        n_best: at most so many per image; fewer where a beam holds fewer.
    """
    device = next(model.parameters()).device
    found: list[list[Reading]] = []
    for batch in torch.split(pixels, BATCH_SIZE) if len(pixels) else ():
        logits = model.tempered(model(batch.to(device).float().div_(255)))
        for hypotheses in model.read(logits, n_best):
            # Rounding may take a sum over alignments a little above 1.
            found.append(
                [Reading(model.charset.decode(h.ids), min(1.0, exp(h.log_prob)))
                 for h in hypotheses]
            )  # fmt: skip
    return found
