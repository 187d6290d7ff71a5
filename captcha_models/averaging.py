"""Averaged weights: what is scored and saved is a mean over the last steps, not the last one."""

from copy import deepcopy
from itertools import islice

import torch
from fastai.callback.core import Callback
from torch.optim.swa_utils import update_bn

from captcha_models.architectures._contract import Recogniser

NUM_BATCHES = 8
"""So many training batches give an averaged model its normalisation statistics."""


class AveragedWeights(Callback):  # type: ignore[misc]  # fastai is untyped
    """An exponential moving average of the parameters.

    Its memory grows with the steps taken, up to the decay's, so that the first, random weights are
    forgotten soon. Normalisation layers get their statistics anew before the model is scored, for
    those of the last step's weights would not fit.

    Args:
        model: the one that is trained; the average starts as a copy of it.
        decay: share of the average that a step leaves, below 1.

    Attributes:
        average: the averaged model.
        steps: taken in so far.

    Source: Polyak and Juditsky 1992; statistics as in Izmailov et al. 2018 (arXiv:1803.05407).
    """

    order = 60

    def __init__(self, model: Recogniser, decay: float) -> None:
        self.average = deepcopy(model).requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def after_batch(self) -> None:
        """Take the step's weights in."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        torch._foreach_lerp_(
            list(self.average.parameters()), list(self.model.parameters()), 1 - decay
        )

    def refresh(self) -> None:
        """Give the averaged model the statistics of its own activations; draws from chance."""
        batches = (images for images, _ in islice(self.dls.train, NUM_BATCHES))
        with self.learn.precision:  # As it was trained.
            update_bn(batches, self.average)
