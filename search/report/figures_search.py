"""Figures of the search: how many went how far, who got how good when, what it all cost."""

from collections.abc import Mapping
from typing import Any

from captcha_models.errors import InputError
from search.report.figure import (
    COLOURS,
    GREY,
    SYMBOLS,
    Boards,
    Figure,
    Trace,
    axis,
    colour,
    positive,
)
from search.report.funnel import STEPS, seconds_of
from search.report.loader import Run
from search.store.leaderboard import objective_of
from search.tuning.objectives import front


def funnel_figure(steps: Mapping[str, Mapping[str, int]]) -> Figure:
    """How many trials of each space went how far."""
    shown = ("tried", "completed", "confirmed", "tested")
    names = list(steps)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": list(shown),
            "x": [own[step] for step in shown],
            "text": [str(own[step]) for step in shown],
            "textposition": "outside",
            "textangle": 0,
            "cliponaxis": False,
            "marker": {"color": colour(names, name)},
        }
        for name, own in steps.items()
    ]
    rows = [[name, *(own[step] for step in STEPS)] for name, own in steps.items()]
    return Figure(
        "funnel", "How many went how far",
        "Of all trials: those with the full budget, those retrained with fresh seeds and folds, "
        "and the winner judged once on the locked test set.",
        traces, ["architecture", *STEPS], rows,
        {"yaxis": {"autorange": "reversed"}, "xaxis": axis("trials")}, 280,
    )  # fmt: skip


def history(boards: Boards) -> Figure:
    """Each trial's last validation NLL in the order of the trials, and the best so far."""
    traces: list[Trace] = []
    table: list[list[Any]] = []
    for space, board in boards.items():
        rows = sorted((r for r in board if positive(r["valid_nll"])), key=lambda r: r["number"])
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": space,
                "x": [r["number"] for r in rows],
                "y": [r["valid_nll"] for r in rows],
                "text": [f"{r['trial']}, {r['state']} at epoch {r['epochs']}" for r in rows],
                "marker": {
                    "color": colour(list(boards), space),
                    "symbol": ["star" if r["baseline"] else SYMBOLS[r["state"]] for r in rows],
                    "size": [13 if r["baseline"] else 8 for r in rows],
                },
                "customdata": [r["trial"] for r in rows],
            }
        )
        best: list[float | None] = []
        for row in rows:
            mine = row["valid_nll"] if row["state"] == "completed" else None
            known = [value for value in (best[-1] if best else None, mine) if value is not None]
            best.append(min(known, default=None))
            table.append([row["trial"], row["state"], row["epochs"], row["valid_nll"], best[-1]])
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{space}: best so far",
                "x": [r["number"] for r in rows],
                "y": best,
                "line": {"shape": "hv", "color": colour(list(boards), space)},
                "hoverinfo": "skip",
            }
        )
    return Figure(
        "history", "Optimisation history",
        "Validation NLL of each trial's last epoch. Circles had the full budget, triangles were "
        "stopped at a rung or by a cap, stars are baselines; the line is the best so far.",
        traces, ["trial", "state", "epochs", "validation NLL", "best so far"], table,
        {"xaxis": axis("trial"), "yaxis": axis("validation NLL, nats per captcha", log=True)},
    )  # fmt: skip


def curves(run: Run, boards: Boards) -> Figure:
    """All validation curves, with the rungs at which a trial may be stopped."""
    lines: dict[str, dict[str, list[Any]]] = {}
    table: list[list[Any]] = []
    last = 1
    for board in boards.values():
        for row in board:
            kind = "stopped" if row["state"] == "stopped" else "others"
            kind = "completed" if row["state"] == "completed" else kind
            line = lines.setdefault(kind, {"x": [], "y": [], "text": []})
            own = sorted(run.records.epochs.get(row["trial"], {}).items())
            values = [(e, m["valid_nll"]) for e, m in own if positive(m["valid_nll"])]
            last = max([last, *(epoch for epoch, _ in values)])
            for epoch, value in [*values, (None, None)]:
                line["x"].append(epoch)
                line["y"].append(value)
                line["text"].append(row["trial"])
            if values:
                least = min(value for _, value in values)
                table.append([row["trial"], row["state"], *values[-1], least])
    looks = {"completed": (COLOURS[0], 0.75), "stopped": (COLOURS[1], 0.6), "others": (GREY, 0.6)}
    traces = [
        {
            "type": "scatter", "mode": "lines", "name": kind, **line, "connectgaps": False,
            "opacity": looks[kind][1], "line": {"width": 1.2, "color": looks[kind][0]},
        }
        for kind, line in lines.items()
    ]  # fmt: skip
    shapes = [
        {"type": "line", "x0": rung, "x1": rung, "y0": 0, "y1": 1, "yref": "paper",
         "line": {"dash": "dot", "color": GREY}}
        for rung in rungs(run)
    ]  # fmt: skip
    told = ", ".join(map(str, rungs(run)))
    return Figure(
        "curves", "Every trial's validation curve",
        f"Dotted lines are the rungs (after epochs {told}): who is behind there is stopped."
        if told else "No trial is stopped at a rung in this search.",
        traces, ["trial", "state", "last epoch", "validation NLL there", "least"], table,
        {"xaxis": axis("epoch", range=[0.8, last + 0.2]), "shapes": shapes,
         "yaxis": axis("validation NLL, nats per captcha", log=True)},
    )  # fmt: skip


