"""Exact decoding without a search, where the probabilities of a few labellings settle it.

Tensors keep the batch last: torch then works on whole rows of images at once, also where it takes
a maximum or a sum over classes, several times as quick on the CPU as over a last dimension.

Shapes: N batch, T steps, K classes with blank, L label length.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from captcha_models.ctc.beam import ROUNDING


def settle(
    probs: Tensor, mass: Tensor, switches: int, length: int | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The most probable labelling of each image that a look at a few labellings can settle.

    Looked at are the labellings of the greedy alignment and of those in which any of the
    `switches` least sure steps take their second-best class. The best of them is the best of all
    if it has more than these together leave over, since no other labelling can have more.

    Args:
        probs: (T, K, N) class probabilities, float32 or float64.
        mass: (N,) probability of all alignments together.
        switches: steps to vary, 0..T; 2**switches labellings are looked at.
        length: labellings of exactly this many symbols only; None for any length.

    Returns:
        Whether an image is settled (N,), and, where it is, ids (L, N) padded with 0, lengths (N,)
        and probabilities (N,).
    """
    num_steps, _, batch = probs.shape
    if not switches:
        ids, lengths = collapse(best_class(probs))
        best = probability(probs, ids, lengths)
        left = mass - best
        if length is not None:
            best = best.masked_fill(lengths != length, 0.0)
        return best > left + ROUNDING, ids, lengths, best

    (first, second), (greedy, other) = (pair.unbind(1) for pair in probs.topk(2, dim=1))
    steps = (second / first).topk(switches, dim=0).indices
    tried = torch.arange(2**switches, device=steps.device)
    bits = (tried & 2 ** torch.arange(switches, device=steps.device)[:, None]) != 0
    switched = bits.new_zeros(num_steps, batch, len(tried)).scatter_(
        0, steps[..., None].expand(-1, -1, len(tried)), bits[:, None].expand(-1, batch, -1)
    )
    ids, lengths = collapse(torch.where(switched, other[..., None], greedy[..., None]).flatten(1))
    repeated = probs[..., None].expand(-1, -1, -1, len(tried)).flatten(2)
    found = probability(repeated, ids, lengths).view(batch, -1)
    ids, lengths = ids.view(-1, batch, len(tried)), lengths.view(batch, -1)
    same = (ids[..., None] == ids[:, :, None]).all(dim=0)
    found = found.masked_fill(same.tril(-1).any(dim=2), 0.0)
    left = mass - found.sum(dim=1)
    if length is not None:
        found = found.masked_fill(lengths != length, 0.0)
    best, which = found.max(dim=1)
    rows = torch.arange(batch, device=ids.device)
    return best > left + ROUNDING, ids[:, rows, which], lengths[rows, which], best


def best_class(scores: Tensor) -> Tensor:
    """The first class of the highest score at each step: (T, N) for scores (T, K, N)."""
    if scores.device.type != "cpu":
        return scores.argmax(dim=1)
    # On the CPU, argmax looks at one number after the other, but pooling over a column at many
    # columns together: about ten times as quick.
    if not scores.numel():
        return scores.new_zeros(scores.shape[0], 0, dtype=torch.int64)
    columns = scores.contiguous()[:, :, None].permute(0, 3, 1, 2)  # (T, N, K, 1), channels last
    _, classes = F.max_pool2d(columns, (scores.shape[1], 1), return_indices=True)
    return classes[..., 0, 0]


def collapse(paths: Tensor) -> tuple[Tensor, Tensor]:
    """What alignments (T, N) spell: ids (L, N) padded with 0, and their lengths (N,)."""
    symbol = paths != 0
    starts = symbol.clone()
    starts[1:] &= paths[1:] != paths[:-1]
    place = starts.cumsum(dim=0)
    lengths = place[-1]
    width = int(lengths.max()) if len(lengths) else 0
    # Row 0 takes the blanks. Steps of one run write the same symbol to the same place.
    ids = paths.new_zeros(width + 1, paths.shape[1]).scatter_(0, place * symbol, paths)
    return ids[1:], lengths


def probability(probs: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
    """(N,) p(ids | image) for probs (T, K, N), by the forward recursion without logarithms.

    Quicker than with them; what underflows is too small to settle anything.
    """
    num_steps, _, batch = probs.shape
    columns = torch.arange(batch, device=ids.device)
    symbols = probs.flatten(1).index_select(1, (ids * batch + columns).flatten())
    symbols = symbols.view(num_steps, len(ids), batch)
    differs = (ids[1:] != ids[:-1]).to(probs.dtype)
    # The alignments so far that end in a blank, in the first symbol, in the blank after it, ...;
    # two rows of zeros come first, so that every state finds the two before it.
    states = probs.new_zeros(2, 2 * len(ids) + 3, batch)
    states[0, 2] = 1.0
    views = [(x[2:], x[1:-1], x[3:-2:2], x[2::2], x[3::2], x[5::2]) for x in states]
    for step, (blank, symbol) in enumerate(zip(probs[:, 0], symbols, strict=True)):
        (stay, move, skip, *_), (new, *_, in_blank, in_symbol, skipped) = (
            views[step % 2],
            views[1 - step % 2],
        )
        torch.add(stay, move, out=new)
        skipped.addcmul_(skip, differs)
        in_blank.mul_(blank)
        in_symbol.mul_(symbol)
    ends = torch.stack([2 * lengths + 1, 2 * lengths + 2])
    return states[num_steps % 2].gather(0, ends).sum(dim=0)
