"""Figures of what varied in a space: what decided, how trials lie in it, each parameter alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.report.figure import COLOURS, GREY, Figure, axis, positive
from search.report.loader import Run
from search.report.trials import parameters


def importance_figure(space: str, told: Mapping[str, Any], tint: str) -> Figure:
    """How much each parameter decided who is among the best."""
    shares = dict(told["shares"])
    names = list(shares)
    text = told["note"] or (
        f"PED-ANOVA: how far a parameter's values among the best {told['num_best']} are from those "
        f"among all {told['num_trials']}; shares of the whole. With few trials they move about."
    )
    traces = [
        {"type": "bar", "orientation": "h", "y": names, "x": [shares[n] for n in names],
         "text": [f"{shares[n]:.0%}" for n in names], "textposition": "outside", "textangle": 0,
         "cliponaxis": False,
         "marker": {"color": tint}, "showlegend": False}
    ]  # fmt: skip
    return Figure(
        f"importance-{space}", f"{space}: what decided", text, traces if names else [],
        ["parameter", "importance"], [[n, shares[n]] for n in names],
        {"xaxis": axis("importance", tickformat=".0%"),
         "yaxis": {"autorange": "reversed", "dtick": 1}},
        110 + 21 * len(names),
    )  # fmt: skip


def _rows(board: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [r for r in board if positive(r["valid_nll"])]


def point_table(
    run: Run, space: str, board: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[list[Any]]]:
    """The parameters of each trial beside its NLL: the table behind several figures."""
    names = list(parameters(run, space))
    rows = [
        [r["trial"], r["state"], r["valid_nll"], *(r["config"].get(name) for name in names)]
        for r in _rows(board)
    ]
    return ["trial", "state", "validation NLL", *names], rows


def parallel(run: Run, space: str, board: Sequence[Mapping[str, Any]]) -> Figure:
    """Each trial a line through its parameters, the best tenth in front.

    Parameters stand below each other, not side by side: so a phone shows their names too.
    """
    among, rows = parameters(run, space), _rows(board)
    names = [name for name in among if any(name in r["config"] for r in rows)]
    best = {r["trial"] for r in rows[: max(1, len(rows) // 10)]}
    traces = []
    for kind, chosen in (("others", False), ("best tenth", True)):
        line: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
        for row in rows:
            if (row["trial"] in best) == chosen:
                for name in names:
                    value = row["config"].get(name)
                    line["x"].append(position(among[name], value))
                    line["y"].append(name)
                    line["text"].append(f"{row['trial']}: {name} {shown(value)}")
                for part in line.values():
                    part.append(None)
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "name": kind, **line,
             "connectgaps": False, "hoverinfo": "text", "opacity": 1 if chosen else 0.25,
             "line": {"color": COLOURS[0] if chosen else GREY, "width": 2.5 if chosen else 1},
             "marker": {"size": 6 if chosen else 3}}
        )  # fmt: skip
    ends = [
        [name, shown(one["low"]) if one["choices"] is None else shown(one["choices"][0]),
         shown(one["high"]) if one["choices"] is None else shown(one["choices"][-1])]
        for name, one in among.items()
    ]  # fmt: skip
    marks = [f"{name}  [{low} … {high}]" for name, low, high in ends if name in names]
    columns, table = point_table(run, space, board)
    return Figure(
        f"parallel-{space}", f"{space}: parallel coordinates",
        "Each line is a trial; left is the lower end of a parameter's range, right the upper, "
        "logarithmic where the search is. Where the best agree, the parameter matters.",
        traces if rows else [], columns, table,
        {"xaxis": {"range": [-0.04, 1.04], "tickvals": [0, 0.5, 1],
                   "ticktext": ["low", "middle", "high"]},
         "yaxis": {"autorange": "reversed", "tickvals": names, "ticktext": marks}},
        110 + 30 * len(names),
    )  # fmt: skip


def position(among: Mapping[str, Any], value: Any) -> float | None:
    """Where a value lies in its range, 0 to 1; None if it has no place there."""
    choices = among["choices"]
    if choices:
        same = [i for i, c in enumerate(choices) if c == value and type(c) is type(value)]
        return same[0] / max(1, len(choices) - 1) if same else None
    low, high = among["low"], among["high"]
    if isinstance(value, bool) or not isinstance(value, int | float) or low is None or high is None:
        return None
    if low == high or (among["log"] and min(low, value) <= 0):
        return 0.5 if low == high else None
    if among["log"]:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return float((value - low) / (high - low))


def shown(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def slices(run: Run, space: str, board: Sequence[Mapping[str, Any]], tint: str) -> list[Figure]:
    """NLL beside each parameter, the baseline's value marked."""
    rows, found = _rows(board), []
    for name, one in parameters(run, space).items():
        own = [r for r in rows if name in r["config"]]
        if not own:
            continue
        choice = one["choices"] is not None
        values = [shown(r["config"][name]) if choice else r["config"][name] for r in own]
        start = shown(one["baseline"]) if choice else one["baseline"]
        lines = [
            {"type": "line", "x0": start, "x1": start, "y0": 0, "y1": 1, "yref": "paper",
             "line": {"dash": "dash", "color": GREY}}
        ]  # fmt: skip
        solid = ["circle" if r["state"] == "completed" else "triangle-down-open" for r in own]
        kind = (
            {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": [shown(c) for c in one["choices"]],
            }
            if choice
            else {"type": "log"}
            if one["log"]
            else {}
        )
        trace = {
            "type": "scatter", "mode": "markers", "x": values, "showlegend": False,
            "y": [r["valid_nll"] for r in own], "text": [r["trial"] for r in own],
            "customdata": [r["trial"] for r in own],
            "marker": {"color": tint, "size": 6, "opacity": 0.8, "symbol": solid},
        }  # fmt: skip
        found.append(
            Figure(
                f"slice-{space}-{name}", name, f"baseline {shown(one['baseline'])}", [trace],
                [], [], {"xaxis": kind, "yaxis": {"type": "log"},
                         "shapes": lines if start is not None else []},
                190, True,
            )
        )  # fmt: skip
    return found
