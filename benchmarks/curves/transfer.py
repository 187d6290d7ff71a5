"""Transfer: priors and starting points of a space, from curves recorded on other sets of images.

The starting points are a portfolio: chosen one after another so that on every recorded set one of
them is good. A prior lies where the best recorded configurations of all sets lie.

Source: greedy portfolios, Wistuba et al. 2015 and Syne Tune's zero-shot transfer (Salinas et al.
2022).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from benchmarks.curves.surrogate import Surrogate, back, place
from spaces.prior import Prior
from spaces.ranges import Value
from spaces.space import Space

BEST = 0.1
"""Share of a set's configurations that say where good values lie."""
NARROWEST = 0.1
"""No prior is narrower: so few sets do not say more."""
WIDEST = 0.5


def transferred(space: Space, sources: Sequence[Surrogate], members: int) -> Space:
    """The space with priors and known points that the sources tell.

    Args:
        space: of the images that are to be searched; of no account to what is told.
        sources: recorded on other images.
        members: of the portfolio.
    """
    pools = [best_of(source) for source in sources]
    priors = {
        name: prior
        for name, among in space.parameters.items()
        if (prior := prior_of(among, [row[name] for pool in pools for row in pool if name in row]))
    }
    candidates = [row for pool in pools for row in pool]
    known = [moved(space, row) for row in portfolio(candidates, sources, members)]
    return replace(space, priors=priors, known=tuple(known))


def best_of(source: Surrogate) -> list[Mapping[str, Any]]:
    """The best random configurations of a set, five at least; starting points are left out.

    Those were found by hand on one of the sets.
    """
    first, last = source.curves_of(0), source.table()[1]
    order = [i for i in np.argsort(last) if first[i].index >= 0]
    return [first[i].config for i in order[: max(5, round(BEST * len(order)))]]


def portfolio(
    candidates: Sequence[Mapping[str, Any]], sources: Sequence[Surrogate], members: int
) -> list[Mapping[str, Any]]:
    """Those candidates of which on every source one is good, the most useful first."""
    losses = np.array([[loss(source, one) for source in sources] for one in candidates])
    chosen: list[int] = []
    reached: NDArray[np.float64] = np.full(len(sources), np.inf)
    for _ in range(min(members, len(candidates))):
        totals = np.minimum(losses, reached).sum(axis=1)
        totals[chosen] = np.inf
        chosen.append(int(np.argmin(totals)))
        reached = np.minimum(reached, losses[chosen[-1]])
    return [candidates[i] for i in chosen]


def loss(source: Surrogate, config: Mapping[str, Any]) -> float:
    """By what factor a configuration is worse than the best on a source, as a logarithm."""
    played = source.play(moved(source.space, config), 0)
    return float(np.log(played.expected.min() / source.best))


def moved(space: Space, config: Mapping[str, Any]) -> dict[str, Value]:
    """The configuration's nearest point of a space; the baseline where it says nothing."""
    return space.nearest({**space.baseline, **config})


def prior_of(among: BaseDistribution, values: Sequence[Any]) -> Prior | None:
    """Where the values lie; None if they say nothing."""
    if not values:
        return None
    if isinstance(among, CategoricalDistribution):
        counts = [sum(value == choice for value in values) for choice in among.choices]
        # As often another one as among the values, and once more each: they are few.
        share = (max(counts) + 1) / (len(values) + len(counts))
        spread = min(1.0, (1 - share) * len(counts) / max(1, len(counts) - 1))
        return Prior(cast(Value, among.choices[int(np.argmax(counts))]), spread)
    places = np.array([place(among, value) for value in values])
    spread = float(np.clip(places.std(), NARROWEST, WIDEST))
    return Prior(back(among, float(np.clip(np.median(places), 0, 1))), spread)
