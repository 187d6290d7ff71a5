"""Beams of growing width, so that a wider one is never worse.

A wider prefix beam may end with less probable labellings: what it keeps besides pushes out, or
takes alignments from, what a narrower one would have led to. Here the candidates of a width contain
those of every smaller width, so the best of them, scored exactly, can only gain. Searching at every
width up to W would cost W / 2 times as much as searching at W; the widths of a ladder, each about
twice the one before, cost twice as much, and W counts as the next rung.

Shapes: N batch, T steps, K classes with blank, L label length, C candidates.
"""

from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from captcha_models.ctc.beam import ROUNDING, Ranking, prefix_beam
from captcha_models.ctc.exact import Known
from captcha_models.ctc.rows import first_equal, row_type


class Candidates(NamedTuple):
    """Labellings of each image, none of them twice.

    Attributes:
        ids: (N, C, L) padded with 0.
        lengths: (N, C).
        least: (N, C) probabilities of the alignments known to spell them; -inf: no candidate.
        most: (N, C) probabilities that theirs cannot exceed; -inf: no candidate.
        own: the first of them, which the beam width brings; the others are runners-up alone.
    """

    ids: Tensor
    lengths: Tensor
    least: Tensor
    most: Tensor
    own: int


def rungs(width: int) -> list[int]:
    """Widths 1, 2, 5, 10, 25, 50, 100, ... up to the first that is at least `width`."""
    every = (step * 10**power // 10 for power in count() for step in (10, 25, 50))
    found = [next(every)]
    while found[-1] < width:
        found.append(next(every))
    return found


def widen(
    log_probs: Tensor,
    mass: Tensor,
    known: Known,
    width: int,
    n_best: int = 1,
    length: int | None = None,
) -> Candidates:
    """Those that are known, and those that beams of the widths up to W end with.

    An image is searched until its most probable labelling must be among the candidates: where one
    has more than all labellings not found can have together. For more than one labelling it is
    searched at the last width in any case.

    Args:
        log_probs: (T, N, K) float32 or float64; class 0 is the blank; -inf allowed.
        mass: (N,) probability of all alignments together.
        known: one labelling of each image; one that is settled is the most probable of all.
        width: W, at least 1.
        n_best: labellings wanted; where W is less, a beam as wide as that adds runners-up.
        length: labellings of exactly this many symbols only; None for any length.
    """
    num_steps, batch, num_classes = log_probs.shape
    widths = rungs(width)
    own = 1 + sum(widths)
    if n_best > widths[-1]:
        widths.append(n_best)
    ids = known.ids.new_zeros(batch, 1 + sum(widths), length or num_steps)
    lengths = torch.zeros_like(ids[..., 0])
    least = log_probs.new_full(lengths.shape, -torch.inf)
    most = least.clone()

    longest = min(len(known.ids), ids.shape[2])
    ids[:, 0, :longest], lengths[:, 0] = known.ids[:longest].T, known.lengths
    fits = torch.ones_like(known.settled) if length is None else known.lengths == length
    least[:, 0] = known.probability.where(fits, -torch.inf)
    most[:, 0] = least[:, 0] + ROUNDING
    ranking = Ranking.of(log_probs, widths[-1])
    unsure, end = ~known.settled, 1
    for beam_width in widths:
        place, end = slice(end, end + beam_width), end + beam_width
        if n_best > 1 and beam_width == widths[-1]:
            unsure = torch.ones_like(unsure)
        rows = unsure.nonzero()[:, 0]
        if not len(rows):
            continue
        ids[rows, place], lengths[rows, place], scores = prefix_beam(
            log_probs[:, rows], beam_width, length, ranking.rows(rows)
        )
        kept = scores.exp()
        lost = (mass[rows] - kept.sum(dim=1)).clamp_min(ROUNDING)
        unused = scores == -torch.inf
        least[rows, place] = kept.masked_fill(unused, -torch.inf)
        most[rows, place] = (kept + lost[:, None]).masked_fill(unused, -torch.inf)
        unsure[rows] = kept[:, 0] <= lost + ROUNDING

    once = _once(ids, least > -torch.inf, num_classes)
    least, most = (x.masked_fill(~once, -torch.inf) for x in (least, most))
    return Candidates(ids, lengths, least, most, own)


def _once(ids: Tensor, used: Tensor, num_classes: int) -> Tensor:
    """Which labellings (N, C, L) are no earlier one in use."""
    symbol_type, words = row_type(num_classes, ids.shape[2])
    rows = ids.new_zeros(*ids.shape[:2], words)
    rows.view(symbol_type)[..., : ids.shape[2]] = ids
    # What is not in use is no row that another can equal.
    _, first = first_equal(rows, rows.masked_fill(~used[..., None], -1))
    return first == torch.arange(ids.shape[1], device=ids.device)
