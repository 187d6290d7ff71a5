"""Priors: where the good values of a parameter are expected, and values drawn near them."""

import math
from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spaces.ranges import Value, described, inside, nearest_value


@dataclass(frozen=True)
class Prior:
    """Where the good values of one parameter are expected.

    Attributes:
        centre: the value that is expected to be good.
        spread: of numbers, the standard deviation around it as a share of the range, of its
            logarithm where the distribution has one; of choices, how often chance decides instead.
            In (0, 1].
    """

    centre: Value
    spread: float = 0.2

    def refusal(self, among: BaseDistribution | None) -> str | None:
        """Why the prior cannot be one of that distribution; None if it can.

        Args:
            among: of the parameter; None is no parameter.
        """
        if among is None:
            return "there is no such parameter"
        if not inside(among, self.centre):
            return f"centre {self.centre!r}: must be {described(among)}"
        if not 0 < self.spread <= 1:
            return f"spread {self.spread!r}: must be above 0 and at most 1"
        return None

    def moved(self, among: BaseDistribution) -> Self:
        """The prior with its centre at the nearest value of a distribution."""
        return replace(self, centre=nearest_value("centre", among, self.centre))


def drawn(rng: np.random.Generator, among: BaseDistribution, prior: Prior | None) -> Value:
    """A value of a distribution: uniform without a prior, else near its centre."""
    if isinstance(among, CategoricalDistribution):
        if prior is not None and rng.random() >= prior.spread:
            return prior.centre
        return cast(Value, among.choices[int(rng.integers(len(among.choices)))])
    assert isinstance(among, FloatDistribution | IntDistribution), among
    # A whole number stands for all that is rounded to it.
    half = 0.5 * (among.step or 0)
    low, high = among.low - half, among.high + half
    to, back = (math.log, math.exp) if among.log else (float, float)
    start, end = to(low), to(high)
    place = rng.uniform(start, end)
    if prior is not None:
        centre = to(float(prior.centre))
        place = math.inf
        while not start <= place <= end:
            place = rng.normal(centre, prior.spread * (end - start))
    return nearest_value("value", among, _whole(among, back(place)))


def _whole(among: BaseDistribution, value: float) -> float | int:
    return round(value) if isinstance(among, IntDistribution) else value
