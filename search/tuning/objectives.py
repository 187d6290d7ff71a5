"""Objectives: the metrics a search compares, the constraints that must hold, whom it may stop.

One Objective serves all who need it: the study (directions, values, constraints), the scheduler,
the workers and the leaderboard. It knows neither Optuna nor Ray. `metrics` is a row of the epochs
table; a missing value counts as the worst.

`nll`, `accuracy` and the name of any metric want that metric of the last epoch. ASHA stops trials
by it at the rungs.

`cost` wants the cheapest configuration whose validation NLL, at the end of its own cycle, is at
most the target. The space then proposes `epochs` too, and the study gets the whole cycle's cost,
with `valid_nll - target` as a constraint: TPE ranks those that reached the target by cost, the
others by how much they lack, and never a cheap one that failed above an expensive one that did
not. Why the cycle's end and not the first epoch below the target: a one-cycle schedule reaches its
lowest NLL only at the end, so a shorter cycle beats leaving a longer one half-way; the first of
many noisy epochs below a line flatters; and the configuration alone, trained as it stands, then
costs what the study was given. Why no ASHA: at equal epochs a short cycle is ahead of a long one
that would reach the target alone, and at equal shares of the cycle it is the other way round.
Instead a trial stops as soon as it has cost as much as the cheapest that reached the target: it
cannot win any more, so nothing is lost.

`pareto` wants NLL and gap (or NLL and cost) both small and returns a front. Every trial has its
whole budget, for an untrained model has no gap and has cost nothing.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from captcha_models.renamed import NAMES
from captcha_models.training.metrics import EpochMetrics

Cost = Literal["images_seen", "seconds"]
Mode = Literal["min", "max"]
Metrics = Mapping[str, Any]

COSTS = ("images_seen", "seconds")
NLL = "valid_nll"
METRICS = tuple(f.name for f in fields(EpochMetrics) if f.name not in ("epoch", "device"))
"""What an objective may compare."""
_NAMED = ("nll", "accuracy", "cost", "pareto")
_STOPPING = ("halving", "bound", "never")
_TAKEN = (*METRICS, *_NAMED, *NAMES, "trial", "epoch", "checkpoint", "device")
"""Names of columns, today's and earlier ones."""


@dataclass(frozen=True)
class Constraint:
    """Holds for a trial whose metric is at most a bound; the study knows it by its name."""

    name: str
    metric: str
    most: float

    def violation(self, metrics: Metrics) -> float:
        """How far beyond the bound: at most 0 where the constraint holds."""
        return _value(metrics, self.metric) - self.most

    def __str__(self) -> str:
        return f"{self.metric} at most {self.most:g}"


@dataclass(frozen=True)
class Objective:
    """What counts as better.

    Attributes:
        metric: what a trial reports after each epoch, and ASHA compares at the rungs; a field of
            EpochMetrics, or with a function its name.
        mode: direction of `metric` and of all metrics; None is `max` for shares of captchas or
            characters that are read, else `min`.
        metrics: values of a trial with its whole budget, most important first.
        constraints: what a trial has to keep to be feasible.
        stopping: `halving` by ASHA, `bound` by the cheapest so far, or `never`.
        name: for records and messages.
        function: of one's own, computes `metric` from an epoch's metrics. Records keep its name
            and values.

    Raises:
        ValueError: a function without a name, or with the name of a metric.
    """

    metric: str = ""
    mode: Mode | None = None
    metrics: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    stopping: Literal["halving", "bound", "never"] = "halving"
    name: str = ""
    function: Callable[[EpochMetrics], float] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        own = self.name if self.function else ""
        for name, allowed in {"mode": ("min", "max", None), "stopping": _STOPPING}.items():
            if (value := getattr(self, name)) not in allowed:
                words = ", ".join(map(str, allowed))
                raise ValueError(f"objective: {name} = {value!r}: must be one of {words}")
        if self.function and (not re.fullmatch(r"[A-Za-z_]\w*", own) or own in _TAKEN):
            raise ValueError(
                f"objective function {own!r}: give it a name=... of letters, digits and "
                "underscores that is no metric's"
            )
        metric = own or self.metric or (self.metrics[0] if self.metrics else NLL)
        more = bool(re.search("match|accuracy|images_per_s", metric))
        for name, value in {
            "metric": metric,
            "mode": self.mode or ("max" if more else "min"),
            "metrics": self.metrics or (metric,),
            "name": self.name or metric,
        }.items():
            object.__setattr__(self, name, value)

    @property
    def cost(self) -> str | None:
        """The metric that is a cost, if there is one: then a trial's epochs vary too."""
        return next((name for name in self.metrics if name in COSTS), None)

    @property
    def computable(self) -> bool:
        """Whether the metric is known here: of a recorded function only its name is."""
        return self.function is not None or self.metric in METRICS

    def measured(self, metrics: EpochMetrics) -> dict[str, Any]:
        """An epoch's row of plain values, with the function's where there is one."""
        own = {self.metric: float(self.function(metrics))} if self.function else {}
        return {**metrics.as_dict(), **own}

    def values(self, metrics: Metrics) -> list[float]:
        """What the study gets of a trial with its whole budget."""
        return [float(metrics[name]) for name in self.metrics]

    def feasible(self, metrics: Metrics) -> bool:
        """Whether all constraints hold."""
        return all(one.violation(metrics) <= 0 for one in self.constraints)

    def order(self, metrics: Metrics) -> tuple[float, ...]:
        """Sorts trials with their whole budget, best first.

        The feasible by the metrics; then the infeasible by NLL, for a good model that misses a
        constraint is of more use than a bad one that misses it by less.
        """
        if not self.feasible(metrics):
            return 1.0, _value(metrics, NLL)
        return 0.0, *(self._signed(metrics, name) for name in self.metrics)

    def partial_order(self, metrics: Metrics) -> float:
        """Sorts trials without their whole budget; their constraints and costs say nothing yet."""
        return self._signed(metrics, self.metric)

    def bound(self, whole: Iterable[Metrics]) -> float:
        """Cost of the cheapest feasible trial among those with their whole budget; inf if none."""
        assert self.cost is not None
        costs = (_value(metrics, self.cost) for metrics in whole if self.feasible(metrics))
        return min(costs, default=math.inf)

    def to_json(self) -> dict[str, Any]:
        """Plain values without the function; `objective_of` reads them."""
        return {k: v for k, v in asdict(replace(self, function=None)).items() if k != "function"}

    def _signed(self, metrics: Metrics, name: str) -> float:
        worst = math.inf if self.mode == "min" else -math.inf
        return _value(metrics, name, worst) * (1 if self.mode == "min" else -1)


