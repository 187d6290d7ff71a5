"""Surrogate of recorded curves: what any configuration of the space would have come to.

Trees say what lies between the recorded curves. Their leaves hold a few of them, since one curve is
the luck of its seed: trees that give back each recorded curve put the best one on a spike that no
search can find, and that a portfolio of recorded configurations always hits. What a second seed
changes is recorded, too: a training that is played gets one of those differences, drawn by its
seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.curves.table import Curve
from spaces.chance import Uniform
from spaces.ranges import Value, nearest_value
from spaces.space import Space

TREES = 100
LEAF = 3
"""Curves of a leaf, at least."""
SEARCHED = 2000
"""Random configurations among which the best is looked for."""
WORST = 30.0
"""Nats that a training which broke down counts for."""
LEAST = 1e-3
"""Nats below which no difference is told."""


@dataclass(frozen=True)
class Played:
    """A training as the surrogate has it.

    Attributes:
        nll: nats per label on the validation images after each epoch.
        expected: the same without what the seed changes.
        seconds: until the end of each epoch.
    """

    nll: NDArray[np.float64]
    expected: NDArray[np.float64]
    seconds: NDArray[np.float64]


class Surrogate:
    """Curves between recorded ones.

    Args:
        curves: of one set of images and one architecture, at least two seeds for some of them.
        space: what varies in them.
    """

    def __init__(self, curves: Sequence[Curve], space: Space) -> None:
        self.space = space
        self.epochs = max(len(curve.valid_nll) for curve in curves)
        self.curves = [curve for curve in curves if curve.seconds]
        self._features = np.array([self.features(curve.config) for curve in self.curves])
        self._targets = np.array([self._target(curve) for curve in self.curves])
        self._forest = Forest(trees().fit(self._features, self._targets))
        self._noise = self._differences(self.curves_of(0))
        self._known: dict[tuple[float, ...], NDArray[np.float64]] = {}

    def features(self, config: Mapping[str, Any]) -> tuple[float, ...]:
        """A configuration as numbers, each parameter in [0, 1]; -1 where it does not appear."""
        return tuple(
            place(among, config[name]) if name in config else -1.0
            for name, among in self.space.parameters.items()
        )

    def play(self, config: Mapping[str, Any], seed: int, repeat: int = 0) -> Played:
        """A training of a configuration by a seed; another repeat's seeds bring other luck."""
        key = self.features(config)
        if key not in self._known:
            self._known[key] = self._forest.at(np.array(key))
        target = self._known[key]
        change: NDArray[np.float64] | float = 0.0
        if len(self._noise):
            change = self._noise[np.random.default_rng([repeat, seed]).integers(len(self._noise))]
        log_nll, log_s = target[: self.epochs], target[self.epochs :]
        return Played(
            nll=np.exp(log_nll + change),
            expected=np.exp(log_nll),
            seconds=np.cumsum(np.exp(log_s)),
        )

    def curves_of(self, seed: int) -> list[Curve]:
        """The recorded curves of one seed."""
        return [curve for curve in self.curves if curve.seed == seed]

    def table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Configurations of seed 0 (N, P) as numbers, and (N,) logarithms of their last nats."""
        first = [curve.seed == 0 for curve in self.curves]
        return self._features[first], self._targets[first, self.epochs - 1]

    def pairs(self) -> list[tuple[float, float]]:
        """Logarithms of the last nats of configurations that were trained by two seeds."""
        last = {curve.key: self._target(curve)[self.epochs - 1] for curve in self.curves}
        return [(last[i, 0], last[i, 1]) for i, seed in last if seed == 1 and (i, 0) in last]

    @cached_property
    def best(self) -> float:
        """Lowest nats of any recorded or random configuration at any epoch, without luck."""
        chance = Uniform("best")
        random = [self.features(self.space.suggest(chance)) for _ in range(SEARCHED)]
        points = [*self._features, *map(np.array, random)]
        return float(np.exp(min(self._forest.at(x)[: self.epochs].min() for x in points)))

    @property
    def mean_seconds(self) -> float:
        """Of a whole training."""
        return float(np.mean(np.exp(self._targets[:, self.epochs :]).sum(axis=1)))

    def held_out(self, folds: int = 10) -> dict[str, float]:
        """Error on configurations that the trees have not seen.

        Returns:
            `rank`, Spearman's correlation of the last epoch's nats, predicted and recorded;
            `factor`, the median factor between them; `seconds_factor`, the same of the seconds.
        """
        indices = np.array([curve.index for curve in self.curves])
        order = np.random.default_rng(0).permutation(np.unique(indices))
        predicted = np.empty_like(self._targets)
        for fold in range(folds):
            out = np.isin(indices, order[fold::folds])
            model = trees().fit(self._features[~out], self._targets[~out])
            predicted[out] = model.predict(self._features[out])
        last = self.epochs - 1
        error = np.abs(predicted - self._targets)
        return {
            "configurations": float(len(order)),
            "rank": float(spearmanr(predicted[:, last], self._targets[:, last]).statistic),
            "factor": float(np.exp(np.median(error[:, last]))),
            "seconds_factor": float(np.exp(np.median(error[:, -1]))),
        }

    def _target(self, curve: Curve) -> NDArray[np.float64]:
        """(2 E,) logarithms of the nats after each epoch, then of each epoch's seconds."""
        nll = np.full(self.epochs, WORST)
        nll[: len(curve.valid_nll)] = curve.valid_nll
        each = np.diff(curve.seconds, prepend=0.0)
        seconds = np.full(self.epochs, float(np.median(each)))
        seconds[: len(each)] = each
        found: NDArray[np.float64] = np.log(np.concatenate([np.clip(nll, LEAST, WORST), seconds]))
        return found

    def _differences(self, first: Sequence[Curve]) -> NDArray[np.float64]:
        """(S, E) what seeds add to the logarithm of the nats, as often less as more."""
        of = {curve.index: self._target(curve)[: self.epochs] for curve in first}
        found = [
            (self._target(curve)[: self.epochs] - of[curve.index]) / np.sqrt(2)
            for curve in self.curves
            if curve.seed and curve.index in of
        ]
        return np.array([sign * one for one in found for sign in (1, -1)])


