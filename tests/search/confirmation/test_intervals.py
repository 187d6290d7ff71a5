"""Intervals against hand-computed cases, the two-way random model, and simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest, t

from search.confirmation.intervals import (
    Estimate,
    Observations,
    estimate,
    estimate_share,
    one_standard_error,
    wilson,
)


def crossed(values: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Observations:
    """(fits, images)."""
    fits, images = np.indices(values.shape)
    names = tuple(f"{i}.png" for i in images.ravel())
    return Observations(values.ravel().astype(np.float64), names, tuple(fits.ravel().tolist()))


def nested(values: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Observations:
    """(fits, images of that fit alone)."""
    found = crossed(values)
    images = tuple(f"{i}.png" for i in range(values.size))
    return Observations(found.values, images, found.fits)


@pytest.mark.parametrize(("hits", "count"), [(96, 96), (95, 96), (0, 20), (10, 20), (1, 1)])
def test_wilson_is_scipys(hits: int, count: int) -> None:
    theirs = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits / count, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("count", range(60, 260))
def test_wilson_holds_the_share_itself_though_it_is_rounded(count: int) -> None:
    for share in (0.0, 1.0):
        low, high = wilson(share, count / 3)
        assert 0.0 <= low <= share <= high <= 1.0


def test_one_fit_is_the_plain_t_interval() -> None:
    values = np.array([[1.0, 2.0, 4.0, 9.0]])
    found = estimate(crossed(values))
    error = values.std(ddof=1) / 2
    assert found.mean == 4.0
    assert found.error == found.error_images == pytest.approx(error)
    assert found.high - found.mean == pytest.approx(t.ppf(0.975, 3) * error)
    assert (found.num_images, found.num_fits) == (4, 1)


def test_crossed_is_the_two_way_random_model() -> None:
    values = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 5.0]])
    num_fits, num_images = values.shape
    mean = values.mean()
    by_image = num_fits * ((values.mean(axis=0) - mean) ** 2).sum() / (num_images - 1)
    by_fit = num_images * ((values.mean(axis=1) - mean) ** 2).sum() / (num_fits - 1)
    found = estimate(crossed(values))
    assert found.error_images**2 == pytest.approx(by_image / values.size)
    alone = values.var(ddof=1) / values.size
    assert found.error**2 == pytest.approx(
        by_image / values.size + max(0, by_fit / values.size - alone)
    )


def test_fits_that_agree_add_nothing() -> None:
    one = np.array([[0.0, 1.0, 2.0, 5.0]])
    once, thrice = estimate(crossed(one)), estimate(crossed(one.repeat(3, axis=0)))
    assert thrice.error == pytest.approx(once.error)
    assert (thrice.num_images, thrice.num_fits) == (4, 3)


def test_an_interval_ends_where_no_mean_can_be() -> None:
    found = crossed(np.array([[0.0, 0.0, 0.0, 9.0]]))
    free, ended = estimate(found), estimate(found, least=0.0)
    assert free.low < 0.0 == ended.low
    assert (ended.mean, ended.high) == (free.mean, free.high)


def test_all_right_is_as_sure_as_the_number_of_images() -> None:
    found = estimate_share(crossed(np.ones((3, 96))))
    assert (found.mean, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(wilson(1.0, 96)[0])
    characters = estimate_share(crossed(np.ones((3, 96))), units=5)
    assert characters.low == pytest.approx(wilson(1.0, 480)[0])


def test_paired_differences_meet_by_image_and_fit() -> None:
    one = Observations(np.array([1.0, 2.0, 3.0]), ("a", "b", "c"), (0, 0, 1))
    other = Observations(np.array([0.5, 5.0, 1.0]), ("c", "b", "a"), (1, 0, 9))
    apart = one.minus(other)
    assert apart.values.tolist() == [-3.0, 2.5]
    assert (apart.images, apart.fits) == (("b", "c"), (0, 1))
    with pytest.raises(ValueError, match="no image"):
        one.minus(Observations(np.array([1.0]), ("z",), (0,)))


Simulated = Callable[[np.random.Generator], tuple[Estimate, float]]


def normal_crossed(seeds: int, image: float, fit: float, rest: float) -> Simulated:
    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        values = (
            rng.normal(0, image, (1, 60))
            + rng.normal(0, fit, (seeds, 1))
            + rng.normal(0, rest, (seeds, 60))
        )
        return estimate(crossed(values)), 0.0

    return draw


def normal_nested(fit: float) -> Simulated:
    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        return estimate(nested(rng.normal(0, 1, (5, 40)) + rng.normal(0, fit, (5, 1)))), 0.0

    return draw


def reading(accuracy: float, image: float) -> Simulated:
    """Images of unequal difficulty, read by three fits."""

    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        hard = rng.random((1, 96)) < image
        right = rng.random((3, 96)) < np.where(hard, accuracy / 2, accuracy)
        truth = accuracy * (1 - image / 2)
        return estimate_share(crossed(right.astype(np.float64))), truth

    return draw


@pytest.mark.parametrize(
    "draw",
    [
        normal_crossed(3, 1.0, 0.0, 1.0),
        normal_crossed(3, 1.0, 0.3, 1.0),
        normal_crossed(5, 0.3, 0.3, 0.3),
        normal_nested(0.0),
        normal_nested(0.5),
        reading(0.97, 0.05),
        reading(0.8, 0.2),
    ],
)
def test_coverage(draw: Simulated) -> None:
    """95 % intervals hold the truth; 365 of 400 is more than three standard errors below that."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        found, truth = draw(rng)
        inside += found.low <= truth <= found.high
    assert inside >= 365


class TestOneStandardError:
    def test_the_cheapest_of_those_that_are_near(self) -> None:
        best = np.array([[0.0, 0.1, 0.2, 0.3]])
        near = np.array([[0.2, 0.0, 0.4, 0.2]])
        nlls = [crossed(best), crossed(near), crossed(best + 0.5)]
        found, close = one_standard_error(nlls, [3e4, 1e4, 1e3], [0.0, 0.1, 0.0])
        assert close == [True, True, False]
        assert found == 1

    def test_a_difference_beyond_one_error_decides(self) -> None:
        better = crossed(np.array([[0.0, 0.0, 0.0, 0.0]]))
        # Mean 1, standard error over images 1/sqrt(3) and 2/sqrt(3).
        sure = crossed(np.array([[0.0, 0.0, 2.0, 2.0]]))
        unsure = crossed(np.array([[-1.0, -1.0, 3.0, 3.0]]))
        assert estimate(sure).error_images == pytest.approx(1 / math.sqrt(3))
        found, close = one_standard_error([better, sure, unsure], [9.0, 1.0, 5.0], [0.0] * 3)
        assert close == [True, False, True]
        assert found == 2

    def test_equal_cost_leaves_it_to_the_gap(self) -> None:
        same = [crossed(np.array([[0.0, 1.0]]))] * 3
        assert one_standard_error(same, [100.0, 104.0, 106.0], [0.3, 0.2, 0.1])[0] == 1
