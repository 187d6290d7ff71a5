"""Priors: values near a centre, in every kind of distribution, and what is refused."""

from collections import Counter

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spaces.prior import Prior, drawn
from spaces.ranges import Value, inside
from spaces.space import Space

KINDS: dict[str, tuple[BaseDistribution, Value]] = {
    "float": (FloatDistribution(-1.0, 3.0), 2.5),
    "log": (FloatDistribution(1e-4, 1e-1, log=True), 1e-3),
    "steps": (FloatDistribution(0.0, 1.0, step=0.25), 0.25),
    "whole": (IntDistribution(5, 8), 6),
    "whole steps": (IntDistribution(32, 256, step=32), 64),
    "whole log": (IntDistribution(1, 25, log=True), 10),
    "choices": (CategoricalDistribution(["a", "b", "c"]), "b"),
    "switch": (CategoricalDistribution([False, True]), True),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_value_lies_inside(name: str) -> None:
    among, centre = KINDS[name]
    rng = np.random.default_rng(0)
    for prior in (None, Prior(centre, 0.05), Prior(centre, 1.0)):
        assert all(inside(among, drawn(rng, among, prior)) for _ in range(300))


@pytest.mark.parametrize("name", ["whole", "whole steps", "choices", "switch", "steps"])
def test_without_a_prior_all_values_are_alike(name: str) -> None:
    among, _ = KINDS[name]
    rng = np.random.default_rng(1)
    counts = Counter(drawn(rng, among, None) for _ in range(4000))
    expected = 4000 / len(counts)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values()), counts


def test_numbers_lie_around_the_centre_by_the_spread() -> None:
    rng = np.random.default_rng(2)
    among = FloatDistribution(1e-6, 1.0, log=True)
    logs = np.log10([drawn(rng, among, Prior(1e-3, 0.1)) for _ in range(4000)])
    assert logs.mean() == pytest.approx(-3, abs=0.05)
    assert logs.std() == pytest.approx(0.6, rel=0.05)  # a tenth of six decades


def test_of_choices_chance_decides_as_often_as_the_spread_says() -> None:
    rng = np.random.default_rng(3)
    among, centre = KINDS["choices"]
    own = [drawn(rng, among, Prior(centre, 0.3)) for _ in range(4000)].count(centre) / 4000
    assert own == pytest.approx(0.7 + 0.3 / 3, abs=0.03)


def space(prior: dict[str, Prior]) -> Space:
    among, centre = KINDS["log"]
    return Space(name="one", parameters={"lr": among}, baseline={"lr": centre}, priors=prior)


@pytest.mark.parametrize(
    ("priors", "text"),
    [
        ({"lr": Prior(1.0)}, "prior of lr: centre 1.0: must be a number from 0.0001 to 0.1"),
        ({"lr": Prior(1e-3, 0.0)}, "spread 0.0: must be above 0 and at most 1"),
        ({"lr": Prior(1e-3, 1.5)}, "spread 1.5: must be above 0 and at most 1"),
        ({"rate": Prior(1e-3)}, "prior of rate: there is no such parameter"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(priors: dict[str, Prior], text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        space(priors)
    assert text in str(caught.value)


def test_priors_are_kept_with_the_space() -> None:
    own = space({"lr": Prior(1e-3, 0.3)})
    assert Space.from_json(own.to_json()) == own
    assert "priors" not in space({}).to_json()  # Spaces of earlier versions keep their digest.
    narrowed = own.changed({"lr": FloatDistribution(1e-2, 1e-1, log=True)})
    assert narrowed.priors == {"lr": Prior(1e-2, 0.3)}
    assert not own.changed({"lr": 1e-3}).priors
