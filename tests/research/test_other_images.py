"""Confidence against what is right, and labels made wrong."""

import pytest

from research.other_images import judge, known, without_text
from research.wrong_labels import spoilt


def test_confidence_that_is_kept_has_no_error() -> None:
    found = judge([0.75] * 4 + [0.25] * 4, [True, True, True, False, True, False, False, False])
    assert (found.read, found.confidence) == (0.5, 0.5)
    assert found.error == pytest.approx(0.0)
    assert found.auroc == pytest.approx(0.75)
    assert found.above == 0.0


def test_one_who_is_sure_of_what_is_wrong_is_told() -> None:
    found = judge([0.95, 0.99, 1.0, 0.05], [False, False, True, True])
    assert found.above == 1.0
    # 0.94 of the two wrong ones' bin less the right one, 0.95 of the last, by hand.
    assert found.error == pytest.approx((0.95 + 0.99 + 1.0 - 1 + 0.95) / 4)
    assert found.auroc == pytest.approx(0.5)
    assert judge([0.5], [True]).auroc is None
    assert judge([0.5], [True]).above is None


def test_what_a_model_knows() -> None:
    assert known(["12", "1a", "", "3"], "123") == [0, 2, 3]
    blank = without_text(8, 20, 3)
    assert {name: pixels.shape for name, pixels in blank.items()} == {
        "white": (1, 3, 8, 20), "grey": (1, 3, 8, 20), "black": (1, 3, 8, 20),
        "noise": (20, 3, 8, 20),
    }  # fmt: skip
    assert blank["noise"].std() > 50


@pytest.mark.parametrize("seed", range(5))
def test_spoilt_labels_differ_in_one_symbol_where_they_may(seed: int) -> None:
    labels = tuple(f"{i:03d}" for i in range(100))
    rows = list(range(50))
    wrong = spoilt(labels, rows, 0.1, seed)
    apart = [i for i in range(100) if wrong[i] != labels[i]]
    assert len(apart) == 5
    assert set(apart) <= set(rows)
    for i in apart:
        assert sum(a != b for a, b in zip(wrong[i], labels[i], strict=True)) == 1
    assert spoilt(labels, rows, 0.1, seed) == wrong
    assert spoilt(labels, rows, 0.001, seed) != labels
