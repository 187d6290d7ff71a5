"""One sentence: what to do next with a run."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any

from search.report.loader import Run, number
from search.report.trials import parameters
from search.store.leaderboard import objective_of
from search.store.status import STATUS_FILE

EDGE = 0.03
"""A value so near to an end of its range, as a share of it, counts as at the end."""
LEADERS, MOST = 5, 4
"""Of so many of the best so many have to stand there: three of five may by chance."""
ENOUGH = 10
"""Completed trials from which on ends of ranges and late finds mean something."""
SILENT = timedelta(minutes=5)
"""A search tells every few seconds how it stands; one that is so long silent is no more."""
Boards = Mapping[str, Sequence[Mapping[str, Any]]]


def advice(run: Run, facts: Boards) -> str:
    """What to do next, the most pressing first."""
    rows = [row for board in facts.values() for row in board]
    path = run.records.path
    ended = [row for row in rows if row["state"] != "unfinished"]
    if not rows:
        return "No trial has begun: wait for the search, or start one with python -m search.run."
    if ended and all(row["state"] == "failed" for row in ended):
        return f"All {len(ended)} trials that ended failed, the last with: {_last_error(ended)}"
    if open_ := _unfinished(run, rows):
        return open_
    if not any(row["state"] == "completed" for row in rows):
        return "No trial had its full budget: give the search more time, or fewer epochs a trial."
    objective = objective_of(run.records)
    if objective.constraints and not any(
        row["feasible"] for row in rows if row["state"] == "completed"
    ):
        limits = " and ".join(map(str, objective.constraints))
        return f"No completed trial has {limits}: search longer, or ask for less."
    space = _leading_space(facts)
    board = facts[space]
    if not run.fits.get(space):
        # Once its best are being confirmed, a space has been found good enough.
        more = at_an_end(run, space, board) or still_improving(space, board)
        if more:
            return more
    return _confirmation(run, space, str(path))


def _last_error(ended: Sequence[Mapping[str, Any]]) -> str:
    last = max(ended, key=lambda row: str(row["ended"]))
    return f"{last['error']} ({last['trial']}): mend that first."


def _unfinished(run: Run, rows: Sequence[Mapping[str, Any]]) -> str | None:
    count = sum(row["state"] == "unfinished" for row in rows)
    sittings = run.about["sittings"]
    wanted = number(run.about["settings"].get("trials"))
    asked = f" of {wanted * len(run.spaces):g}" if wanted else ""
    if sittings and sittings[-1].get("ended") is None:
        told = f"{len(rows) - count}{asked} trials have ended"
        seen = _last_sign(run)
        if seen is None:
            return (
                f"The search is still running, or was killed: {told}; look again later, "
                f"or {_resume(run)}."
            )
        if datetime.now(UTC) - seen < SILENT:
            return f"The search is running: {told}; look again later."
        at = f"{seen.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"The search was killed, its last sign is of {at}: {told}; {_resume(run)}."
    if count:
        return f"{count} trial(s) were interrupted: {_resume(run)}."
    return None


def _last_sign(run: Run) -> datetime | None:
    """When the sitting that never ended last told how it stood, if it did."""
    try:
        found = json.loads((run.records.path / STATUS_FILE).read_text(encoding="utf-8"))
        seen = datetime.fromisoformat(found["updated"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return None if seen.tzinfo is None else seen


def _resume(run: Run) -> str:
    place = run.records.path
    parent = f" --runs-dir {quote(str(place.parent))}" if place.parent != Path("runs") else ""
    return f"go on with python -m search.run{parent} --name {quote(place.name)} --resume"


def _leading_space(facts: Boards) -> str:
    def value(space: str) -> float:
        rows = [row for row in facts[space] if row["state"] == "completed"]
        return min((row["valid_nll"] for row in rows if row["valid_nll"] is not None), default=9e9)

    return min(facts, key=value)


def at_an_end(run: Run, space: str, board: Sequence[Mapping[str, Any]]) -> str | None:
    """Whether most of the best trials stand at one end of a parameter's range."""
    whole = [row for row in board if row["state"] == "completed"]
    if len(whole) < ENOUGH:
        return None
    for name, one in parameters(run, space).items():
        low, high = one["low"], one["high"]
        # How long a cycle may be is --epochs, no end of the space.
        if low is None or high is None or not low < high or name == "epochs":
            continue
        places = [_share(row["config"].get(name), low, high, one["log"]) for row in whole]
        for end, bound, near in (
            ("lower", low, [place is not None and place <= EDGE for place in places]),
            ("upper", high, [place is not None and place >= 1 - EDGE for place in places]),
        ):
            # A share of nothing, such as no dropout, cannot be gone below; and where all trials
            # are at the end, nothing says that it is better there.
            if bound != 0 and sum(near[:LEADERS]) >= MOST and not all(near):
                return (
                    f"{sum(near[:LEADERS])} of the best {LEADERS} trials of {space} have {name} at "
                    f"its {end} bound {bound:g}: widen spaces/{space}.py there and search on."
                )
    return None


def _share(value: Any, low: float, high: float, log: bool) -> float | None:
    found = number(value)
    if found is None:
        return None
    if log:
        if min(found, low) <= 0:
            return None
        return (math.log(found) - math.log(low)) / (math.log(high) - math.log(low))
    return (found - low) / (high - low)


def still_improving(space: str, board: Sequence[Mapping[str, Any]]) -> str | None:
    """Whether the best trial was found among the last fifth."""
    whole = [row for row in board if row["state"] == "completed"]
    if len(whole) < ENOUGH:
        return None
    newest = max(row["number"] for row in board)
    first = whole[0]
    if first["number"] >= 0.8 * newest and newest >= ENOUGH:
        return (
            f"The best of {space}, {first['trial']}, came among the last fifth of the trials: "
            "search longer (--resume with more --trials) before confirming."
        )
    return None


def _confirmation(run: Run, space: str, path: str) -> str:
    command = f"python -m search.confirm {quote(path)}"
    found = run.confirmed.get(space)
    if not run.fits.get(space):
        return f"Nothing is confirmed, and the best is partly the lucky one: {command}"
    if not found or not found["chosen"]:
        names = ", ".join(sorted(run.fits[space]))
        return f"The confirmation is not complete (fits of {names}): go on with {command}"
    if not found["test"]:
        return f"{found['chosen']} is confirmed, not yet tested: judge it once with {command}"
    return (
        f"{found['chosen']} is confirmed and tested: train it for use with python -m "
        f"captcha_models.train --config {quote(f'{path}/confirmed/{space}.toml')}"
    )
