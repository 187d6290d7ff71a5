"""What `beam_decode` promises of its first answer, against full enumeration of all alignments.

It is never less probable than the greedy labelling; a wider beam's is never less probable than a
narrower one's; asking for more hypotheses does not change it.
"""

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from captcha_models.ctc.loss import Hypothesis, beam_decode, greedy_decode, nll_per_captcha
from captcha_models.ctc.widening import rungs
from tests.reference import Labelling, all_paths, emissions

few = settings(derandomize=True, max_examples=25, deadline=None, database=None)
seeds = st.integers(0, 10_000)
WIDTHS = (1, 2, 3, 6)
IMAGES = 30


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, int | None]:
    """Emissions small enough to enumerate, and a length or none.

    Flat to sharp; of two classes or more; with runs and returns of one symbol; with equal
    probabilities, where only the order of the candidates decides; with classes that cannot be.
    """
    seed, sharp = draw(seeds), draw(st.sampled_from([0.5, 1.0, 2.0, 4.0]))
    steps, classes = draw(st.sampled_from([(8, 2), (7, 3), (6, 4), (1, 4)]))
    log_probs = emissions(seed, steps, IMAGES, classes, sharp)
    generator = torch.Generator().manual_seed(seed)
    kind = draw(st.sampled_from(["plain", "repeated", "equal", "impossible"]))
    if kind == "repeated":
        log_probs[..., 0] += 1.0
        log_probs[..., 1] += 1.5
    elif kind == "equal":
        log_probs = log_probs.round()
    elif kind == "impossible":
        never = torch.rand(log_probs.shape, generator=generator) < 0.4
        never[torch.arange(steps), :, torch.randint(classes, (steps,), generator=generator)] = False
        log_probs = log_probs.masked_fill(never, -math.inf)
    longest = steps if classes > 2 else (steps + 1) // 2
    return log_probs.log_softmax(dim=2), draw(st.none() | st.integers(0, longest))


def tables(log_probs: Tensor, length: int | None) -> Iterator[dict[Labelling, float]]:
    """Of each image every labelling that is possible, with its score."""
    steps, _, classes = log_probs.shape
    for table in all_paths(steps, classes).table(log_probs.numpy()):
        yield {
            label: score
            for label, score in table.items()
            if score > -math.inf and length in (None, len(label))
        }


@few
@given(cases())
def test_never_below_greedy_and_wider_is_never_worse(case: tuple[Tensor, int | None]) -> None:
    log_probs, length = case
    by_width = [beam_decode(log_probs, width, length=length) for width in WIDTHS]
    greedy = greedy_decode(log_probs)
    for image, table in enumerate(tables(log_probs, length)):
        least = table.get(tuple(greedy[image]), -math.inf)
        for found in (answers[image] for answers in by_width):
            for hypothesis in found:
                assert hypothesis.log_prob == pytest.approx(table[hypothesis.ids], abs=1e-5)
            score = max((table[hypothesis.ids] for hypothesis in found), default=-math.inf)
            assert score >= least - 1e-5
            least = score


@few
@given(cases(), st.sampled_from(WIDTHS), st.integers(2, 30))
def test_more_hypotheses_never_change_the_first(
    case: tuple[Tensor, int | None], width: int, n_best: int
) -> None:
    log_probs, length = case
    one = beam_decode(log_probs, width, length=length)
    more = beam_decode(log_probs, width, n_best, length)
    assert_same_first(one, more)
    for found, table in zip(more, tables(log_probs, length), strict=True):
        scores = [hypothesis.log_prob for hypothesis in found]
        assert scores == sorted(scores, reverse=True)
        assert scores == pytest.approx([table[hypothesis.ids] for hypothesis in found], abs=1e-5)
        assert len({hypothesis.ids for hypothesis in found}) == len(found) <= n_best


def assert_same_first(one: list[list[Hypothesis]], more: list[list[Hypothesis]]) -> None:
    for found, others in zip(one, more, strict=True):
        assert [h.ids for h in found] == [h.ids for h in others[:1]]
        assert [h.log_prob for h in found] == pytest.approx(
            [h.log_prob for h in others[:1]], abs=1e-5
        )


