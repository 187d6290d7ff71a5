"""Averaged weights: what is scored and saved is a mean over the last steps, not the last one."""

from copy import deepcopy

import torch
from fastai.callback.core import Callback
from torch.optim.swa_utils import get_ema_multi_avg_fn

from captcha_models.architectures.base import Recogniser


class AveragedWeights(Callback):  # type: ignore[misc]  # fastai is untyped
    """An exponential moving average of the parameters and of the normalisation statistics.

    Its memory grows with the steps taken, up to the decay's, so that the first, random weights are
    forgotten soon. The statistics of the last step's weights would not fit the average; averaged
    alike they do. Computing them anew from a few batches before each scoring, as is done after a
    whole training, costs more and is noisier: RESULTS.md.

    Args:
        model: the one that is trained; the average starts as a copy of it.
        decay: share of the average that a step leaves, below 1.

    Attributes:
        average: the averaged model.
        steps: taken in so far.

    Source: Polyak and Juditsky 1992; of statistics, Cai et al. 2021 (arXiv:2101.08482).
    """

    order = 60

    def __init__(self, model: Recogniser, decay: float) -> None:
        self.live, self.average = model, deepcopy(model).requires_grad_(False)
        self.decay = decay
        self.steps = 0

    def after_batch(self) -> None:
        """Take the step's weights in."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        mix = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        mix(_averaged(self.average), _averaged(self.live), self.steps)


def _averaged(model: Recogniser) -> list[torch.Tensor]:
    """Parameters and running statistics; the counts of batches beside these are whole numbers."""
    statistics = [buffer for name, buffer in model.named_buffers() if ".running_" in name]
    return [*model.parameters(), *statistics]
