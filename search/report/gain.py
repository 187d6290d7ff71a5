"""Gain of a search: its best trial against the best of the points that it started from.

A search whose best trial is one that was put in by hand has found nothing, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from captcha_models.words import counted
from search.confirmation.intervals import Estimate, Observations, estimate
from search.report import formats
from search.report.loader import Run
from search.store.leaderboard import is_starting_point, leaderboard, objective_of

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Gain:
    """What a space's search found over its starting points.

    Attributes:
        metric: the objective's.
        start: row of the best starting point on the leaderboard; None if none has reported.
        found: row of the best other trial; None if none has reported.
        better: whether that one is better, by the search's own figures.
        start_s: seconds from the beginning of the search until the starting point had ended.
        found_s: the same of the other.
        lower: by how many nats an image the found trial's NLL is lower, on paired images, with its
            interval over the images; None without the predictions of both.
    """

    metric: str
    start: Row | None
    found: Row | None
    better: bool
    start_s: float | None
    found_s: float | None
    lower: Estimate | None
    limits: str = ""
    """What the found trial keeps to and the starting point does not, where that decides."""

    def describe(self, space: str) -> str | None:
        """One line; None where there is nothing to compare."""
        if self.start is None:
            return None
        first = _told(self.start, self.metric, self.start_s)
        if self.found is None:
            return f"{space}: no trial beyond the starting points; the best of these is {first}"
        found = _told(self.found, self.metric, self.found_s)
        if "unfinished" in (self.start["state"], self.found["state"]):
            return (
                f"{space}: not decided while trials are unfinished: the best starting point is "
                f"{first}, the best other trial {found}"
            )
        if not self.better:
            return (
                f"{space}: the search found nothing better than the starting point {first}; its "
                f"best other trial is {found}"
            )
        return f"{space}: {found} is better than the best starting point, {first}{self._sure()}"

    def _sure(self) -> str:
        if self.limits:
            return f": only the first has {self.limits}"
        if self.lower is None:
            return ""
        low, high = (formats.figure(end) for end in (self.lower.low, self.lower.high))
        interval = f"{formats.figure(self.lower.mean)} nats lower, 95 % {low} to {high} over "
        told = "" if self.lower.low > 0 else ", which does not tell them apart"
        return f": {interval}{counted(self.lower.num_images, 'image')} of one training each{told}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        sides = {"start": (self.start, self.start_s), "found": (self.found, self.found_s)}
        found: dict[str, Any] = {
            name: row and {"trial": row["trial"], self.metric: row[self.metric], "after_s": after}
            for name, (row, after) in sides.items()
        }
        lower = self.lower
        return {
            **found,
            "better": self.better,
            "lower": lower and {k: getattr(lower, k) for k in ("mean", "low", "high")},
        }


def gain(run: Run, space: str) -> Gain:
    """What the search of a space found over its starting points."""
    objective = objective_of(run.records)
    if len(objective.metrics) > 1:
        # Of a front no trial is the best.
        return Gain(objective.metric, None, None, False, None, None, None)
    metric = objective.metrics[0]
    board = [row for row in leaderboard(run.records, space) if row.get(metric) is not None]
    points = {row["trial"]: is_starting_point(run.records, row["trial"]) for row in board}
    starts = [row for row in board if points[row["trial"]]]
    others = [row for row in board if not points[row["trial"]]]
    start, found = (rows[0] if rows else None for rows in (starts, others))
    # Of equal figures the one that stands first is better: it was there before.
    better = found is not None and (start is None or board[0] is found)
    lower, limits = None, ""
    if better and start is not None and found is not None:
        if found.get("feasible", True) != start.get("feasible", True):
            limits = " and ".join(map(str, objective.constraints))
        elif metric == "valid_nll":
            kept = run.predictions.trials
            lower = paired(kept.get(start["trial"]), kept.get(found["trial"]))
    return Gain(metric, start, found, better, _after(run, start), _after(run, found), lower, limits)


def paired(one: Row | None, other: Row | None) -> Estimate | None:
    """By how many nats an image the other's NLL is lower, of predictions for the same images.

    None where one of the two kept none, or where they are not of as many images.
    """
    nlls = [row["nlls"] for row in (one, other) if row]
    if len(nlls) < 2 or len(nlls[0]) != len(nlls[1]) or len(nlls[0]) < 2:
        return None
    names = tuple(map(str, range(len(nlls[0]))))
    own = [Observations(np.array(one, dtype=float), names, (0,) * len(one)) for one in nlls]
    return estimate(own[0].minus(own[1]))


def _after(run: Run, row: Row | None) -> float | None:
    """Seconds from the space's first trial on; pauses between sessions do not count."""
    if row is None:
        return None
    own = [one for one in run.records.trials.values() if one["space"] == row["space"]]
    try:
        begin = min(datetime.fromisoformat(one["started"]) for one in own)
        end = datetime.fromisoformat(run.records.trials[row["trial"]]["ended"])
        return sum(_span(one, begin, end) for one in run.about["sessions"])
    except (ValueError, TypeError, KeyError):
        return None


def _span(session: Row, begin: datetime, end: datetime) -> float:
    """Seconds of a session that lie between two times."""
    first = max(begin, datetime.fromisoformat(session["started"]))
    last = min(end, datetime.fromisoformat(session["ended"])) if session.get("ended") else end
    return max(0.0, (last - first).total_seconds())


def _told(row: Row, metric: str, after_s: float | None) -> str:
    value = row[metric]
    figures = [f"{metric} {value if isinstance(value, int) else formats.figure(value)}"]
    if row["state"] != "completed":
        figures.append(f"{row['state']} after {counted(row['epochs'], 'epoch')}")
    if after_s is not None:
        figures.append(f"after {formats.minutes(after_s)}")
    return f"{row['trial']} ({', '.join(figures)})"


def lines(run: Run, spaces: Sequence[str]) -> list[str]:
    """A line on each space that has something to compare."""
    found = (gain(run, space).describe(space) for space in spaces)
    return [line for line in found if line]