def rungs(run: Run) -> tuple[int, ...]:
    """Epochs after which a trial may be stopped; none where the settings do not say."""
    from search.tuning.settings import Settings

    try:
        return Settings.parse(run.about["settings"]).rungs
    except InputError:
        return ()


def gap_against_nll(run: Run, boards: Boards) -> Figure:
    """Gap beside NLL of the trials with the full budget, their front and the limits."""
    traces: list[Trace] = []
    table: list[list[Any]] = []
    points: dict[str, tuple[float, float]] = {}
    for space, board in boards.items():
        for state in ("completed", "stopped"):
            rows = [
                r for r in board
                if r["state"] == state and positive(r["valid_nll"]) and r["gap"] is not None
            ]  # fmt: skip
            if state == "completed":
                points |= {r["trial"]: (r["valid_nll"], r["gap"]) for r in rows}
            marks = {"color": colour(list(boards), space), "symbol": SYMBOLS[state], "size": 9}
            traces.append(
                {
                    "type": "scatter", "mode": "markers",
                    "name": space if state == "completed" else f"{space}, stopped",
                    "x": [r["valid_nll"] for r in rows], "y": [r["gap"] for r in rows],
                    "text": [r["trial"] for r in rows], "marker": marks,
                    "customdata": [r["trial"] for r in rows],
                    "visible": True if state == "completed" else "legendonly",
                }
            )  # fmt: skip
    kept = front(points.values())
    edge = sorted(kept)
    traces.append(
        {"type": "scatter", "mode": "lines", "name": "front", "x": [p[0] for p in edge],
         "y": [p[1] for p in edge], "line": {"shape": "hv", "dash": "dash", "color": GREY},
         "hoverinfo": "skip"}
    )  # fmt: skip
    for name, (nll, gap) in sorted(points.items(), key=lambda item: item[1]):
        table.append([name, nll, gap, (nll, gap) in kept])
    lines = []
    for limit in objective_of(run.records).constraints:
        along, across = ("y", "x") if limit.metric == "gap" else ("x", "y")
        lines.append(
            {"type": "line", f"{along}0": limit.most, f"{along}1": limit.most, f"{across}0": 0,
             f"{across}1": 1, f"{across}ref": "paper", "line": {"color": "#c0392b", "width": 2}}
        )  # fmt: skip
    told = " and ".join(map(str, objective_of(run.records).constraints))
    return Figure(
        "gap", "Gap against NLL",
        "Left and low is good: sure on images it has not seen, and no surer on those it has. The "
        "dashed line is the Pareto front: nobody is better in both. "
        + (f"The red line is the limit: {told}." if told else "This search set no limit."),
        traces, ["trial", "validation NLL", "gap", "on the front"], table,
        {"xaxis": axis("validation NLL, nats per captcha", log=True), "shapes": lines,
         "yaxis": axis("gap: validation less training NLL")}, 400,
    )  # fmt: skip


def cost_figures(boards: Boards, spent: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """What each trial cost, and what all trials of a state cost together."""
    rows = [row for board in boards.values() for row in board]
    rows.sort(key=lambda row: (str(row["started"]), row["trial"]))
    looks = dict(zip(SYMBOLS, (COLOURS[0], COLOURS[1], "#c0392b", GREY), strict=True))
    each = [
        {
            "type": "bar", "name": state,
            "x": [i for i, r in enumerate(rows, 1) if r["state"] == state],
            "y": [(seconds_of(r) or 0) / 60 for r in rows if r["state"] == state],
            "text": [r["trial"] for r in rows if r["state"] == state], "textposition": "none",
            "marker": {"color": looks[state]},
        }
        for state in SYMBOLS
        if any(r["state"] == state for r in rows)
    ]  # fmt: skip
    one = Figure(
        "cost", "What each trial cost",
        "Minutes of each trial in the order they began, evaluation counted.",
        each, ["trial", "state", "minutes", "images seen", "GPU seconds", "money"],
        [[r["trial"], r["state"], (seconds_of(r) or 0) / 60, r["images_seen"], r["gpu_seconds"],
          r["money"]] for r in rows],
        {"xaxis": axis("trials in the order they began"), "yaxis": axis("minutes")}, 300,
    )  # fmt: skip
    states = [state for state, part in spent.items() if part["trials"]]
    total = Figure(
        "spent", "What went into whom",
        "Minutes of all trials by how they ended; what stopped trials cost is the price of "
        "finding out early.",
        [{"type": "bar", "orientation": "h", "y": states,
          "x": [spent[s]["seconds"] / 60 for s in states],
          "text": [f"{spent[s]['share']:.0%}" for s in states], "textposition": "outside",
          "cliponaxis": False,
          "marker": {"color": [looks[s] for s in states]}, "showlegend": False}],
        ["state", "trials", "minutes", "share", "images seen", "GPU seconds", "money"],
        [[s, spent[s]["trials"], spent[s]["seconds"] / 60, spent[s]["share"],
          spent[s]["images_seen"], spent[s]["gpu_seconds"], spent[s]["money"]] for s in states],
        {"xaxis": axis("minutes"), "yaxis": {"autorange": "reversed"}}, 80 + 60 * len(states),
    )  # fmt: skip
    return [one, total]
