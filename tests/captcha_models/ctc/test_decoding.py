"""CTC decoding against full enumeration of all alignments, and against fast-ctc-decode."""

import math
from typing import cast

import fast_ctc_decode
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from captcha_models.ctc.beam import Ranking, prefix_beam
from captcha_models.ctc.loss import Hypothesis, beam_decode, greedy_decode, nll_per_captcha
from tests.reference import Labelling, all_paths, collapse, emissions

few = settings(derandomize=True, max_examples=25, deadline=None, database=None)
seeds = st.integers(0, 10_000)
sharpness = st.sampled_from([0.5, 1.5, 4.0])


def exact(log_probs: Tensor, length: int | None = None) -> list[list[tuple[Labelling, float]]]:
    """Every labelling of each image with its score, best first."""
    tables = all_paths(log_probs.shape[0], log_probs.shape[2]).table(log_probs.numpy())
    return [
        sorted(
            ((label, p) for label, p in table.items() if length is None or len(label) == length),
            key=lambda item: -item[1],
        )
        for table in tables
    ]


def assert_same(found: list[Hypothesis], wanted: list[tuple[Labelling, float]]) -> None:
    scores = [hypothesis.log_prob for hypothesis in found]
    assert scores == pytest.approx([score for _, score in wanted], abs=1e-5)
    table = dict(wanted)
    assert len({hypothesis.ids for hypothesis in found}) == len(found)
    for hypothesis in found:  # by its own label, since equal scores may come in either order
        assert hypothesis.log_prob == pytest.approx(table[hypothesis.ids], abs=1e-5)


@few
@given(seeds, st.integers(1, 9), st.integers(0, 4), st.integers(2, 5))
def test_greedy_collapses_the_best_path(seed: int, steps: int, batch: int, classes: int) -> None:
    log_probs = emissions(seed, steps, batch, classes)
    wanted = [list(collapse(tuple(path))) for path in log_probs.argmax(dim=2).T.tolist()]
    assert greedy_decode(log_probs) == wanted


@few
@given(seeds, st.sampled_from([(1, 2), (4, 2), (5, 3), (5, 4)]), sharpness, st.data())
def test_wide_beam_equals_enumeration(
    seed: int, shape: tuple[int, int], sharp: float, data: st.DataObject
) -> None:
    steps, classes = shape
    longest = steps if classes > 2 else (steps + 1) // 2
    length = data.draw(st.none() | st.integers(0, longest))
    log_probs = emissions(seed, steps, 4, classes, sharp)
    width = len(all_paths(steps, classes).labellings)
    for found, wanted in zip(
        beam_decode(log_probs, width, n_best=width, length=length),
        exact(log_probs, length),
        strict=True,
    ):
        assert len(found) == len(wanted)
        assert_same(found, wanted)
    for found, wanted in zip(
        beam_decode(log_probs, width, length=length), exact(log_probs, length), strict=True
    ):
        assert_same(found, wanted[:1])


@few
@given(seeds, st.integers(1, 10), sharpness, st.none() | st.integers(0, 5), st.data())
def test_narrow_beam_is_ordered_exactly_scored_and_never_better_than_the_best(
    seed: int, width: int, sharp: float, length: int | None, data: st.DataObject
) -> None:
    n_best = data.draw(st.integers(1, width))
    log_probs = emissions(seed, 6, 4, 4, sharp)
    for found, wanted in zip(
        beam_decode(log_probs, width, n_best, length), exact(log_probs, length), strict=True
    ):
        table = dict(wanted)
        scores = [hypothesis.log_prob for hypothesis in found]
        assert 1 <= len(found) <= n_best
        assert scores == sorted(scores, reverse=True)
        assert scores[0] <= wanted[0][1] + 1e-5
        assert len({hypothesis.ids for hypothesis in found}) == len(found)
        assert scores == pytest.approx([table[hypothesis.ids] for hypothesis in found], abs=1e-5)


@few
@given(seeds, st.integers(1, 12), st.none() | st.integers(1, 6), st.none() | st.integers(0, 12))
def test_leaving_out_hopeless_growth_changes_nothing(
    seed: int, width: int, length: int | None, wider: int | None
) -> None:
    log_probs = emissions(seed, 9, 3, 6, 1.5)
    ranking = None if wider is None else Ranking.of(log_probs, width + wider)
    ids, lengths, scores = prefix_beam(log_probs, width, length, ranking)
    for column in range(3):
        used = (scores[column] > -math.inf).nonzero()[:, 0].tolist()
        found = [tuple(ids[column, i, : lengths[column, i]].tolist()) for i in used]
        wanted = plain_prefix_beam(log_probs[:, column], width, length)
        assert sorted(found) == sorted(wanted)


