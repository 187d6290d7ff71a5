"""What a search is after: the metrics it compares, the limits that have to hold, whom it may stop.

One Goal serves all who need it: the study (directions, values, constraints), the scheduler, the
workers and the leaderboard. Pure; knows neither Optuna nor Ray. `metrics` is a row of the epochs
table; a missing figure counts as the worst.

`nll` and `accuracy` want one metric of the last epoch. ASHA stops trials by it at the rungs.

`cost` wants the cheapest configuration whose validation NLL, at the end of its own cycle, is at
most the target. The space then proposes `epochs` too, and what the study is told is the whole
cycle's cost, with `valid_nll - target` as a constraint: TPE ranks those that reached the target by
cost, the others by how much they lack, and never a cheap one that failed above a dear one that did
not. Why the cycle's end and not the first epoch below the target: a one-cycle schedule reaches its
lowest NLL only at the end, so a shorter cycle beats leaving a longer one half-way; the first of
many noisy epochs below a line flatters; and the configuration alone, trained as it stands, then
costs what the study was told. Why no ASHA: at equal epochs a short cycle is ahead of a long one
that would reach the target alone, and at equal shares of the cycle it is the other way round.
Instead a trial stops as soon as it has cost as much as the cheapest that reached the target: it
cannot win any more, so nothing is lost.

`pareto` wants NLL and gap (or NLL and cost) both small and returns a front. Every trial has its
whole budget, for an untrained model has no gap and has cost nothing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Objective = Literal["nll", "accuracy", "cost", "pareto"]
Cost = Literal["images_seen", "seconds"]
Metrics = Mapping[str, Any]

COSTS = ("images_seen", "seconds")
NLL = "valid_nll"


@dataclass(frozen=True)
class Limit:
    """Holds for a trial whose metric is at most a bound; the study knows it by its name."""

    name: str
    metric: str
    most: float

    def violation(self, metrics: Metrics) -> float:
        """How far beyond the bound: at most 0 where the limit holds."""
        return _figure(metrics, self.metric) - self.most

    def __str__(self) -> str:
        return f"{self.metric} at most {self.most:g}"


@dataclass(frozen=True)
class Goal:
    """What counts as better.

    Attributes:
        metric: what a trial reports after each epoch, and ASHA compares at the rungs.
        mode: direction of `metric` and of all aims.
        aims: what the study is told of a trial with its whole budget, most important first.
        limits: what a trial has to keep to be feasible.
        stopping: `halving` by ASHA, `bound` by the cheapest so far, or `never`.
    """

    metric: str = NLL
    mode: Literal["min", "max"] = "min"
    aims: tuple[str, ...] = (NLL,)
    limits: tuple[Limit, ...] = ()
    stopping: Literal["halving", "bound", "never"] = "halving"

    @property
    def cost(self) -> str | None:
        """The aim that is a cost, if there is one: then a trial's epochs vary too."""
        return next((aim for aim in self.aims if aim in COSTS), None)

    def values(self, metrics: Metrics) -> list[float]:
        """What the study is told of a trial with its whole budget."""
        return [float(metrics[aim]) for aim in self.aims]

    def feasible(self, metrics: Metrics) -> bool:
        """Whether all limits hold."""
        return all(limit.violation(metrics) <= 0 for limit in self.limits)

    def order(self, metrics: Metrics) -> tuple[float, ...]:
        """Sorts trials with their whole budget, best first.

        The feasible by the aims; then the infeasible by NLL, for a good model that misses a limit
        is of more use than a bad one that misses it by less.
        """
        if not self.feasible(metrics):
            return 1.0, _figure(metrics, NLL)
        return 0.0, *(self._signed(metrics, aim) for aim in self.aims)

    def partial_order(self, metrics: Metrics) -> float:
        """Sorts trials without their whole budget, of which limits and costs say nothing yet."""
        return self._signed(metrics, self.metric)

    def bound(self, whole: Iterable[Metrics]) -> float:
        """Cost of the cheapest feasible trial among those with their whole budget; inf if none."""
        assert self.cost is not None
        costs = (_figure(metrics, self.cost) for metrics in whole if self.feasible(metrics))
        return min(costs, default=math.inf)

    def _signed(self, metrics: Metrics, name: str) -> float:
        worst = math.inf if self.mode == "min" else -math.inf
        return _figure(metrics, name, worst) * (1 if self.mode == "min" else -1)


def goal_of(settings: Mapping[str, Any]) -> Goal:
    """The goal of a search.

    Args:
        settings: `objective`, and where given `max_gap`, `target_nll` and `cost`.
    """
    cost = settings.get("cost")
    goals = {
        "nll": Goal(),
        "accuracy": Goal(
            "valid_exact_match", mode="max", aims=("valid_exact_match",)
        ),
        "cost": Goal(aims=(cost or "images_seen",), stopping="bound"),
        "pareto": Goal(aims=(NLL, cost or "gap"), stopping="never"),
    }  # fmt: skip
    bounds = {"nll": (NLL, settings.get("target_nll")), "gap": ("gap", settings.get("max_gap"))}
    limits = tuple(Limit(k, name, most) for k, (name, most) in bounds.items() if most is not None)
    return replace(goals[settings["objective"]], limits=limits)


def front(points: Iterable[tuple[float, float]]) -> set[tuple[float, float]]:
    """Those points of which no other is better in one value and as good in the other (min, min)."""
    kept, least = set(), math.inf
    for point in sorted(points):
        if point[1] < least:
            kept.add(point)
            least = point[1]
    return kept


def over(caps: Mapping[str, float], metrics: Metrics) -> str | None:
    """Why a trial has to end: the first cap that its cost has passed, in words; None is no reason.

    Args:
        caps: the most that a trial may cost, by `images_seen` or `seconds`.
        metrics: of its last epoch.
    """
    for name, most in caps.items():
        if metrics[name] > most:
            flag = name.replace("_", "-")
            return f"{metrics[name]:g} {name}, more than --max-trial-{flag} {most:g}"
    return None


def _figure(metrics: Metrics, name: str, worst: float = math.inf) -> float:
    value = metrics.get(name)
    return worst if value is None else float(value)
