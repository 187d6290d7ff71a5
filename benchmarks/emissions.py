"""Emissions to decode: 13 steps x 20 classes, flat or like those of a trained recogniser."""

from functools import partial

import torch
from torch import Tensor

STEPS, CLASSES, SYMBOLS = 13, 20, 5


def random_emissions(num: int, generator: torch.Generator) -> Tensor:
    """(T, num, K) log-softmax of standard normal logits."""
    return torch.randn(STEPS, num, CLASSES, generator=generator).log_softmax(dim=2)


def trained_like_emissions(num: int, generator: torch.Generator) -> Tensor:
    """(T, num, K) log-probabilities as of a recogniser that is nearly always right.

    Five symbols stand on random steps. The class of a step, symbol or blank, has a probability of
    1 - 10^-u with u uniform in 2..5, so above 0.99; the rest is spread over the others at random.
    A symbol spills into a blank step behind it: there blank and symbol are rivals with any shares
    (about three steps of 13), though the labelling stays the same. One step in a hundred has a true
    rival, another class with a share uniform in 0.05..0.5.
    """
    rand = partial(torch.rand, generator=generator)
    classes = torch.zeros(STEPS, num, dtype=torch.int64)
    places = rand(STEPS, num).argsort(dim=0)[:SYMBOLS]
    classes.scatter_(0, places, torch.randint(1, CLASSES, places.shape, generator=generator))

    before = classes.roll(1, dims=0)
    before[0] = 0
    spills = (classes == 0) & (before != 0)
    wrong = rand(STEPS, num) < 0.01
    others = (classes + torch.randint(1, CLASSES, classes.shape, generator=generator)) % CLASSES
    rivals = torch.where(wrong, others, before)
    shares = torch.where(wrong, 0.05 + 0.45 * rand(STEPS, num), rand(STEPS, num) * spills)

    left = 10 ** -(2 + 3 * rand(STEPS, num, 1))
    probs = left * torch.randn(STEPS, num, CLASSES, generator=generator).softmax(dim=2)
    for ids, share in ((classes, 1 - shares), (rivals, shares)):
        probs.scatter_add_(2, ids[..., None], share[..., None] * (1 - left))
    return probs.log().log_softmax(dim=2)
