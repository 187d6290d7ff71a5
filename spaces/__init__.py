"""What may vary: one literal table per architecture, found by looking into this folder."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spaces.space import Space

SHARED = {"__init__", "classifier", "regularisation", "space"}
"""Modules of this folder that are no table."""


def names() -> tuple[str, ...]:
    """Names of all spaces: the stems of this folder's modules that are tables, sorted."""
    stems = {file.stem for file in Path(__file__).parent.glob("*.py")}
    return tuple(sorted(stems - SHARED))


def load(name: str) -> "Space":
    """The space of that name.

    Raises:
        ValueError: there is no such space.
    """
    if name not in names():
        raise ValueError(f"no space {name!r}: known are {', '.join(names())}")
    space: Space = import_module(f"spaces.{name}").SPACE
    return space
