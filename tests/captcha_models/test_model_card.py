"""Figures of a model card."""

import pytest
from scipy.stats import binomtest

from captcha_models.inference.model_card import wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (0, 50), (19, 20), (311, 936), (5, 5)])
def test_the_interval_is_scipys(hits: int, count: int) -> None:
    wanted = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits, count) == pytest.approx([wanted.low, wanted.high], abs=1e-12)
