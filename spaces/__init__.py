"""Search spaces: literal tables for one architecture each, in this folder or from outside."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spaces.space import Space

GROUP = "captcha_search.spaces"
"""Entry points of other packages that are a Space."""
WIDE = "-wide"
"""End of the name of a space with all that may vary; `all` leaves such a one out."""
SHARED = {"__init__", "chance", "classifier", "prior", "ranges", "regularisation", "space"}
"""Modules of this folder that are no table."""


def names() -> tuple[str, ...]:
    """Names of the spaces: the tables of this folder, and the entry points of other packages."""
    from captcha_models.outside import entry_names

    return (*_tables(), *(name for name in entry_names(GROUP) if name not in _tables()))


def load(ref: str) -> "Space":
    """A space.

    Args:
        ref: one of `names()`, `module:NAME` or `file.py:NAME`.

    Raises:
        ValueError: there is no such space, or what is there is none.
    """
    from spaces.space import Space

    if ref in _tables():
        found = import_module(f"spaces.{ref.replace('-', '_')}").SPACE
    elif ":" in ref or ref in names():
        from captcha_models.outside import load_object

        found = load_object(ref, GROUP)
    else:
        raise ValueError(
            f"no space {ref!r}: choose {', '.join(names())}, or give module:NAME or file.py:NAME"
        )
    if not isinstance(found, Space):
        raise ValueError(f"{ref} is no Space but {found!r:.60}")
    return found


def _tables() -> tuple[str, ...]:
    stems = {file.stem for file in Path(__file__).parent.glob("*.py")}
    return tuple(sorted(stem.replace("_", "-") for stem in stems - SHARED))
