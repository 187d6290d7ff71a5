"""What the program of our own ground computes, and what the records say by it."""

from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from benchmarks.rung_ranks import fold_ranks
from research.own_ground import WRONG, choices, chosen, cost_of, of_folds, second_seed
from search.store.listed import FITS, read_rows

ROOT = Path(__file__).parents[2]


def row(name: str, fold: int, nlls: list[float], labels: str) -> dict[str, Any]:
    """A training that reads what it gives more than e^-1."""
    read = [label if nll < 1 else "?" for nll, label in zip(nlls, labels, strict=True)]
    return {"name": name, "fold": fold, "nlls": nlls, "labels": list(labels), "read": read}


def test_a_label_left_out_counts_for_no_candidate() -> None:
    rows = [row("a", 0, [0.1, 0.3, 8.0], "xyz"), row("b", 0, [0.5, 0.5, 2.0], "xyz")]
    assert of_folds(rows, "nll") == {"a": {0: pytest.approx(2.8)}, "b": {0: pytest.approx(1.0)}}
    assert of_folds(rows, "nll", "z") == {"a": {0: pytest.approx(0.2)}, "b": {0: 0.5}}
    assert of_folds(rows, "misread")["a"] == {0: pytest.approx(1 / 3)}
    assert of_folds(rows, "misread", "z")["a"] == {0: 0.0}


def test_only_trainings_that_were_scored_on_a_wrong_label_pay_for_it() -> None:
    rows = [row("a", 0, [0.2, 3.0], "xz"), row("a", 1, [9.0, 9.0], "xy")]
    assert cost_of(rows, ["z"]) == (1, pytest.approx(1.6), pytest.approx(0.2))
    assert cost_of(rows, ["w"]) == (0, 0.0, 0.0)


@pytest.mark.parametrize("among", [1, 2, 4, 6])
def test_choosing_is_the_mean_over_all_choices(among: int) -> None:
    by, judged = np.random.default_rng(among).normal(size=(2, 6))
    by_hand = [judged[min(some, key=by.__getitem__)] for some in combinations(range(6), among)]
    assert chosen(by, judged, among) == pytest.approx(fmean(by_hand))


def test_the_seed_that_judges_chooses_too_well() -> None:
    honest, lucky = choices(np.random.default_rng(0).normal(size=(8, 2)), 4)
    assert lucky < honest


def test_a_second_configuration_is_worth_more_where_seeds_say_nothing_new() -> None:
    rng = np.random.default_rng(1)
    alike = np.repeat(rng.normal(size=(10, 1)), 2, axis=1)
    assert second_seed(alike, 8, rng, own=False) > 0.2
    # Configurations that differ by their seeds alone are all worth the same.
    luck = np.array([[1.0, -1.0], [-1.0, 1.0]] * 5)
    assert second_seed(luck, 8, rng, own=False) == pytest.approx(0.0, abs=1e-9)


def test_a_second_seed_is_worth_more_where_a_seed_decides_whether_one_reads() -> None:
    """Some are safe, some a little better or far worse by chance, and two never read."""
    rng = np.random.default_rng(2)
    pairs = np.array([[0.0, 0.0]] * 4 + [[-1.0, 3.0], [3.0, -1.0]] * 3 + [[12.0, 12.0]] * 2)
    assert second_seed(pairs, 8, rng, own=True) < -0.05


def test_four_wrong_labels_hid_how_well_folds_rank() -> None:
    rows = list(read_rows(ROOT / "results/crnn-real" / FITS).values())
    assert len(rows) == 25
    with_them, without = (fold_ranks(of_folds(rows, "nll", labels))[1] for labels in ((), WRONG))
    assert with_them == (pytest.approx(-0.38), 0.0)
    assert without == (pytest.approx(0.46), 1.0)
