"""CTC: the loss in nats per captcha, greedy and prefix-beam decoding.

Class 0 is the blank throughout. Shapes: N batch, T steps, K classes with blank, L label length.
"""

import math
from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from captcha_models.ctc.exact import Known, best_class, collapse, look, probability
from captcha_models.ctc.forward import forward_nll
from captcha_models.ctc.widening import Candidates, widen

_ROUGH, _SMALL = 1e-4, 1e-30
"""What float32 may lose of a probability computed without logarithms: a share, and the smallest."""


class Hypothesis(NamedTuple):
    """A labelling and how probable it is.

    Attributes:
        ids: class ids in 1..K-1, without blanks.
        log_prob: ln p(ids | image) in nats, over all alignments.
    """

    ids: tuple[int, ...]
    log_prob: float


def min_steps(targets: Tensor, target_lengths: Tensor | None = None) -> Tensor:
    """Fewest steps that can spell each label: its length plus its equal neighbours.

    Args:
        targets: (N, L) class ids; beyond a row's length, anything.
        target_lengths: (N,) lengths in 0..L; None when all rows have L symbols.

    Returns:
        (N,) int64. Two equal neighbours need a blank between them, hence the extra step.
    """
    batch, width = targets.shape
    if target_lengths is None:
        target_lengths = targets.new_full((batch,), width, dtype=torch.int64)
    inside = torch.arange(width, device=targets.device)[1:] < target_lengths[:, None]
    return target_lengths + ((targets[:, 1:] == targets[:, :-1]) & inside).sum(dim=1)


def nll_per_captcha(
    log_probs: Tensor, targets: Tensor, target_lengths: Tensor | None = None
) -> Tensor:
    """Negative log-likelihood of each label under CTC, in nats.

    Args:
        log_probs: (T, N, K) log-softmax outputs; class 0 is the blank. Half precision is summed
            in float32. The gradient is the right one for outputs of log_softmax only.
        targets: (N, L) class ids in 1..K-1; beyond a row's length, anything.
        target_lengths: (N,) lengths in 0..L; None when all rows have L symbols.

    Returns:
        (N,) -ln p(label | image), summed over all alignments; not divided by L, unlike
        `nn.CTCLoss(reduction="mean")`. Infinite only where an emission is -inf, or, on another
        device than the CPU, T is too short.

    Raises:
        ValueError: if the shapes disagree, or, on the CPU (another device would have to be waited
            for), a length or class id is out of range or T is too short for a label (`min_steps`).

    Source: Graves et al. 2006, section 4.1.
    """
    num_steps, batch, num_classes = _check_log_probs(log_probs)
    if targets.ndim != 2 or len(targets) != batch:
        raise ValueError(f"targets must be (N, L) with N = {batch}, got {tuple(targets.shape)}")
    width = targets.shape[1]
    lengths = target_lengths
    if lengths is None:
        lengths = torch.full((batch,), width, device=targets.device)
    elif lengths.shape != (batch,):
        raise ValueError(f"target_lengths must be ({batch},) with values in 0..{width}")
    if not batch:
        return log_probs.new_zeros(0)
    log_probs = _at_least_float32(log_probs)
    if log_probs.device.type != "cpu":
        return forward_nll(log_probs, targets, lengths)
    _check_targets(targets, lengths, num_steps, num_classes)
    steps = torch.full((batch,), num_steps)
    return F.ctc_loss(log_probs, targets, steps, lengths, reduction="none")


def _check_targets(targets: Tensor, lengths: Tensor, num_steps: int, num_classes: int) -> None:
    width = targets.shape[1]
    if ((lengths < 0) | (lengths > width)).any():
        raise ValueError(f"target_lengths must be ({len(lengths)},) with values in 0..{width}")
    inside = torch.arange(width) < lengths[:, None]
    wrong = inside & ((targets < 1) | (targets >= num_classes))
    if wrong.any():
        row = int(wrong.any(dim=1).nonzero()[0])
        raise ValueError(
            f"targets must hold class ids in 1..{num_classes - 1}, "
            f"got {targets[row].tolist()} in row {row}"
        )
    needed = min_steps(targets, lengths)
    if (needed > num_steps).any():
        row = int((needed > num_steps).nonzero()[0])
        raise ValueError(
            f"log_probs has T = {num_steps} steps, but the label in row {row} of targets "
            f"needs {int(needed[row])} (its length plus its equal neighbours)"
        )


