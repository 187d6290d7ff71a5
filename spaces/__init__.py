"""What may vary: one literal table per architecture, found by looking into this folder."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spaces._space import Space


def names() -> tuple[str, ...]:
    """Names of all spaces: the stems of this folder's public modules, sorted."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


def load(name: str) -> "Space":
    """The space of that name.

    Raises:
        ValueError: there is no such space.
    """
    if name not in names():
        raise ValueError(f"no space {name!r}: known are {', '.join(names())}")
    space: Space = import_module(f"spaces.{name}").SPACE
    return space
