"""Figures of the search: stages, history, curves, gap against NLL, and cost."""

from collections.abc import Mapping
from typing import Any

from captcha_models.errors import InputError
from search.report import figure
from search.report.figure import COLOURS, GREY, RED, SYMBOLS, Figure, Trace, axis, colour
from search.report.formats import share
from search.report.loader import Run
from search.report.trials import STAGES, Boards, seconds_of
from search.store.leaderboard import objective_of
from search.tuning.objectives import front


def stages(found: Mapping[str, Mapping[str, int]]) -> Figure:
    """Trials of each space by stage."""
    shown = ("tried", "completed", "retrained", "tested")
    traces = []
    most = max((own["tried"] for own in found.values()), default=0)
    for name, own in found.items():
        counts = [own[stage] for stage in shown]
        trace = figure.bars(shown, counts, list(map(str, counts)), colour(found, name))
        traces.append({**trace, "name": name, "showlegend": len(found) > 1})
    return Figure(
        "stages", "Trials by stage",
        "All trials; those with the full budget; those retrained with new seeds and folds; and the "
        "winner, evaluated once on the locked test set.",
        traces, ["architecture", *STAGES],
        [[name, *(own[stage] for stage in STAGES)] for name, own in found.items()],
        {"yaxis": {"autorange": "reversed"}, "xaxis": axis("trials", **figure.whole(most))}, 280,
    )  # fmt: skip


def history(boards: Boards) -> Figure:
    """Each trial's last validation NLL in the order of the trials, and the best so far."""
    traces: list[Trace] = []
    table: list[list[Any]] = []
    last = max((row["number"] for board in boards.values() for row in board), default=0)
    for space, board in boards.items():
        rows = sorted(
            (r for r in board if figure.positive(r["valid_nll"])), key=lambda r: r["number"]
        )
        marker = {
            "color": colour(boards, space),
            "symbol": ["star" if r["baseline"] else SYMBOLS[r["state"]] for r in rows],
            "size": [13 if r["baseline"] else 8 for r in rows],
        }
        text = [f"{r['trial']}, {r['state']} at epoch {r['epochs']}" for r in rows]
        best: list[float | None] = []
        for row in rows:
            own = row["valid_nll"] if row["state"] == "completed" else None
            known = [value for value in (best[-1] if best else None, own) if value is not None]
            best.append(min(known, default=None))
            table.append(
                [*map(row.get, ("trial", "state", "epochs", "valid_nll", "valid_exact_match",
                                "valid_cer")), best[-1]]
            )  # fmt: skip
        style = {"shape": "hv", "color": marker["color"]}
        traces += [
            figure.points(space, rows, "number", "valid_nll", marker, text=text),
            figure.line(f"{space}: best so far", [r["number"] for r in rows], best, style),
        ]
    return Figure(
        "history", "Optimisation history",
        "Validation NLL of each trial's last epoch. Circles had the full budget, triangles were "
        "stopped at a rung or by a cap, stars are baselines; the line is the best so far.",
        traces if table else [],
        ["trial", "state", "epochs", "validation NLL", "captchas read", "CER", "best so far"],
        table,
        {"xaxis": axis("trial", **figure.whole(last)), "yaxis": axis(figure.NLL_AXIS, log=True)},
        none="No trial has a finished epoch yet.",
    )  # fmt: skip


def curves(run: Run, boards: Boards) -> Figure:
    """All validation curves, with the rungs at which a trial may be stopped."""
    styles = {"completed": (COLOURS[0], 0.9), "stopped": (COLOURS[1], 0.8), "others": (GREY, 0.9)}
    lines: dict[str, dict[str, list[Any]]] = {}
    table: list[list[Any]] = []
    last = 1
    for row in (row for board in boards.values() for row in board):
        kind = row["state"] if row["state"] in styles else "others"
        curve = lines.setdefault(kind, {"x": [], "y": [], "text": []})
        own = sorted(run.records.epochs.get(row["trial"], {}).items())
        values = [(e, m["valid_nll"]) for e, m in own if figure.positive(m["valid_nll"])]
        for epoch, value in [*values, (None, None)]:
            curve["x"].append(epoch)
            curve["y"].append(value)
            curve["text"].append(row["trial"])
        if values:
            last = max(last, values[-1][0])
            least = min(value for _, value in values)
            table.append([row["trial"], row["state"], *values[-1], least])
    traces = [
        {"type": "scatter", "mode": "lines+markers", "name": kind, **curve, "connectgaps": False,
         "marker": {"size": 3},
         "opacity": styles[kind][1], "line": {"width": 1.2, "color": styles[kind][0]}}
        for kind, curve in lines.items()
    ]  # fmt: skip
    found = rungs(run)
    return Figure(
        "curves", "Validation curves of all trials",
        f"Dotted lines are the rungs (after epochs {', '.join(map(str, found))}), where trials "
        "that are behind are stopped."
        if found else "No trial is stopped at a rung in this search.",
        traces if table else [],
        ["trial", "state", "last epoch", "validation NLL there", "lowest"], table,
        {"xaxis": axis("epoch", range=[0.8, last + 0.2], **figure.whole(last)),
         "shapes": [figure.rule(rung, dash="dot", color=GREY) for rung in found],
         "yaxis": axis(figure.NLL_AXIS, log=True)},
        none="No trial has a finished epoch yet.",
    )  # fmt: skip