@pytest.mark.parametrize("length", [None, 6])
def test_the_promises_hold_where_nothing_can_be_enumerated(length: int | None) -> None:
    log_probs = emissions(0, 16, 120, 11)
    before = scores_of_greedy(log_probs, length)
    for width in (1, 2, 3, 7, 11):
        one = beam_decode(log_probs, width, length=length)
        scores = torch.tensor([found[0].log_prob for found in one])
        assert (scores >= before - 1e-5).all()
        before = scores
        for n_best in (2, 30):
            more = beam_decode(log_probs, width, n_best, length)
            assert_same_first(one, more)
            if n_best <= width:
                assert {len(found) for found in more} == {n_best}


def scores_of_greedy(log_probs: Tensor, length: int | None) -> Tensor:
    """(N,) ln p, -inf where the labelling has not that length."""
    labels = greedy_decode(log_probs)
    ids = torch.zeros(len(labels), len(log_probs), dtype=torch.int64)
    for row, label in zip(ids, labels, strict=True):
        row[: len(label)] = torch.tensor(label)
    lengths = torch.tensor([len(label) for label in labels])
    scores = -nll_per_captcha(log_probs, ids, lengths)
    return scores if length is None else scores.where(lengths == length, -math.inf)


def test_runners_up_of_a_settled_image_are_those_of_the_whole_beam() -> None:
    log_probs = emissions(3, 6, 60, 4, 6.0)
    settled = 0
    for found, table in zip(beam_decode(log_probs, 10, 4), tables(log_probs, None), strict=True):
        best = sorted(table.values(), reverse=True)[:4]
        assert [hypothesis.log_prob for hypothesis in found] == pytest.approx(best, abs=1e-4)
        settled += best[0] > math.log(0.5)
    assert 10 < settled < 60


def test_a_search_ends_early_only_with_the_best_of_all() -> None:
    log_probs = torch.cat([emissions(6, 6, 300, 4, sharp) for sharp in (1.5, 2.0, 3.0)], dim=1)
    answers = [found[0].log_prob for found in beam_decode(log_probs, 50)]
    best = [max(table.values()) for table in tables(log_probs, None)]
    assert answers == pytest.approx(best, abs=1e-4)


def test_what_float32_cannot_hold_is_scored_by_logarithms() -> None:
    log_probs = emissions(4, 90, 4, 30)
    for found, image in zip(beam_decode(log_probs, 5, 3), log_probs.unbind(1), strict=True):
        assert len(found) == 3
        for hypothesis in found:
            ids = torch.tensor([hypothesis.ids])
            nll = nll_per_captcha(image[:, None].double(), ids).item()
            assert nll > 100  # e to the minus this is no float32
            assert hypothesis.log_prob == pytest.approx(-nll, rel=1e-5)


def test_a_wider_search_adds_nothing_above_the_first() -> None:
    """At width 1 some answers are outdone by a beam of 30, which is asked for the runners-up."""
    log_probs = emissions(5, 16, 100, 11)
    narrow, wide = beam_decode(log_probs, 1), beam_decode(log_probs, 30)
    outdone = [b[0].log_prob > a[0].log_prob + 1e-4 for a, b in zip(narrow, wide, strict=True)]
    assert sum(outdone) > 20
    for found, first in zip(beam_decode(log_probs, 1, 30), narrow, strict=True):
        assert found[0].ids == first[0].ids
        assert max(hypothesis.log_prob for hypothesis in found) == found[0].log_prob


def test_a_prefix_too_short_for_the_length_stays_dropped() -> None:
    """It came back where few others are left, by a repeated symbol, and ended too short."""
    probs = [[0.0, 0.5, 0.5], [0.3, 0.2, 0.5], [0.3, 0.5, 0.2], [0.3, 0.3, 0.4], [0.0, 0.1, 0.9],
             [0.4, 0.6, 0.0], [0.2, 0.3, 0.5]]  # fmt: skip
    log_probs = torch.tensor(probs).log()[:, None]
    (found,) = beam_decode(log_probs, 5, n_best=5, length=5)
    assert [len(hypothesis.ids) for hypothesis in found] == [5] * 5


def test_the_ladder_reaches_every_width() -> None:
    assert rungs(1) == [1]
    assert rungs(3) == [1, 2, 5]
    assert rungs(300) == [1, 2, 5, 10, 25, 50, 100, 250, 500]
    for width in range(2, 1001):
        assert rungs(width)[-2] < width <= rungs(width)[-1]
        assert rungs(width)[:-1] == rungs(width - 1)[: len(rungs(width)) - 1]
