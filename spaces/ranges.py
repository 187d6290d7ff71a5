"""Distributions of one parameter: what lies inside, what is nearest, and how it is suggested."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Value = bool | int | float | str
Values = Mapping[str, Value]
MOST_VALUES = 64
"""Values of a whole number that `values_of` tells; of longer ranges as many, equally far apart."""


class Suggester(Protocol):
    """The part of an Optuna trial that a space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool
    ) -> float: ...  # fmt: skip

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


def suggest_value(trial: Suggester, name: str, among: BaseDistribution) -> Value:
    """What the trial proposes for the parameter."""
    if isinstance(among, FloatDistribution):
        return trial.suggest_float(name, among.low, among.high, step=among.step, log=among.log)
    if isinstance(among, IntDistribution):
        return trial.suggest_int(name, among.low, among.high, step=among.step, log=among.log)
    assert isinstance(among, CategoricalDistribution), among
    value: Value = trial.suggest_categorical(name, among.choices)
    return value


def ends(among: BaseDistribution) -> tuple[Value, ...]:
    """Both ends of a range, or all choices."""
    if isinstance(among, CategoricalDistribution):
        return tuple(value for value in among.choices if value is not None)
    assert isinstance(among, FloatDistribution | IntDistribution), among
    return among.low, among.high


def nearest_value(name: str, among: BaseDistribution, value: Value) -> Value:
    """The nearest allowed value, or where there is no nearest one the first."""
    try:
        return nearest(name, among, {name: value})
    except ValueError:
        return ends(among)[0]


def nearest(name: str, among: BaseDistribution, values: Values) -> Value:
    """The value moved to the nearest allowed one; a ValueError if there is none."""
    if name not in values:
        raise ValueError(f"{name} is missing")
    value = values[name]
    if inside(among, value):
        return value
    numbers = [n for n in ends(among) if not isinstance(n, bool | str)]
    if isinstance(value, bool | str) or not numbers:
        raise ValueError(f"{name} = {value!r}: must be {described(among)}")
    if isinstance(among, CategoricalDistribution):
        return min(numbers, key=lambda n: abs(n - value))
    assert isinstance(among, FloatDistribution | IntDistribution), among
    held = min(max(value, among.low), among.high)
    if among.step:
        # Optuna has made the upper end a whole number of steps.
        held = among.low + round((held - among.low) / among.step) * among.step
        held = min(held, among.high)
    return round(held) if isinstance(among, IntDistribution) else held


def inside(among: BaseDistribution, value: Value) -> bool:
    """Whether the distribution holds the value, of its type and on its steps."""
    if isinstance(among, CategoricalDistribution):
        return any(value == choice and type(value) is type(choice) for choice in among.choices)
    assert isinstance(among, FloatDistribution | IntDistribution), among
    whole = isinstance(among, IntDistribution)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    if not among.low <= value <= among.high:
        return False
    steps = (value - among.low) / among.step if among.step else 0.0
    return abs(steps - round(steps)) < 1e-8


def described(among: BaseDistribution) -> str:
    """What the distribution holds, in words."""
    if isinstance(among, CategoricalDistribution):
        return "one of " + ", ".join(map(repr, among.choices))
    assert isinstance(among, FloatDistribution | IntDistribution), among
    kind = "a whole number" if isinstance(among, IntDistribution) else "a number"
    stepped = among.step is not None and not (kind == "a whole number" and among.step == 1)
    steps = f" in steps of {among.step}" if stepped else ""
    return f"{kind} from {among.low} to {among.high}{steps}"


def values_of(among: BaseDistribution) -> list[Value]:
    """All values of a distribution, or many, in order; of a continuous one both ends."""
    if not isinstance(among, IntDistribution):
        return list(dict.fromkeys(ends(among)))
    last = (among.high - among.low) // among.step
    places = range(min(last + 1, MOST_VALUES))
    spread = max(last / (MOST_VALUES - 1), 1.0)
    return [among.low + round(place * spread) * among.step for place in places]


def only(among: BaseDistribution, kept: Sequence[Value]) -> BaseDistribution:
    """The distribution of those of its values alone; in a range they lie side by side."""
    if not isinstance(among, IntDistribution):
        return CategoricalDistribution(list(kept))
    low, high = (value for value in (kept[0], kept[-1]) if isinstance(value, int))
    return IntDistribution(low, high, log=among.log, step=among.step)


def around(among: BaseDistribution, kept: Sequence[Value], safe: Value) -> Value | BaseDistribution:
    """What is left of a distribution: those values side by side in it that the safe one is among.

    Args:
        among: the distribution.
        kept: values of `values_of(among)`.
        safe: one of them; of a continuous distribution nothing else is left.
    """
    every = values_of(among)
    if isinstance(among, FloatDistribution) or safe not in every:
        return safe
    if isinstance(among, CategoricalDistribution):
        return only(among, kept)
    low = high = every.index(safe)
    while low > 0 and every[low - 1] in kept:
        low -= 1
    while high + 1 < len(every) and every[high + 1] in kept:
        high += 1
    return only(among, every[low : high + 1])