def plain_prefix_beam(log_probs: Tensor, width: int, length: int | None) -> list[Labelling]:
    """The same search on dictionaries and plain probabilities, growing every prefix by all."""
    beam: dict[Labelling, tuple[float, float]] = {(): (1.0, 0.0)}  # ends in blank, in a symbol
    for step, row in enumerate(log_probs.double().exp().tolist()):
        grown: dict[Labelling, tuple[float, float]] = {}
        for prefix, (blank, symbol) in beam.items():
            for c, p in enumerate(row):
                parts = [(prefix, (blank + symbol) * p, 0.0)]
                if c and prefix[-1:] == (c,):
                    parts = [(prefix, 0.0, symbol * p), ((*prefix, c), 0.0, blank * p)]
                elif c:
                    parts = [((*prefix, c), 0.0, (blank + symbol) * p)]
                for label, ends_blank, ends_symbol in parts:
                    old = grown.get(label, (0.0, 0.0))
                    grown[label] = (old[0] + ends_blank, old[1] + ends_symbol)
        left = len(log_probs) - 1 - step
        possible = [
            label
            for label, masses in grown.items()
            if sum(masses) > 0 and (length is None or 0 <= length - len(label) <= left)
        ]
        possible.sort(key=lambda label: -sum(grown[label]))
        beam = {label: grown[label] for label in possible[:width]}
    return list(beam)


@few
@given(seeds, sharpness, st.none() | st.integers(2, 6))
def test_short_cut_gives_the_answer_of_the_search(
    seed: int, sharp: float, length: int | None
) -> None:
    log_probs = emissions(seed, 9, 32, 7, 2 * sharp)
    quick = beam_decode(log_probs, 50, length=length)
    searched = beam_decode(log_probs, 50, n_best=2, length=length)  # n_best > 1 always searches
    assert [row[0].ids for row in quick] == [row[0].ids for row in searched]
    assert [row[0].log_prob for row in quick] == pytest.approx(
        [row[0].log_prob for row in searched], abs=1e-5
    )


def test_short_cut_counts_with_emissions_that_do_not_sum_to_one() -> None:
    log_probs = torch.tensor([0.9, 0.85]).log().expand(2, 1, 2)
    ((best,),) = beam_decode(log_probs, 4)  # the greedy labelling () has 0.81, (1,) has 2.25
    assert best.ids == (1,)


def test_short_cut_is_not_taken_in_by_rounding() -> None:
    """Where next to all probability is known to have another length, what is left is a rounding."""
    log_probs = emissions(1, 5, 2000, 4, 40.0)
    for length in range(6):
        for (best,) in beam_decode(log_probs, 2, length=length):
            assert len(best.ids) == length
            assert math.isfinite(best.log_prob)


def test_rows_do_not_depend_on_their_neighbours() -> None:
    log_probs = torch.cat([emissions(7, 8, 6, 5, sharp) for sharp in (0.5, 2.0, 8.0)], dim=1)
    for n_best, length in [(1, None), (3, None), (1, 4), (3, 4)]:
        together = beam_decode(log_probs, 5, n_best, length)
        for column, found in enumerate(together):
            assert beam_decode(log_probs[:, column : column + 1], 5, n_best, length) == [found]
        turned = beam_decode(log_probs.flip(1), 5, n_best, length)
        assert turned[::-1] == together


def test_wide_beams_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    log_probs = emissions(8, 6, 7, 4)
    whole = beam_decode(log_probs, 6, n_best=3)
    monkeypatch.setattr("captcha_models.ctc.beam._PAIRS_AT_ONCE", 2 * 6**2)
    assert beam_decode(log_probs, 6, n_best=3) == whole


@pytest.mark.parametrize(("steps", "classes"), [(20, 5), (40, 3), (13, 300)])
def test_long_labels_and_many_classes(steps: int, classes: int) -> None:
    """More symbols than one machine word holds, more classes than one byte."""
    path = torch.arange(steps) % (classes - 1) + 1
    if classes > 256:
        path = classes - 1 - path
    logits = torch.zeros(steps, 2, classes)
    logits[torch.arange(steps), :, path] = 6.0
    log_probs = logits.log_softmax(dim=2)
    for found in beam_decode(log_probs, 4, n_best=2):
        assert found[0].ids == tuple(path.tolist())
        nll = nll_per_captcha(log_probs[:, :1].double(), path[None])
        assert found[0].log_prob == pytest.approx(-nll.item())


