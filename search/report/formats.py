"""Values as people write them, the same in the terminal and on the page."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from captcha_models.words import percent


def figure(value: float | None, digits: int = 4) -> str:
    """A figure with so many digits, or two if it is 10 or more; nothing for None."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if abs(value) < 10 else f"{value:.{min(digits, 2)}f}"


def share(value: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    return "" if value is None else percent(value, digits)


def minutes(seconds: float | None) -> str:
    """A duration in minutes, or hours from two of them."""
    if seconds is None:
        return ""
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def spent(cost: Mapping[str, Mapping[str, float]], sessions: Sequence[Mapping[str, Any]]) -> str:
    """What a search cost: by the clock, in trials, on GPUs, in money, in images seen, and for what.

    Args:
        cost: by the state of trials, as `trials.cost` has it.
        sessions: of the run, whose prices may be known.
    """
    parts = {state: part for state, part in cost.items() if part["trials"]}
    seconds, images, gpu, money = (
        sum(part[name] for part in parts.values())
        for name in ("seconds", "images_seen", "gpu_seconds", "money")
    )
    told = [f"{minutes(seconds)} of trials"]
    if clock := sum(map(_clock_s, sessions)):
        told.insert(0, f"{minutes(clock)} by the clock")
    if gpu:
        told.append(f"{minutes(gpu)} of GPU time")
    if machines := sum(one.get("cost") or 0.0 for one in sessions):
        told.append(f"{machines:.2f} in money for all machines, {money:.2f} of it in trials")
    elif money:
        told.append(f"{money:.2f} in money")
    shares = ", ".join(f"{share(part['share'], 0)} {state}" for state, part in parts.items())
    return f"{', '.join(told)}, {images:,.0f} images seen: {shares or 'nothing yet'}"


def _clock_s(session: Mapping[str, Any]) -> float:
    try:
        ended = datetime.fromisoformat(session["ended"])
        return max(0.0, (ended - datetime.fromisoformat(session["started"])).total_seconds())
    except (KeyError, TypeError, ValueError):
        return 0.0


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
