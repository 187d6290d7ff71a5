"""Figures of a space: importance, parallel coordinates, and each parameter alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.report import figure, formats
from search.report.figure import COLOURS, GREY, Figure, axis
from search.report.formats import setting
from search.report.loader import Run, number
from search.report.parameters import parameters, position

LEAST = 0.01
"""Importances below it are left out of the figure."""
Rows = Sequence[Mapping[str, Any]]


def importance(space: str, found: Mapping[str, Any], tint: str) -> Figure:
    """Share of the differences between trials that each parameter makes, and what chance makes."""
    shares = {name: share for name, share in found["shares"].items() if share >= LEAST}
    values = [formats.share(share, 0) for share in shares.values()]
    colours = [tint if name in found["telling"] else GREY for name in shares]
    text = found["note"] or (
        f"fANOVA over {found['num_trials']} trials: the share of the variance of the objective's "
        "logarithm that a parameter makes alone. The dashed line is what chance reaches; what "
        f"stays below it, in grey, may be chance. Shares below {formats.share(LEAST, 0)} are in "
        "the table alone."
    )
    chance = found["chance"]
    return Figure(
        f"importance-{space}", f"{space}: parameter importance", text,
        [figure.bars([*shares], [*shares.values()], values, colours)] if shares else [],
        ["parameter", "importance"], [list(pair) for pair in found["shares"].items()],
        {"xaxis": axis("importance", tickformat=".0%"),
         "yaxis": {"autorange": "reversed", "dtick": 1},
         "shapes": [figure.rule(chance, dash="dash", color=GREY)] if chance else []},
        110 + 21 * len(shares),
    )  # fmt: skip


def parallel(run: Run, space: str, board: Rows) -> Figure:
    """Each trial a line through its parameters, the best tenth in front.

    Parameters stand below each other, not side by side: so a phone shows their names too.
    """
    ranges = parameters(run, space)
    rows = [r for r in board if figure.positive(r["valid_nll"])]
    names = [name for name in ranges if any(name in r["config"] for r in rows)]
    count = max(1, len(rows) // 10)
    traces = []
    for kind, own, colour, alpha, width in (
        ("others", rows[count:], GREY, 0.6, 1),
        ("best tenth", rows[:count], COLOURS[0], 1, 2.5),
    ):
        xs: list[float | None] = []
        text: list[str | None] = []
        for row in own:
            values = {name: row["config"].get(name) for name in names}
            xs += [*(position(ranges[n], v) for n, v in values.items()), None]
            text += [*(f"{row['trial']}: {n} {setting(v)}" for n, v in values.items()), None]
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "name": kind, "x": xs, "text": text,
             "y": [*names, None] * len(own), "connectgaps": False, "hoverinfo": "text",
             "opacity": alpha, "line": {"color": colour, "width": width},
             "marker": {"size": 6 if alpha == 1 else 4}}
        )  # fmt: skip
    marks = []
    for name in names:
        one = ranges[name]
        ends = one["choices"] or [one["low"], one["high"]]
        marks.append(f"{name}  [{setting(ends[0])} … {setting(ends[-1])}]")
    return Figure(
        f"parallel-{space}", f"{space}: parallel coordinates",
        "Each line is a trial; left is the lower end of a parameter's range, right the upper, "
        "logarithmic where the search is. Where the best agree, the parameter matters.",
        traces if rows else [], ["trial", "state", "validation NLL", *ranges],
        [[r["trial"], r["state"], r["valid_nll"], *map(r["config"].get, ranges)] for r in rows],
        {"xaxis": {"range": [-0.04, 1.04], "tickvals": [0, 0.5, 1],
                   "ticktext": ["low", "middle", "high"]},
         "yaxis": {"autorange": "reversed", "tickvals": names, "ticktext": marks}},
        110 + 30 * len(names),
    )  # fmt: skip


def slices(run: Run, space: str, board: Rows, tint: str) -> list[Figure]:
    """NLL against each parameter, the baseline's value marked."""
    found = []
    for name, one in parameters(run, space).items():
        choices, start = one["choices"], one["baseline"]
        own = [
            {**r, "value": setting(r["config"][name]) if choices else r["config"][name]}
            for r in board
            if figure.positive(r["valid_nll"]) and name in r["config"]
        ]
        if not own:
            continue
        solid = ["circle" if r["state"] == "completed" else "triangle-down-open" for r in own]
        marker = {"color": tint, "size": 6, "opacity": 0.8, "symbol": solid}
        kind: dict[str, Any] = {"type": "log"} if one["log"] else {}
        if choices:
            kind = {"type": "category", "categoryorder": "array",
                    "categoryarray": list(map(setting, choices))}  # fmt: skip
        elif one["whole"] and not one["log"]:
            reach = [r["value"] for r in own if number(r["value"]) is not None]
            kind = figure.whole(max(reach, default=0) - min(reach, default=0), most=4)
        at = setting(start) if choices else start
        layout = {
            "xaxis": kind, "yaxis": {"type": "log"},
            "shapes": [] if start is None else [figure.rule(at, dash="dash", color=GREY)],
        }  # fmt: skip
        trace = figure.points(name, own, "value", "valid_nll", marker, showlegend=False)
        text = f"baseline {setting(start)}"
        found.append(
            Figure(f"slice-{space}-{name}", name, text, [trace], [], [], layout, 190, small=True)
        )
    return found
