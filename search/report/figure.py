"""What a figure is.

Plain data in Plotly's own form, with a table that says the same. Colours are legible on white and
on black; what a colour tells, a symbol, a name or the table tells too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLOURS = ("#3b7dd8", "#c8701a", "#2b9464", "#9a6bc7", "#c2528b")
GREY = "#84898f"
SYMBOLS = {
    "completed": "circle",
    "stopped": "triangle-down",
    "failed": "x",
    "unfinished": "circle-open",
}
Boards = Mapping[str, Sequence[Mapping[str, Any]]]
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
        layout: Plotly's, but for colours, fonts and sizes, which the page decides.
        height: in pixels.
        small: one of several that stand beside each other.
        none: what stands in the place of a figure without traces.
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


def colour(spaces: Sequence[str], space: str) -> str:
    """Of a space, the same in all figures."""
    return COLOURS[list(spaces).index(space) % len(COLOURS)]


def axis(title: str, *, log: bool = False, **more: Any) -> dict[str, Any]:
    """An axis by its title; logarithmic on request."""
    return {"title": {"text": title}, **({"type": "log"} if log else {}), **more}


def positive(value: float | None) -> bool:
    """Whether a figure has a place on a logarithmic axis."""
    return value is not None and value > 0
