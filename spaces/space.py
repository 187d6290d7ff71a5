"""Search space: a table of distributions, the conditions between them, and a baseline.

It knows nothing of models or of Ray, and holds plain data only, so that it can be pickled, written
as JSON and compared by digest.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution

from spaces.prior import Prior
from spaces.ranges import (
    Suggester,
    Value,
    Values,
    described,
    ends,
    inside,
    nearest,
    nearest_value,
    suggest_value,
)

__all__ = ["Condition", "Prior", "Space", "Value", "Values"]


@dataclass(frozen=True)
class Condition:
    """A parameter appears only when its parent has one of these values.

    Attributes:
        parent: name of a parameter that stands earlier in the table.
        values: values of the parent that make the parameter appear.
    """

    parent: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Space:
    """What may vary in one architecture.

    Attributes:
        name: the space's own name, one of a kind in a run.
        parameters: distribution of each parameter, both ends included; the order is the order in
            which they are suggested.
        baseline: the source's own value of each parameter, conditional ones too.
        conditions: parameters that do not always appear.
        known: points that did well before, tried right after the baseline.
        fixed: parameters taken out of the search, with the value they keep.
        arch: name of the architecture; by default the space's own name.
        priors: where good values are expected, of some or all parameters.

    Raises:
        ValueError: the table contradicts itself, such as a baseline outside it.
    """

    name: str
    parameters: Mapping[str, BaseDistribution]
    baseline: Values
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    known: tuple[Values, ...] = ()
    fixed: Values = field(default_factory=dict)
    arch: str = ""
    priors: Mapping[str, Prior] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arch", self.arch or self.name)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name) or self.name == "all":
            raise ValueError(
                f"space {self.name!r}: write its name in letters, digits, dots, dashes and "
                "underscores; it names trials and folders, and cannot be all"
            )
        seen = set(self.fixed)
        for name in self.parameters:
            if name in seen:
                raise ValueError(f"space {self.name}: {name} is fixed and varies")
            condition = self.conditions.get(name)
            if condition and condition.parent not in seen:
                raise ValueError(
                    f"space {self.name}: {name} depends on {condition.parent!r}, "
                    "which does not stand before it"
                )
            seen.add(name)
        if seen != set(self.baseline) | set(self.fixed):
            odd = ", ".join(sorted(seen ^ set(self.baseline)))
            raise ValueError(f"space {self.name}: table and baseline differ in {odd}")
        for name, prior in self.priors.items():
            if (reason := prior.refusal(self.parameters.get(name))) is not None:
                raise ValueError(f"space {self.name}: prior of {name}: {reason}")
        if self.fixed.keys().isdisjoint(self.parameters):
            for point in (self.baseline, *self.known):
                self.assert_contains(self.start(point))

    def active(self, values: Values) -> dict[str, Value]:
        """The values without those parameters whose condition they do not meet."""
        kept: dict[str, Value] = {}
        for name in [*self.fixed, *self.parameters]:
            if name in values and self._appears(name, kept):
                kept[name] = values[name]
        return kept

    def suggest(self, trial: Suggester) -> dict[str, Value]:
        """A point: the fixed values, and what the trial proposes for all that appear."""
        point: dict[str, Value] = dict(self.fixed)
        for name, among in self.parameters.items():
            if self._appears(name, point):
                point[name] = suggest_value(trial, name, among)
        return point

    def contains(self, values: Values) -> bool:
        """Whether `assert_contains` accepts the values."""
        try:
            self.assert_contains(values)
        except ValueError:
            return False
        return True

    def assert_contains(self, values: Values) -> None:
        """Check a whole point: every parameter that appears, no other, each in range.

        Raises:
            ValueError: names the parameter, its value and what is allowed.
        """
        for name, value in values.items():
            if name in self.fixed:
                if value != self.fixed[name]:
                    raise ValueError(f"{name} = {value!r}: fixed at {self.fixed[name]!r}")
            elif name not in self.parameters:
                known = ", ".join([*self.fixed, *self.parameters])
                raise ValueError(f"unknown parameter {name!r}: space {self.name} has {known}")
            elif not self._appears(name, values):
                rule = self.conditions[name]
                allowed = ", ".join(map(repr, rule.values))
                raise ValueError(
                    f"{name} = {value!r}: appears only when {rule.parent} is one of {allowed}"
                )
            elif not inside(self.parameters[name], value):
                raise ValueError(f"{name} = {value!r}: must be {described(self.parameters[name])}")
        for name in [*self.fixed, *self.parameters]:
            if name not in values and self._appears(name, values):
                raise ValueError(f"{name} is missing from the point of space {self.name}")

    def changed(self, changes: Mapping[str, Value | BaseDistribution]) -> Self:
        """The space with some parameters fixed, or with another range.

        Baseline and known points are moved to the nearest allowed point; of those that become
        equal one is kept.

        Args:
            changes: by name, the value that a parameter keeps, which need not lie in its old
                range, or its new distribution.

        Raises:
            ValueError: a name that is no parameter.
        """
        for name in changes:
            if name not in self.parameters and name not in self.fixed:
                known = ", ".join(self.parameters)
                raise ValueError(f"unknown parameter {name!r}: space {self.name} has {known}")
        fixed = {k: v for k, v in changes.items() if not isinstance(v, BaseDistribution)}
        ranges = {k: v for k, v in changes.items() if isinstance(v, BaseDistribution)}
        parameters = {k: ranges.get(k, v) for k, v in self.parameters.items() if k not in fixed}

        def moved(point: Values) -> dict[str, Value]:
            return {
                k: nearest_value(k, parameters[k], v) for k, v in point.items() if k in parameters
            }

        found = replace(
            self,
            parameters=parameters,
            baseline=moved(self.baseline),
            conditions={
                k: v
                for k, v in self.conditions.items()
                if k not in fixed and self._says_something(v, changes)
            },
            known=(),
            fixed={**self.fixed, **fixed},
            priors={k: v.moved(parameters[k]) for k, v in self.priors.items() if k in parameters},
        )
        starts: list[Values] = [found.baseline]
        for point in map(moved, self.known):
            if found.start(point) not in map(found.start, starts):
                starts.append(point)
        return replace(found, known=tuple(starts[1:]))

    def start(self, point: Values) -> dict[str, Value]:
        """The point as a trial begins with it: with what is fixed, and only what appears."""
        return self.active({**point, **self.fixed})

    def _says_something(
        self, rule: Condition, changes: Mapping[str, Value | BaseDistribution]
    ) -> bool:
        """Whether the parent keeps to the table: of other values a condition says nothing."""
        among, change = self.parameters.get(rule.parent), changes.get(rule.parent)
        if among is None or change is None:
            return True
        values = ends(change) if isinstance(change, BaseDistribution) else (change,)
        return all(inside(among, value) for value in values)

    def widened(
        self, name: str, among: BaseDistribution, value: Value, tried: Sequence[Value]
    ) -> Self:
        """The space with one more parameter, or one that varies where it was fixed.

        Args:
            name: of the parameter.
            among: its distribution.
            value: of the baseline.
            tried: every known point is tried with the first of them, then with the next.
        """
        return replace(
            self,
            parameters={name: among, **self.parameters},
            baseline={name: nearest_value(name, among, value), **self.baseline},
            known=tuple({**point, name: each} for each in tried for point in self.known),
            fixed={k: v for k, v in self.fixed.items() if k != name},
        )

    def knowing(self, point: Values) -> Self:
        """The space with one more known point.

        Raises:
            ValueError: the point is not in the space.
        """
        return replace(self, known=(*self.known, dict(point)))

    def nearest(self, values: Values) -> dict[str, Value]:
        """The point nearest to some values: numbers are moved to the nearest allowed one.

        Args:
            values: of every parameter; others are ignored, and so are those of fixed ones.

        Returns:
            The values of all parameters that appear.

        Raises:
            ValueError: a choice without a nearest one, or a value that is missing.
        """
        moved = {k: nearest(k, v, values) for k, v in self.parameters.items()}
        point = self.active({**moved, **self.fixed})
        return {k: v for k, v in point.items() if k in self.parameters}

    @property
    def digest(self) -> str:
        """Sha256 (hex) of the space's JSON: equal exactly when the spaces are."""
        text = json.dumps(self.to_json(), separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them back."""
        return {
            "name": self.name,
            # Left out where it says nothing, as in the records of before there was an arch.
            **({"arch": self.arch} if self.arch != self.name else {}),
            "parameters": {
                k: json.loads(distribution_to_json(v)) for k, v in self.parameters.items()
            },
            "baseline": dict(self.baseline),
            "conditions": {
                k: {"parent": v.parent, "values": list(v.values)}
                for k, v in self.conditions.items()
            },
            "known": [dict(point) for point in self.known],
            "fixed": dict(self.fixed),
            **({"priors": {k: asdict(v) for k, v in self.priors.items()}} if self.priors else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The space that `to_json` wrote."""
        return cls(
            name=data["name"],
            parameters={
                k: json_to_distribution(json.dumps(v)) for k, v in data["parameters"].items()
            },
            baseline=data["baseline"],
            conditions={
                k: Condition(v["parent"], tuple(v["values"])) for k, v in data["conditions"].items()
            },
            known=tuple(data["known"]),
            fixed=data["fixed"],
            arch=data.get("arch", ""),
            priors={k: Prior(**v) for k, v in data.get("priors", {}).items()},
        )

    def _appears(self, name: str, values: Values) -> bool:
        rule = self.conditions.get(name)
        return rule is None or (rule.parent in values and values[rule.parent] in rule.values)
