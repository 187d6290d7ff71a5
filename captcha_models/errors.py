"""Errors of input and of training, and their texts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class InputError(ValueError):
    """Something the person gave is wrong; the text says what, which value, and what is allowed.

    Commands print the text on one line and end with exit code 2.
    """


class NonFiniteLossError(RuntimeError):
    """The training loss became infinite or not a number; the configuration cannot be trained."""


def explain(error: "ValidationError") -> str:
    """One line that names each refused field, its value and the rule.

    Args:
        error: what pydantic raised while a settings object was built.
    """
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "settings"
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown option {name!r}")
        elif item["type"] == "value_error":
            lines.append(str(item["ctx"]["error"]))
        else:
            rule = item["msg"].removeprefix("Input ").replace("should be", "must be")
            lines.append(f"{name} = {item['input']!r}: {rule}")
    return "; ".join(lines)


def one_line(error: BaseException) -> str:
    """Kind and last line of an error."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1].strip()}".rstrip(": ")
