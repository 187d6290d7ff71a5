"""Ranges typed on the command line: `1e-4..1e-3`, `32,64`, or one value that stays fixed."""

import math
from typing import Annotated, Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import TypeAdapter, ValidationError

from captcha_models.config import Config
from captcha_models.errors import InputError, explain
from spaces.space import Value

LOG = "log:"


def is_range(text: str) -> bool:
    """Whether a typed value is a range or choices, and not one value."""
    return ".." in text or "," in text


def read_field(fields: type[Config], name: str, value: object) -> Value:
    """A value as one field of a Config reads it, whatever the others are.

    Raises:
        ValueError: the field does not take it; says the rule.
    """
    field = fields.model_fields[name]
    kind: Any = Annotated[field.annotation, field]
    try:
        found: Value = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name} = {value!r}: {explain(error).partition(': ')[2]}") from None
    return found


def read_range(
    fields: type[Config], name: str, text: str, table: BaseDistribution | None
) -> BaseDistribution:
    """The distribution that `--set NAME=TEXT` asks for.

    Args:
        fields: of the architecture.
        name: of one of them.
        text: `LOW..HIGH`, both included, with the scale and the step of the table, `log:LOW..HIGH`
            for a logarithmic scale, or choices with commas between them.
        table: the parameter's distribution so far; None if it has not varied.

    Raises:
        InputError: written otherwise, or a value that the field does not take.
    """
    try:
        if ".." not in text:
            choices = [read_field(fields, name, part.strip()) for part in text.split(",")]
            return CategoricalDistribution(list(dict.fromkeys(choices)))
        ends = text.removeprefix(LOG).partition("..")[::2]
        low, high = (read_field(fields, name, part.strip()) for part in ends)
        return _between(low, high, table, log=text.startswith(LOG))
    except ValueError as error:
        raise InputError(
            f"--set {name}={text}: {error}; write LOW..HIGH, log:LOW..HIGH, or choices such as 1,2"
        ) from None


def _between(
    low: Value, high: Value, table: BaseDistribution | None, *, log: bool
) -> BaseDistribution:
    if isinstance(low, bool | str) or isinstance(high, bool | str):
        raise ValueError("only numbers have a range")
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError("the range has to be finite, the lower end first")
    known = table if isinstance(table, FloatDistribution | IntDistribution) else None
    log = log or (known is not None and known.log)
    if log and low <= 0:
        raise ValueError("a logarithmic range begins above 0")
    step = None if log or known is None else known.step
    if step and abs((high - low) / step - round((high - low) / step)) > 1e-8:
        raise ValueError(f"the ends have to lie whole steps of {step} apart")
    if isinstance(low, int):
        return IntDistribution(low, int(high), log=log, step=int(step or 1))
    return FloatDistribution(low, high, log=log, step=step)
