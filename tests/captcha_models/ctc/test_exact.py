"""The short cut of `beam_decode` and its parts against full enumeration of all alignments."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from captcha_models.ctc.exact import best_class, collapse, probability, settle
from captcha_models.ctc.loss import Hypothesis, beam_decode, greedy_decode
from tests import reference
from tests.reference import all_paths, emissions

few = settings(derandomize=True, max_examples=25, deadline=None, database=None)
seeds = st.integers(0, 10_000)
STEPS, CLASSES = 6, 4


def by_column(log_probs: Tensor) -> Tensor:
    """(T, K, N) probabilities."""
    return log_probs.transpose(1, 2).exp().contiguous()


@few
@given(seeds, st.sampled_from([1.0, 4.0, 12.0]), st.integers(0, STEPS), st.none() | st.just(3))
def test_what_is_settled_is_the_best_of_all(
    seed: int, sharp: float, switches: int, length: int | None
) -> None:
    log_probs = emissions(seed, STEPS, 40, CLASSES, sharp)
    probs = by_column(log_probs)
    sure, ids, lengths, found = settle(probs, probs.sum(dim=1).prod(dim=0), switches, length)
    tables = all_paths(STEPS, CLASSES).table(log_probs.numpy())
    assert sure.any() or sharp < 12.0 or length is not None
    for column in sure.nonzero()[:, 0].tolist():
        label = tuple(ids[: lengths[column], column].tolist())
        table = {k: v for k, v in tables[column].items() if length in (None, len(k))}
        assert label == max(table, key=table.__getitem__)
        assert found[column].log().item() == pytest.approx(table[label], abs=1e-5)


def test_more_switches_settle_more() -> None:
    probs = by_column(emissions(1, STEPS, 500, CLASSES, 6.0))
    mass = torch.ones(500)
    settled = [int(settle(probs, mass, switches)[0].sum()) for switches in (0, 2, 4)]
    assert 0 < settled[0] < settled[1] < settled[2] <= 500


@few
@given(seeds, st.integers(1, 8), st.integers(0, 3), st.integers(2, 6))
def test_best_class_is_the_first_of_the_highest(
    seed: int, steps: int, batch: int, classes: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(-1, 2, (steps, classes, batch), generator=generator).float().log()
    scores = scores.nan_to_num(nan=-math.inf)  # -inf and 0, with many ties
    wanted = [
        [column.index(max(column)) for column in zip(*step, strict=True)]
        for step in scores.tolist()
    ]
    assert best_class(scores).tolist() == wanted
    assert best_class(scores.transpose(1, 2).contiguous().transpose(1, 2)).tolist() == wanted


@few
@given(seeds, st.integers(1, 8), st.integers(0, 4), st.integers(2, 4))
def test_collapse_of_paths_equals_the_reference(
    seed: int, steps: int, batch: int, classes: int
) -> None:
    paths = torch.randint(classes, (steps, batch), generator=torch.Generator().manual_seed(seed))
    ids, lengths = collapse(paths)
    for column in range(batch):
        label = reference.collapse(tuple(paths[:, column].tolist()))
        assert lengths[column] == len(label)
        assert tuple(ids[:, column].tolist()) == label + (0,) * (len(ids) - len(label))


def test_probability_equals_enumeration_for_every_labelling() -> None:
    log_probs = emissions(2, 5, 1, 3)
    (table,) = all_paths(5, 3).table(log_probs.numpy())
    ids = torch.zeros(5, len(table), dtype=torch.int64)
    for column, label in enumerate(table):
        ids[: len(label), column] = torch.tensor(label, dtype=torch.int64)
    lengths = torch.tensor([len(label) for label in table])
    probs = by_column(log_probs.double()).expand(-1, -1, len(table))
    wanted = [math.exp(p) for p in table.values()]
    assert probability(probs, ids, lengths).tolist() == pytest.approx(wanted)


def test_only_blanks_spell_the_empty_label() -> None:
    log_probs = torch.tensor([0.98, 0.01, 0.01]).log().expand(4, 2, 3)
    for n_best in (1, 2):
        for found in beam_decode(log_probs, 4, n_best):
            assert found[0].ids == ()
            assert found[0].log_prob == pytest.approx(4 * math.log(0.98), abs=1e-6)
    assert greedy_decode(log_probs) == [[], []]


@pytest.mark.parametrize("length", [None, 2])
@pytest.mark.parametrize("n_best", [1, 3])
def test_batches_of_none_and_one(n_best: int, length: int | None) -> None:
    log_probs = emissions(3, 7, 3, 5, 6.0)
    assert beam_decode(log_probs[:, :0], 4, n_best, length) == []
    assert greedy_decode(log_probs[:, :0]) == []
    together = beam_decode(log_probs, 4, n_best, length)
    for column, found in enumerate(together):
        assert beam_decode(log_probs[:, column : column + 1], 4, n_best, length) == [found]
        assert all(isinstance(hypothesis, Hypothesis) for hypothesis in found)
        assert all(type(symbol) is int for hypothesis in found for symbol in hypothesis.ids)


def test_emissions_are_left_as_they_were() -> None:
    columns = emissions(4, 6, 5, 4).transpose(1, 2).contiguous()  # the short cut's own layout
    before = columns.clone()
    beam_decode(columns.transpose(1, 2), 4)
    assert torch.equal(columns, before)
