"""CTC's forward recursion in plain tensor operations, for devices that should not be waited for.

torch's own loss reads the labels' lengths on the host, which stops a GPU at every training step
until it has caught up. Here nothing depends on a value, so that steps can be queued, or captured in
a graph, loss included. On the CPU torch's own is the quicker one.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from captcha_models.charset import BLANK

NEVER = -1e30
"""For -inf, whose differences would be no numbers in the gradient."""


def forward_nll(log_probs: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Negative log-likelihood of each label under CTC, in nats.

    Args:
        log_probs: (T, N, K) float32 or float64 log-softmax outputs; class 0 is the blank.
        targets: (N, L) class ids; beyond a row's length, anything.
        target_lengths: (N,) lengths in 0..L, on the same device.

    Returns:
        (N,) -ln p(label | image); infinite where T is too short for a label.

    Source: Graves et al. 2006, section 4.1, equations 5 to 8.
    """
    states, closed = as_states(targets, log_probs)
    emitted = log_probs.gather(2, states.expand(len(log_probs), -1, -1)).clamp_min(NEVER)
    place = torch.arange(states.shape[1], device=states.device)
    alpha = emitted[0] + torch.where(place < 2, 0.0, NEVER)
    for step in emitted[1:]:
        before = F.pad(alpha, (2, 0), value=NEVER)
        ways = torch.stack([alpha, before[:, 1:-1], before[:, :-2] + closed])
        alpha = ways.logsumexp(dim=0) + step
    # It ends in the last symbol or in the blank after it; an empty label has only the blank.
    ends = 2 * target_lengths[:, None]
    ending = (place == ends) | (place == ends - 1)
    total = alpha.masked_fill(~ending, NEVER).logsumexp(dim=1)
    return torch.where(total < NEVER / 2, torch.inf, -total)


def as_states(targets: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """What a path through a label walks along.

    Args:
        targets: (N, L) class ids.
        log_probs: (T, N, K), for K and the kind of number.

    Returns:
        (N, S) class ids with blanks around and between the symbols, S = 2 L + 1.
        (N, S) 0 where a state can be entered from the one before the one before it, because both
        are symbols and differ; else NEVER.
    """
    targets = targets.clamp(0, log_probs.shape[2] - 1)
    states = F.pad(targets[:, :, None], (1, 0), value=BLANK).flatten(1)
    states = F.pad(states, (0, 1), value=BLANK)
    skips = torch.zeros_like(states, dtype=torch.bool)
    skips[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    return states, log_probs.new_zeros(states.shape).masked_fill(~skips, NEVER)