def test_impossible_emissions_leave_fewer_hypotheses() -> None:
    log_probs = torch.full((2, 1, 3), -math.inf)
    log_probs[:, 0, 1] = 0.0  # 'aa' cannot be told from 'a' without a blank
    assert beam_decode(log_probs, 4, n_best=4) == [[Hypothesis((1,), 0.0)]]
    assert beam_decode(log_probs, 4, length=2) == [[]]
    assert beam_decode(log_probs[:, :0], 4) == []


def test_length_is_kept_where_the_best_labelling_has_another() -> None:
    log_probs = torch.tensor([0.9, 0.06, 0.04]).log().expand(4, 1, 3)
    assert [row[0].ids for row in beam_decode(log_probs, 3)] == [()]
    for length in range(5):
        ((best,),) = beam_decode(log_probs, 3, length=length)
        assert len(best.ids) == length
    narrow = beam_decode(torch.tensor([0.9, 0.1]).log().expand(3, 1, 2), 1, length=2)
    assert narrow[0][0].ids == (1, 1)


def test_a_beam_wider_than_the_labels_of_a_length() -> None:
    """The places it cannot use grew beyond the row that a label of that length needs."""
    for found in beam_decode(emissions(0, 9, 3, 6, 1.5), 11, n_best=11, length=1):
        assert sorted(hypothesis.ids for hypothesis in found) == [(1,), (2,), (3,), (4,), (5,)]


def test_half_precision_is_decoded() -> None:
    log_probs = emissions(9, 13, 8, 20, 8.0)
    assert [r[0].ids for r in beam_decode(log_probs.bfloat16(), 10)] == [
        r[0].ids for r in beam_decode(log_probs.bfloat16().float(), 10)
    ]


@pytest.mark.parametrize("sharp", [1.0, 4.0])
def test_agrees_with_fast_ctc_decode(sharp: float) -> None:
    log_probs = emissions(10, 13, 40, 20, sharp)
    alphabet = [chr(ord("a") + c) for c in range(20)]
    theirs = []
    for image in log_probs.exp().transpose(0, 1).contiguous().numpy():
        text, _ = fast_ctc_decode.beam_search(
            image, alphabet, beam_size=100, beam_cut_threshold=0.0
        )
        theirs.append([ord(symbol) - ord("a") for symbol in text])
    ids, lengths, _ = prefix_beam(log_probs, 100)
    assert exact_scores(log_probs, theirs) == pytest.approx(
        (-nll_per_captcha(log_probs.double(), ids[:, 0], lengths[:, 0])).tolist(), abs=1e-9
    )
    # Scoring what the beam ends with anew can only help.
    ours = [row[0].log_prob for row in beam_decode(log_probs, 100)]
    gains = np.subtract(ours, exact_scores(log_probs, theirs))
    assert gains.min() > -1e-5
    assert gains.max() > 0.01 or sharp > 1.0


def exact_scores(log_probs: Tensor, labellings: list[list[int]]) -> list[float]:
    targets = pad_sequence([torch.tensor(x) for x in labellings], batch_first=True)
    lengths = torch.tensor([len(x) for x in labellings])
    return cast(list[float], (-nll_per_captcha(log_probs.double(), targets, lengths)).tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam_width": 0}, "beam_width must be at least 1, got 0"),
        ({"beam_width": 2, "n_best": 0}, "n_best must be at least 1, got 0"),
        ({"beam_width": 2, "length": 5}, r"length must be in 0\.\.4 for T = 4 .*, got 5"),
        ({"beam_width": 2, "length": -1}, r"length must be in 0\.\.4 for T = 4 .*, got -1"),
    ],
)
def test_decode_refuses_wrong_arguments(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_decode(emissions(11, 4, 2, 3), **arguments)


def test_decode_refuses_a_length_that_repeats_cannot_reach() -> None:
    with pytest.raises(ValueError, match=r"length must be in 0\.\.2 for T = 4 steps and K = 2"):
        beam_decode(emissions(12, 4, 1, 2), 2, length=3)


@pytest.mark.parametrize("value", [math.nan, 1.0])
def test_decode_refuses_what_is_no_log_probability(value: float) -> None:
    log_probs = emissions(13, 4, 2, 3)
    log_probs[1, 1, 1] = value
    with pytest.raises(ValueError, match="log_probs must be log-probabilities"):
        beam_decode(log_probs, 2)


@pytest.mark.parametrize("shape", [(4, 3), (0, 2, 3), (4, 2, 1)])
def test_everything_refuses_wrong_shapes(shape: tuple[int, ...]) -> None:
    for call in (
        greedy_decode,
        lambda x: beam_decode(x, 2),
        lambda x: nll_per_captcha(x, torch.ones(2, 1, dtype=torch.int64)),
    ):
        with pytest.raises(ValueError, match=r"log_probs must be \(T, N, K\)"):
            call(torch.zeros(shape))
