"""Figure of the page: plain data in Plotly's form, and a table that says the same.

Colours are legible on white and on black; what a colour says, a symbol, a name or the table says
too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

COLOURS = ("#3b7dd8", "#c8701a", "#2b9464", "#9a6bc7", "#c2528b")
GREY = "#84898f"
RED = "#c0392b"
SYMBOLS = {
    "completed": "circle",
    "stopped": "triangle-down",
    "failed": "x",
    "unfinished": "circle-open",
}
NLL_AXIS = "validation NLL, nats per captcha"
Trace = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure and the table behind it.

    Attributes:
        name: its id in the page.
        title: what it shows.
        text: how to read it, a sentence or two.
        traces: Plotly's.
        columns: heads of the table.
        rows: its rows.
        layout: Plotly's, without colours, fonts and sizes, which the page decides.
        height: in pixels.
        small: one of several that stand side by side.
        none: shown in place of a figure without traces.
    """

    name: str
    title: str
    text: str
    traces: list[Trace]
    columns: list[str]
    rows: list[list[Any]]
    layout: dict[str, Any] = field(default_factory=dict)
    height: int = 360
    small: bool = False
    none: str = "Nothing to show."


def colour(spaces: Iterable[str], space: str) -> str:
    """Colour of a space, the same in all figures."""
    return COLOURS[list(spaces).index(space) % len(COLOURS)]


def axis(title: str, *, log: bool = False, **more: Any) -> dict[str, Any]:
    """An axis by its title; logarithmic on request."""
    return {"title": {"text": title}, **({"type": "log"} if log else {}), **more}


def whole(span: float, most: int = 10) -> dict[str, Any]:
    """Ticks of an axis that counts: whole numbers alone, at most so many over `span`.

    The page's script takes a first tick at 0 for the sign of such an axis when it is zoomed.
    """
    steps = (step * 10**decade for decade in count() for step in (1, 2, 5))
    return {"tick0": 0, "dtick": next(step for step in steps if span / step <= most)}


def positive(value: float | None) -> bool:
    """Whether a figure has a place on a logarithmic axis."""
    return value is not None and value > 0


def points(
    name: str, rows: Sequence[Mapping[str, Any]], x: str, y: str, marker: Mapping[str, Any],
    **more: Any,
) -> Trace:  # fmt: skip
    """A marker for each trial, by keys of its row; a click on it chooses the trial."""
    trials = [row["trial"] for row in rows]
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [row[x] for row in rows],
        "y": [row[y] for row in rows], "text": trials, "customdata": trials, "marker": dict(marker),
        **more,
    }  # fmt: skip


def line(name: str, x: Sequence[Any], y: Sequence[Any], style: Mapping[str, Any]) -> Trace:
    """A line that says nothing when it is pointed at."""
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": list(y),
        "line": dict(style), "hoverinfo": "skip",
    }  # fmt: skip


def bars(names: Sequence[str], values: Sequence[float], text: Sequence[str], tint: Any) -> Trace:
    """Horizontal bars with their values beside them."""
    return {
        "type": "bar", "orientation": "h", "y": list(names), "x": list(values), "text": list(text),
        "textposition": "outside", "textangle": 0, "cliponaxis": False, "marker": {"color": tint},
        "showlegend": False,
    }  # fmt: skip


def error_bars(ones: Sequence[Mapping[str, Any]], middle: str) -> dict[str, Any]:
    """From `low` to `high` around the values of the key `middle`."""
    return {
        "type": "data", "symmetric": False, "thickness": 1,
        "array": [one["high"] - one[middle] for one in ones],
        "arrayminus": [one[middle] - one["low"] for one in ones],
    }  # fmt: skip


def rule(at: Any, side: str = "x", **style: Any) -> dict[str, Any]:
    """A straight line across the figure at a value of the axis `side`."""
    other = "y" if side == "x" else "x"
    return {
        "type": "line", f"{side}0": at, f"{side}1": at, f"{other}0": 0, f"{other}1": 1,
        f"{other}ref": "paper", "line": style,
    }  # fmt: skip
