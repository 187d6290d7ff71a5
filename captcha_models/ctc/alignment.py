"""Most probable alignment of a known label: in which columns CTC sees each symbol."""

import torch
from torch import Tensor

from captcha_models.ctc.forward import NEVER, as_states


def align(log_probs: Tensor, targets: Tensor, target_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The middle of each symbol's steps on the most probable path that spells the label.

    Nothing waits for the device.

    Args:
        log_probs: (T, N, K) float32 or float64 log-softmax outputs; class 0 is the blank.
        targets: (N, L) class ids; beyond a row's length, anything.
        target_lengths: (N,) lengths in 1..L, on the same device.

    Returns:
        (N, L) steps, in 0..T-1, halves included; those beyond a row's length say nothing.
        (N,) the path's negative log-probability, in nats, at least that of the label; at least
        1e29 where T is too short for a label.

    Source: Viterbi's recursion over the states of Graves et al. 2006, section 4.1.
    """
    states, closed = as_states(targets, log_probs)
    num_steps, place = len(log_probs), torch.arange(states.shape[1], device=states.device)
    emitted = log_probs.gather(2, states.expand(num_steps, -1, -1)).clamp_min(NEVER)
    score = emitted[0] + torch.where(place < 2, 0.0, NEVER)
    came_by = []
    for step in emitted[1:]:
        before = torch.nn.functional.pad(score, (2, 0), value=NEVER)
        ways = torch.stack([score, before[:, 1:-1], before[:, :-2] + closed])
        score, way = ways.max(dim=0)
        score = score + step
        came_by.append(way)
    ends = 2 * target_lengths[:, None]
    last = torch.where((place == ends) | (place == ends - 1), score, 2 * NEVER)
    best, state = last.max(dim=1)
    path = [state]
    for way in reversed(came_by):
        before = path[-1] - way.gather(1, path[-1][:, None])[:, 0]
        path.append(before.clamp_min(0))  # Of equally impossible ways one may lead out.
    # (T, N) states to (N, L) middles of the steps spent in each symbol's state.
    walked = torch.stack(path[::-1])
    symbols = 2 * torch.arange(targets.shape[1], device=states.device) + 1
    spent = (walked[:, :, None] == symbols).to(log_probs.dtype)
    steps = torch.arange(num_steps, device=states.device, dtype=log_probs.dtype)
    # No product of matrices: mixed precision would round it to three digits.
    middles = (spent * steps[:, None, None]).sum(dim=0) / spent.sum(dim=0).clamp_min(1)
    return middles, -best
