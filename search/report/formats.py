"""Values as people write them, the same in the terminal and on the page."""

import shlex
from typing import Any


def figure(value: float | None, digits: int = 4) -> str:
    """A figure with so many digits, or two if it is 10 or more; nothing for None."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if abs(value) < 10 else f"{value:.{min(digits, 2)}f}"


def share(value: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    return "" if value is None else f"{100 * value:.{digits}f} %"


def minutes(seconds: float | None) -> str:
    """A duration in minutes, or hours from two of them."""
    if seconds is None:
        return ""
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def setting(value: Any) -> str:
    """A parameter or setting of any kind."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={setting(own)}" for name, own in value.items())
    if isinstance(value, list):
        return ", ".join(map(setting, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def command(words: Any) -> str:
    """A command as a shell takes it."""
    return shlex.join(map(str, words)) if isinstance(words, list) else str(words)