def objective_of(settings: Mapping[str, Any]) -> Objective:
    """The objective of a search.

    Args:
        settings: `objective`, which is a name, an Objective, or what `Objective.to_json` wrote;
            and where given `max_gap`, `target_nll`, `at_most` and `cost`.

    Raises:
        ValueError: no such objective or metric.
    """
    given: Any = settings["objective"]
    cost = settings.get("cost")
    bounds = {"nll": (NLL, settings.get("target_nll")), "gap": ("gap", settings.get("max_gap"))}
    bounds |= {name: (name, most) for name, most in (settings.get("at_most") or {}).items()}
    found = [Constraint(k, name, most) for k, (name, most) in bounds.items() if most is not None]
    if isinstance(given, Mapping):
        try:
            own = tuple(Constraint(**one) for one in given["constraints"])
            given = Objective(**{**given, "metrics": (*given["metrics"],), "constraints": own})
        except (KeyError, TypeError) as error:
            raise ValueError(f"objective = {dict(given)!r} is not one: {error!r}") from None
    elif given == "cost":
        given = Objective(NLL, "min", (cost or "images_seen",), stopping="bound", name=given)
    elif given == "pareto":
        given = Objective(NLL, "min", (NLL, cost or "gap"), stopping="never", name=given)
    elif isinstance(given, str):
        metric = {"nll": NLL, "accuracy": "valid_exact_match"}.get(given, given)
        given = Objective(metric, name=given)
    elif not isinstance(given, Objective):
        raise ValueError(f"objective = {given!r}: must be a name or an Objective")
    constraints = {one.name: one for one in (*given.constraints, *found)}
    objective: Objective = replace(given, constraints=tuple(constraints.values()))
    if not isinstance(settings["objective"], Mapping):
        _assert_known(objective)
    return objective


def _assert_known(objective: Objective) -> None:
    known = (*METRICS, objective.metric) if objective.function else METRICS
    if wrong := {objective.metric, *objective.metrics} - {*known}:
        raise ValueError(
            f"objective = {min(wrong)!r}: must be {', '.join(_NAMED)}, or a metric: "
            + ", ".join(METRICS)
        )
    if wrong := {one.metric for one in objective.constraints} - {*known}:
        raise ValueError(f"--at-most {min(wrong)}: must be a metric: {', '.join(known)}")


def front(points: Iterable[tuple[float, float]]) -> set[tuple[float, float]]:
    """Those points of which no other is better in one value and as good in the other (min, min)."""
    kept, least = set(), math.inf
    for point in sorted(points):
        if point[1] < least:
            kept.add(point)
            least = point[1]
    return kept


def exceeded(caps: Mapping[str, float], metrics: Metrics) -> str | None:
    """Why a trial has to end: the first cap that its cost has passed, in words; None is no reason.

    Args:
        caps: the most that a trial may cost, by `images_seen` or `seconds`.
        metrics: of its last epoch.
    """
    for name, most in caps.items():
        if metrics[name] > most:
            return f"{metrics[name]:g} {name}, more than --at-most {name}={most:g}"
    return None


def _value(metrics: Metrics, name: str, worst: float = math.inf) -> float:
    value = metrics.get(name)
    return worst if value is None else float(value)
