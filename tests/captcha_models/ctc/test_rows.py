"""Equal rows, found by comparing each with each and by sorting."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captcha_models.ctc import rows as module
from captcha_models.ctc.loss import beam_decode
from captcha_models.ctc.rows import first_equal
from tests.reference import emissions

few = settings(derandomize=True, max_examples=40, deadline=None, database=None)


@few
@given(
    st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([3, module.MANY, module.MANY + 9])
)
def test_the_first_equal_row_is_found(seed: int, words: int, num: int) -> None:
    """Rows of few different values, so that many are equal, and that differ in one byte alone."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor([0, 1, -1, 2**56, 2**63 - 1, -(2**63), 2**32])
    one, other = (
        values[torch.randint(len(values), (2, size, words), generator=generator)]
        for size in (num + 5, num)
    )
    found, place = first_equal(one, other)
    for image in range(2):
        listed = other[image].tolist()
        for row, is_there, at in zip(
            one[image].tolist(), found[image].tolist(), place[image].tolist(), strict=True
        ):
            assert is_there == (row in listed)
            assert at == (listed.index(row) if is_there else 0)


@pytest.mark.parametrize(("steps", "classes"), [(7, 4), (13, 20), (20, 300)])
@pytest.mark.parametrize("length", [None, 5])
def test_sorting_changes_no_answer(
    steps: int, classes: int, length: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_probs = emissions(1, steps, 12, classes, 1.5)
    for width, n_best in ((30, 1), (10, 80), (100, 7)):
        found = []
        for many in (1, 10**6):
            monkeypatch.setattr(module, "MANY", many)
            found.append(beam_decode(log_probs, width, n_best, length))
        assert found[0] == found[1]