def trees() -> ExtraTreesRegressor:
    """Trees of which a leaf is the mean of a few curves."""
    return ExtraTreesRegressor(
        TREES, max_features=0.5, min_samples_leaf=LEAF, random_state=0, n_jobs=1
    )


class Forest:
    """The trees' mean for one point at a time, without the cost of a call for each tree.

    Args:
        model: fitted.
    """

    def __init__(self, model: ExtraTreesRegressor) -> None:
        grown = [estimator.tree_ for estimator in model.estimators_]
        sizes = [tree.node_count for tree in grown]
        self._roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
        shifts = np.repeat(self._roots, sizes)
        self._left = np.concatenate([tree.children_left for tree in grown]) + shifts
        self._right = np.concatenate([tree.children_right for tree in grown]) + shifts
        self._feature = np.concatenate([tree.feature for tree in grown])
        self._threshold = np.concatenate([tree.threshold for tree in grown])
        self._value = np.concatenate([tree.value[:, :, 0] for tree in grown])

    def at(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) targets at a point (P,)."""
        point, node = point.astype(np.float32), self._roots
        while (inner := self._feature[node] >= 0).any():
            feature, threshold = self._feature[node], self._threshold[node]
            below = np.where(point[feature] <= threshold, self._left[node], self._right[node])
            node = np.where(inner, below, node)
        found: NDArray[np.float64] = self._value[node].mean(axis=0)
        return found


def place(among: BaseDistribution, value: Any) -> float:
    """A value as a number, in [0, 1] where it lies in the distribution."""
    if isinstance(among, CategoricalDistribution):
        return among.choices.index(value) / max(1, len(among.choices) - 1)
    low, high = among.low, among.high  # type: ignore[attr-defined]
    if among.log:  # type: ignore[attr-defined]
        return float(np.log(value / low) / np.log(high / low))
    return float((value - low) / (high - low)) if high > low else 0.0


def back(among: BaseDistribution, at: float) -> Value:
    """The value of a number's distribution at a place in [0, 1]."""
    assert isinstance(among, FloatDistribution | IntDistribution), among
    low, high = among.low, among.high
    value = low * (high / low) ** at if among.log else low + at * (high - low)
    return nearest_value(
        "value", among, round(value) if isinstance(among, IntDistribution) else value
    )