def greedy_decode(log_probs: Tensor) -> list[list[int]]:
    """The labelling of the most probable alignment: best class per step, collapsed.

    Args:
        log_probs: (T, N, K) log-softmax outputs, or anything with the same order of classes.

    Returns:
        N lists of class ids in 1..K-1. Not always the most probable labelling: see `beam_decode`.

    Raises:
        ValueError: if `log_probs` is not (T, N, K) with T >= 1 and K >= 2.
    """
    _check_log_probs(log_probs)
    ids, lengths = collapse(best_class(log_probs.transpose(1, 2)))
    return [list(labelling) for labelling in _labellings(ids, lengths)]


@torch.no_grad()
def beam_decode(
    log_probs: Tensor, beam_width: int, n_best: int = 1, length: int | None = None
) -> list[list[Hypothesis]]:
    """The most probable labellings of each image, best first, by prefix beam search.

    With `n_best=1`, an image is searched only if a short cut cannot settle it: the exact
    probabilities of the greedy labelling and, failing that, of those that the second-best classes
    of the least sure steps spell. This is exact. Each alignment belongs to one labelling, so a
    labelling not looked at has at most the probability that the known ones leave over; one that
    has more than is left is the best of all.

    Other images are searched by beams of growing width until one settles them, the last as wide as
    the first of 1, 2, 5, 10, 25, 50, 100, ... that is at least W. All that these end with and the
    short cut's best labelling are candidates, scored anew by the forward recursion, for a beam may
    have lost alignments. So the answer is never less probable than the greedy labelling, a wider
    beam's never less than a narrower one's, and `n_best` does not change the first.

    Args:
        log_probs: (T, N, K) log-softmax outputs; class 0 is the blank; -inf allowed.
        beam_width: W, prefixes kept after each step, at least 1.
        n_best: hypotheses wanted per image, at least 1. Those that W does not bring come from a
            beam as wide as `n_best`; of these, one that outdoes the first is left out.
        length: return labellings of exactly this many symbols only; None for any length.

    Returns:
        N lists of up to `n_best` hypotheses; fewer where the beams hold fewer labellings with
        probability above zero. `log_prob` is the sum over all alignments.

    Raises:
        ValueError: if `log_probs` is not (T, N, K) with T >= 1 and K >= 2, holds a NaN or a value
            above 0; if `beam_width` or `n_best` is below 1; if T steps cannot hold `length`.

    Source: Hannun et al. 2014, arXiv 1408.2873; the rest is ours.
    """
    num_steps, batch, num_classes = _check_log_probs(log_probs)
    if batch and not bool(log_probs.amax() < 1e-2):  # bf16 may round a little above zero; NaN fails
        raise ValueError("log_probs must be log-probabilities: no NaN, none above 0")
    if beam_width < 1:
        raise ValueError(f"beam_width must be at least 1, got {beam_width}")
    if n_best < 1:
        raise ValueError(f"n_best must be at least 1, got {n_best}")
    longest = num_steps if num_classes > 2 else (num_steps + 1) // 2
    if length is not None and not 0 <= length <= longest:
        raise ValueError(
            f"length must be in 0..{longest} for T = {num_steps} steps and K = {num_classes} "
            f"classes, got {length}"
        )

    log_probs = _at_least_float32(log_probs)
    # On the CPU, exp2 is four times as quick as exp.
    probs = log_probs.transpose(1, 2).clone(memory_format=torch.contiguous_format)
    probs.mul_(1 / math.log(2)).exp2_()
    mass = probs.sum(dim=1).prod(dim=0)  # of all alignments: 1, up to rounding
    known = look(probs, mass, length)
    answers = _hypotheses(known.ids, known.lengths, known.probability.log())
    decoded = [[hypothesis] for hypothesis in answers]
    rows = (~known.settled).nonzero()[:, 0] if n_best == 1 else torch.arange(batch)
    for row in rows.tolist():
        decoded[row] = []
    if len(rows):
        rows = rows.to(log_probs.device)
        settled, ids, lengths, found = known
        known = Known(settled[rows], ids[:, rows], lengths[rows], found[rows])
        log_probs = log_probs.index_select(1, rows)
        candidates = widen(log_probs, mass[rows], known, beam_width, n_best, length)
        exact = _score(log_probs, probs.index_select(2, rows), candidates, n_best)
        log_prob, best = exact.sort(dim=1, descending=True, stable=True)
        log_prob, best = log_prob[:, :n_best], best[:, :n_best]
        column, rank = (log_prob > -torch.inf).nonzero(as_tuple=True)
        place = column, best[column, rank]
        answers = _hypotheses(
            candidates.ids[place].T, candidates.lengths[place], log_prob[column, rank]
        )
        for row, answer in zip(rows[column].tolist(), answers, strict=True):
            decoded[row].append(answer)
    return decoded