def rungs(run: Run) -> tuple[int, ...]:
    """Epochs after which a trial may be stopped; none where the settings do not say."""
    from search.tuning.settings import Settings

    try:
        return Settings.parse(run.about["settings"]).rungs
    except InputError:
        return ()


def gap_against_nll(run: Run, boards: Boards) -> Figure:
    """Gap against NLL of the trials with the full budget, their front and the constraints."""
    traces: list[Trace] = []
    found: dict[str, tuple[float, float]] = {}
    for space, board in boards.items():
        for state in ("completed", "stopped"):
            rows = [
                r for r in board
                if r["state"] == state and figure.positive(r["valid_nll"]) and r["gap"] is not None
            ]  # fmt: skip
            marker = {"color": colour(boards, space), "symbol": SYMBOLS[state], "size": 9}
            if state == "completed":
                found |= {r["trial"]: (r["valid_nll"], r["gap"]) for r in rows}
                traces.append(figure.points(space, rows, "valid_nll", "gap", marker))
            else:
                more = {"visible": "legendonly"}
                traces.append(
                    figure.points(f"{space}, stopped", rows, "valid_nll", "gap", marker, **more)
                )
    kept = front(found.values())
    nlls, gaps = zip(*sorted(kept), strict=True) if kept else ((), ())
    traces.append(figure.line("front", nlls, gaps, {"shape": "hv", "dash": "dash", "color": GREY}))
    limits = objective_of(run.records).constraints
    words = " and ".join(map(str, limits))
    return Figure(
        "gap", "Gap against NLL",
        "Low and left is good: a low NLL on images that the model has not seen, and not much lower "
        "on those that it has. The dashed line is the Pareto front. "
        + (f"The red line is the constraint: {words}." if words else "There is no constraint."),
        traces if any(trace["x"] for trace in traces) else [],
        ["trial", "validation NLL", "gap", "on the front"],
        [[name, *point, point in kept]
         for name, point in sorted(found.items(), key=lambda item: item[1])],
        {"xaxis": axis(figure.NLL_AXIS, log=True), "yaxis": axis("gap: validation - training NLL"),
         "shapes": [figure.rule(one.most, "y" if one.metric == "gap" else "x", color=RED, width=2)
                    for one in limits]}, 400,
        none="No trial has ended with an epoch yet.",
    )  # fmt: skip


def costs(boards: Boards, spent: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """Cost of each trial, and of all trials by their outcome."""
    rows = [row for board in boards.values() for row in board]
    rows.sort(key=lambda row: (str(row["started"]), row["trial"]))
    tints = dict(zip(SYMBOLS, (COLOURS[0], COLOURS[1], RED, GREY), strict=True))
    numbered = [
        {**row, "place": i, "minutes": seconds_of(row) / 60} for i, row in enumerate(rows, 1)
    ]
    each = []
    for state, tint in tints.items():
        if own := [row for row in numbered if row["state"] == state]:
            trace = figure.points(
                state, own, "place", "minutes", {"color": tint}, textposition="none"
            )
            del trace["mode"]
            each.append({**trace, "type": "bar"})
    columns = ("images_seen", "gpu_seconds", "money")
    one = Figure(
        "cost", "Cost of each trial", "Minutes of each trial, evaluation included.",
        each, ["trial", "state", "minutes", "images seen", "GPU seconds", "money"],
        [[r["trial"], r["state"], r["minutes"], *(r[name] for name in columns)] for r in numbered],
        {"xaxis": axis("trials in the order of their start", **figure.whole(len(rows))),
         "yaxis": axis("minutes")}, 300,
    )  # fmt: skip
    states = [state for state, part in spent.items() if part["trials"]]
    minutes = [spent[s]["seconds"] / 60 for s in states]
    shares = [share(spent[s]["share"], 0) for s in states]
    total = Figure(
        "spent", "Cost by outcome",
        "Minutes of all trials by how they ended; stopped trials are the price of early stopping.",
        [figure.bars(states, minutes, shares, [tints[s] for s in states])],
        ["state", "trials", "minutes", "share", "images seen", "GPU seconds", "money"],
        [[s, spent[s]["trials"], spent[s]["seconds"] / 60, spent[s]["share"],
          *(spent[s][name] for name in columns)] for s in states],
        {"xaxis": axis("minutes"), "yaxis": {"autorange": "reversed"}}, 80 + 60 * len(states),
    )  # fmt: skip
    return [one, total]
