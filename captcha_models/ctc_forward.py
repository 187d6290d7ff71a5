"""CTC's forward recursion in plain tensor operations, for devices that should not be waited for.

torch's own loss reads the labels' lengths on the host, which stops a GPU at every training step
until it has caught up. Here nothing depends on a value, so that steps can be queued, or captured in
a graph, loss included. On the CPU torch's own is the quicker one.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from captcha_models.charset import BLANK

_NEVER = -1e30
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
    width = targets.shape[1]
    targets = targets.clamp(0, log_probs.shape[2] - 1)
    # Blanks around and between the symbols: (N, S), S = 2 L + 1.
    states = F.pad(targets[:, :, None], (1, 0), value=BLANK).flatten(1)
    states = F.pad(states, (0, 1), value=BLANK)
    # A symbol can follow the symbol before it at once, if that is another one.
    skips = torch.zeros_like(states, dtype=torch.bool)
    skips[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    closed = log_probs.new_zeros(states.shape).masked_fill(~skips, _NEVER)
    emitted = log_probs.gather(2, states.expand(len(log_probs), -1, -1)).clamp_min(_NEVER)
    place = torch.arange(2 * width + 1, device=targets.device)
    alpha = emitted[0] + torch.where(place < 2, 0.0, _NEVER)
    for step in emitted[1:]:
        before = F.pad(alpha, (2, 0), value=_NEVER)
        ways = torch.stack([alpha, before[:, 1:-1], before[:, :-2] + closed])
        alpha = ways.logsumexp(dim=0) + step
    # It ends in the last symbol or in the blank after it; an empty label has only the blank.
    ends = 2 * target_lengths[:, None]
    ending = (place == ends) | (place == ends - 1)
    total = alpha.masked_fill(~ending, _NEVER).logsumexp(dim=1)
    return torch.where(total < _NEVER / 2, torch.inf, -total)
