"""Exact decoding without a search, where the probabilities of a few labellings settle it.

Tensors keep the batch last: torch then works on whole rows of images at once, also where it takes
a maximum or a sum over classes, several times as quick on the CPU as over a last dimension.

Shapes: N batch, T steps, K classes with blank, L label length.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from captcha_models.ctc.beam import ROUNDING

SWITCHES = 4  # unsure steps that `look` varies; few images are left, and 5 costs twice


class Known(NamedTuple):
    """One labelling of each image.

    Attributes:
        settled: (N,) whether no labelling is more probable.
        ids: (L, N) padded with 0.
        lengths: (N,).
        probability: (N,), over all alignments; 0 where it has not the length wanted.
    """

    settled: Tensor
    ids: Tensor
    lengths: Tensor
    probability: Tensor


def look(probs: Tensor, mass: Tensor, length: int | None = None) -> Known:
    """`settle` by the greedy labelling alone, then with switches where these may help."""
    known = settle(probs, mass, 0, length)
    # 2**s labellings of which the best has more than they leave have one of at least this.
    hopeful = (~known.settled & (known.probability > 1 / (2**SWITCHES + 1))).nonzero()[:, 0]
    if not len(hopeful):
        return known
    again = settle(probs.index_select(2, hopeful), mass[hopeful], min(SWITCHES, len(probs)), length)
    ids, others = known.ids, again.ids
    if longer := len(others) - len(ids):
        ids = F.pad(ids, (0, 0, 0, max(0, longer)))
        others = F.pad(others, (0, 0, 0, max(0, -longer)))
    return Known(
        known.settled.index_copy_(0, hopeful, again.settled),
        ids.index_copy_(1, hopeful, others),
        known.lengths.index_copy_(0, hopeful, again.lengths),
        known.probability.index_copy_(0, hopeful, again.probability),
    )


def settle(probs: Tensor, mass: Tensor, switches: int, length: int | None = None) -> Known:
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
        The best of those looked at, settled or not.
    """
    num_steps, _, batch = probs.shape
    if not switches:
        ids, lengths = collapse(best_class(probs))
        best = probability(probs, ids, lengths)
        left = mass - best
        if length is not None:
            best = best.masked_fill(lengths != length, 0.0)
        return Known(best > left + ROUNDING, ids, lengths, best)

    (first, second), (greedy, other) = (pair.unbind(1) for pair in probs.topk(2, dim=1))
    steps = (second / first).topk(switches, dim=0).indices
    tried = torch.arange(2**switches, device=steps.device)
    bits = (tried & 2 ** torch.arange(switches, device=steps.device)[:, None]) != 0
    switched = bits.new_zeros(num_steps, batch, len(tried)).scatter_(
        0, steps[..., None].expand(-1, -1, len(tried)), bits[:, None].expand(-1, batch, -1)
    )
    ids, lengths = collapse(torch.where(switched, other[..., None], greedy[..., None]).flatten(1))
    rows = torch.arange(batch, device=ids.device)
    columns = rows.repeat_interleave(len(tried))
    found = probability(probs, ids, lengths, columns).view(batch, -1)
    ids, lengths = ids.view(-1, batch, len(tried)), lengths.view(batch, -1)
    same = (ids[..., None] == ids[:, :, None]).all(dim=0)
    found = found.masked_fill(same.tril(-1).any(dim=2), 0.0)
    left = mass - found.sum(dim=1)
    if length is not None:
        found = found.masked_fill(lengths != length, 0.0)
    best, which = found.max(dim=1)
    return Known(best > left + ROUNDING, ids[:, rows, which], lengths[rows, which], best)


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


def probability(
    probs: Tensor, ids: Tensor, lengths: Tensor, columns: Tensor | None = None
) -> Tensor:
    """p(ids | image), by the forward recursion without logarithms.

    Several times as quick as with them; what underflows is too small to settle anything.

    Args:
        probs: (T, K, N) class probabilities.
        ids: (L, M) padded with 0.
        lengths: (M,).
        columns: (M,) the image of each labelling; None where M = N and each has one.

    Returns:
        (M,) probabilities.
    """
    num_steps, _, batch = probs.shape
    blanks = probs[:, 0]
    if columns is None:
        columns = torch.arange(batch, device=ids.device)
    else:
        blanks = blanks.index_select(1, columns)
    symbols = probs.flatten(1).index_select(1, (ids * batch + columns).flatten())
    symbols = symbols.view(num_steps, *ids.shape)
    differs = (ids[1:] != ids[:-1]).to(probs.dtype)
    # The alignments so far that end in a blank, in the first symbol, in the blank after it, ...;
    # two rows of zeros come first, so that every state finds the two before it.
    states = probs.new_zeros(2, 2 * len(ids) + 3, ids.shape[1])
    states[0, 2] = 1.0
    views = [(x[2:], x[1:-1], x[3:-2:2], x[2::2], x[3::2], x[5::2]) for x in states]
    for step, (blank, symbol) in enumerate(zip(blanks, symbols, strict=True)):
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
