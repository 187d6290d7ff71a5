"""Prefix beam search over CTC emissions, on tensors over the whole batch.

What is promised of the answers is said at `loss.beam_decode`, which asks exact.py first, whose
short cut often spares the search, and widening.py, which searches by beams of growing width.

Shapes: N batch, T steps, K classes with blank, L label length, W beam width.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from captcha_models.ctc.rows import first_equal, row_type

ROUNDING = 1e-4  # of probabilities up to 1 in float32; far more than some hundred steps lose

_NEVER = -torch.inf
_PAIRS_AT_ONCE = 2**22  # prefixes compared with prefixes at a time: bounds memory at large widths
_GROWTHS = 256  # in the place of those pairs where prefixes are sorted: bounds memory as well


class Ranking(NamedTuple):
    """The classes of every step, most probable first, without the blank.

    Attributes:
        log_prob: (T, N, S) of the S best.
        classes: (T, N, S) in 1..K-1.
        ranks: (T, N, K) of each class, from 0; S for the blank and the others.
    """

    log_prob: Tensor
    classes: Tensor
    ranks: Tensor

    @classmethod
    def of(cls, log_probs: Tensor, beam_width: int) -> "Ranking":
        """As many of (T, N, K) as a beam of that width, or a narrower one, can need."""
        num = min(log_probs.shape[2] - 1, beam_width + 1)
        log_prob, classes = log_probs[..., 1:].topk(num)
        ranks = torch.full(log_probs.shape, num, device=log_probs.device)
        order = torch.arange(num, device=log_probs.device).expand_as(classes)
        return cls(log_prob, classes + 1, ranks.scatter_(2, classes + 1, order))

    def rows(self, rows: Tensor | slice) -> "Ranking":
        """Of these images alone."""
        return Ranking(*(x[:, rows] for x in self))


def prefix_beam(
    log_probs: Tensor,
    beam_width: int,
    length: int | None = None,
    ranking: Ranking | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The labellings that a prefix beam search is left with.

    Each step keeps the W best prefixes, each with the log-probability of the alignments that end
    in a blank and of those that end in its last symbol; a prefix reached in two ways is one entry.

    Args:
        log_probs: (T, N, K) float32 or float64; class 0 is the blank; -inf allowed.
        beam_width: W, at least 1.
        length: keep labellings of exactly this many symbols, and drop a prefix as soon as the
            steps left cannot complete it. None: any length.
        ranking: of these log-probabilities, for a beam at least so wide, where there is one.

    Returns:
        ids (N, W, T or `length`) padded with 0, lengths (N, W) and scores (N, W), best first. A
        score is ln p of the alignments the beam kept, a lower bound; -inf marks an unused place.

    Source: Hannun et al. 2014, arXiv 1408.2873, algorithm 1, without the language model.
    """
    ranking = ranking or Ranking.of(log_probs, beam_width)
    num = max(1, _PAIRS_AT_ONCE // (beam_width * min(beam_width, _GROWTHS)))
    places = [slice(start, start + num) for start in range(0, log_probs.shape[1], num)]
    parts = [_search(log_probs[:, at], ranking.rows(at), beam_width, length) for at in places]
    ids, lengths, scores = zip(*parts, strict=True)
    return torch.cat(ids), torch.cat(lengths), torch.cat(scores)


def _search(
    log_probs: Tensor, ranking: Ranking, width: int, length: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    num_steps, batch, num_classes = log_probs.shape
    device = log_probs.device
    origin, pair_rank, pair_of = _pairs(width, ranking.log_prob.shape[2], device)
    pair_log_prob = ranking.log_prob.index_select(2, pair_rank)
    pair_class = ranking.classes.index_select(2, pair_rank)
    origin = origin.expand(batch, -1)

    symbol_type, words = row_type(num_classes, length or num_steps)
    prefixes = torch.zeros(batch, width, words, dtype=torch.int64, device=device)
    parents = torch.full_like(prefixes, -1)  # the empty prefix has none
    last = torch.zeros(batch, width, dtype=torch.int64, device=device)
    lengths = torch.zeros_like(last)
    ends_blank = log_probs.new_full((batch, width), _NEVER)
    ends_blank[:, 0] = 0.0
    ends_symbol = torch.full_like(ends_blank, _NEVER)
    total = ends_blank
    places = torch.arange(width, device=device).expand(batch, -1)
    # With one symbol besides the blank, every further symbol is a repeat and needs a blank before.
    spacing = 1 if num_classes > 2 else 2

    for step, emission in enumerate(log_probs):
        at_last = emission.gather(1, last)

        # A prefix whose parent is in the beam too also receives what the parent grows into.
        found, parent = first_equal(parents, prefixes)
        found &= total > _NEVER
        grows_from = torch.where(
            last == last.gather(1, parent), ends_blank.gather(1, parent), total.gather(1, parent)
        )
        grown = (grows_from + at_last).masked_fill(~found, _NEVER)
        stay_blank = total + emission[:, :1]
        stay_symbol = torch.logaddexp(ends_symbol + at_last, grown)
        stay = torch.logaddexp(stay_blank, stay_symbol)

        # All other growth makes new prefixes; a repeated symbol must follow a blank.
        repeats = pair_class[step] == last.gather(1, origin)
        base = torch.where(repeats, ends_blank.gather(1, origin), total.gather(1, origin))
        grow = base + pair_log_prob[step]
        merged = pair_of[parent, ranking.ranks[step].gather(1, last)]
        grow.scatter_(1, merged.masked_fill(~found, origin.shape[1] - 1), _NEVER)
        grow[:, -1] = _NEVER
        if length is not None:
            short = spacing * (length - lengths) - (spacing - 1) > num_steps - 1 - step
            stay, stay_blank, stay_symbol = (  # all three, lest a dropped prefix grow after all
                x.masked_fill(short, _NEVER) for x in (stay, stay_blank, stay_symbol)
            )
            grow = grow.masked_fill((lengths == length).gather(1, origin), _NEVER)

        total, pick = torch.cat([stay, grow], dim=1).topk(width)
        if length is not None:
            # `_pairs` counts on prefixes that can grow, so the complete ones go last.
            complete = torch.cat([lengths, lengths.gather(1, origin) + 1], dim=1) == length
            order = complete.gather(1, pick).byte().argsort(dim=1, stable=True)
            total, pick = total.gather(1, order), pick.gather(1, order)

        grew = pick >= width
        source = torch.cat([places, origin], dim=1).gather(1, pick)
        ends_blank = stay_blank.gather(1, source).masked_fill(grew, _NEVER)
        ends_symbol = torch.where(grew, total, stay_symbol.gather(1, source))
        last = torch.cat([last, pair_class[step]], dim=1).gather(1, pick)
        lengths = lengths.gather(1, source) + grew
        source = source[..., None].expand_as(prefixes)
        prefixes = prefixes.gather(1, source)
        parents = torch.where(grew[..., None], prefixes, parents.gather(1, source))
        symbols = prefixes.view(symbol_type)
        end = (lengths - 1).clamp(0, symbols.shape[2] - 1)  # unused places outgrow a short length
        symbols.scatter_(2, end[..., None], last[..., None].to(symbol_type))

    scores, best = total.sort(dim=1, descending=True)
    ids = prefixes.gather(1, best[..., None].expand(-1, -1, words)).view(symbol_type).long()
    ids = ids[..., : length or num_steps]
    return ids, lengths.gather(1, best), scores


def _pairs(width: int, num_ranks: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The growths (prefix rank, class rank) that can be among the W best candidates of a step.

    With prefixes and classes in falling order, ranks from 0, the pair (r, s) is outdone by every
    pair (r' <= r, s' <= s), save at most one repeated symbol in each of those r + 1 prefixes, and
    so by (r + 1) * s - 1 others. (One that merges into its prefix in the beam is outdone by that
    prefix instead.) Where these are W or more, leaving the pair out changes no result.

    Returns:
        The prefix ranks (P,), the class ranks (P,), and the number of a pair by its two ranks
        (W, S + 1), of S class ranks. The last of the P pairs is none: it stands for all left out.
    """
    rank = torch.arange(num_ranks, device=device)
    keep = torch.arange(1, width + 1, device=device)[:, None] * rank <= width
    prefix_rank, class_rank = torch.nn.functional.pad(keep.nonzero(), (0, 0, 0, 1)).unbind(1)
    pair_of = torch.full((width, num_ranks + 1), len(prefix_rank) - 1, device=device)
    pair_of[:, :-1][keep] = torch.arange(len(prefix_rank) - 1, device=device)
    return prefix_rank, class_rank, pair_of