def _score(log_probs: Tensor, probs: Tensor, candidates: Candidates, n_best: int) -> Tensor:
    """(N, C) ln p of the candidates that may be among the best, -inf of all others."""
    ids, lengths, least, _, own = candidates
    # First roughly, without logarithms: several times as quick.
    chosen = _within_reach(candidates, n_best)
    sizes = lengths[chosen]
    labels = ids[chosen][:, : int(sizes.max()) if len(sizes) else 0]
    found = probability(probs, labels.T, sizes, chosen.nonzero()[:, 0])
    never = torch.full_like(least, -torch.inf)
    least = never.masked_scatter(chosen, found * (1 - _ROUGH))
    most = never.masked_scatter(chosen, found * (1 + _ROUGH) + _SMALL)
    chosen = _within_reach(Candidates(ids, lengths, least, most, own), n_best)
    image = chosen.nonzero()[:, 0]
    nll = nll_per_captcha(log_probs.index_select(1, image), ids[chosen], lengths[chosen])
    exact = never.masked_scatter(chosen, -nll)
    # More hypotheses than the beam is wide do not change the first.
    first = exact[:, :own].amax(dim=1, keepdim=True)
    exact[:, own:] = exact[:, own:].masked_fill(exact[:, own:] > first, -torch.inf)
    return exact


def _within_reach(candidates: Candidates, n_best: int) -> Tensor:
    """(N, C) which may be among the `n_best`, or the first of the beam width's own."""
    least, most, own = candidates.least, candidates.most, candidates.own
    enough = least.topk(n_best).values[:, -1:].minimum(least[:, :own].amax(dim=1, keepdim=True))
    return (most >= enough) & (most > -torch.inf)


def _check_log_probs(log_probs: Tensor) -> tuple[int, int, int]:
    if log_probs.ndim != 3 or log_probs.shape[0] < 1 or log_probs.shape[2] < 2:
        raise ValueError(
            f"log_probs must be (T, N, K) with T >= 1 and K >= 2, got {tuple(log_probs.shape)}"
        )
    num_steps, batch, num_classes = log_probs.shape
    return num_steps, batch, num_classes


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _hypotheses(ids: Tensor, lengths: Tensor, log_prob: Tensor) -> list[Hypothesis]:
    """One for each column of ids (L, N)."""
    pairs = zip(_labellings(ids, lengths), log_prob.tolist(), strict=True)
    # Without a call into Python for each, as `Hypothesis(...)` would be.
    return list(map(tuple.__new__, repeat(Hypothesis), pairs))


def _labellings(ids: Tensor, lengths: Tensor) -> list[tuple[int, ...]]:
    """The columns of ids (L, N), each cut to its length."""
    columns = zip(*ids.tolist(), strict=True) if len(ids) else repeat(())
    return [column[:n] for column, n in zip(columns, lengths.tolist(), strict=False)]
