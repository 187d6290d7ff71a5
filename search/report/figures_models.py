"""Figures of the models: confirmation, beam width, confusions and calibration."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from captcha_models.words import counted
from search.report import figure, misread
from search.report.figure import COLOURS, GREY, Figure, axis, colour
from search.report.loader import Run
from search.report.trials import Boards

MOST_CHARACTERS = 24


def beams(boards: Boards) -> Figure:
    """Exact match by beam width, of the best trial of each space whose predictions were kept."""
    traces, table = [], []
    for space, board in boards.items():
        row = next((r for r in board if r["beams"]), None)
        if row is None:
            continue
        found = row["beams"]
        widths = ["greedy", *sorted((w for w in found if w != "greedy"), key=int)]
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "name": f"{space}: {row['trial']}",
             "x": widths, "y": [found.get(w) for w in widths],
             "line": {"color": colour(boards, space)}, "marker": {"size": 9}}
        )  # fmt: skip
        table += [[row["trial"], width, found.get(width)] for width in widths]
    shares = [share for _, _, share in table if share is not None] or [0, 1]
    return Figure(
        "beams", "Captchas read by beam width",
        "Best trial of each architecture, decoded when it ended. pooled and spatial decode exactly "
        "and have no beam.",
        traces, ["trial", "beam width", "captchas read"], table,
        {"xaxis": axis("beam width", type="category"),
         "yaxis": axis("captchas read", tickformat=".1%",
                       range=[max(-0.01, min(shares) - 0.02), min(1.01, max(shares) + 0.02)])}, 300,
    )  # fmt: skip


def confusions(run: Run, trials: Sequence[str]) -> Figure:
    """Which character was read as which."""
    pairs = misread.confusions(run, trials)
    found: dict[str, int] = {}
    for pair, count in pairs.items():
        for one in pair:
            found[one] = found.get(one, 0) + count
    names = sorted(sorted(found, key=lambda n: (-found[n], n))[:MOST_CHARACTERS])
    trace = {
        "type": "heatmap", "x": names, "y": names, "xgap": 1, "ygap": 1, "hoverongaps": False,
        "z": [[pairs.get((a, b)) for b in names] for a in names],
        "colorscale": [[0, "#cfe0f7"], [1, "#123f7a"]],
        "hovertemplate": "%{y} read as %{x}: %{z}<extra></extra>",
        "colorbar": {"thickness": 10, "dtick": max(1, -(-max(pairs.values(), default=1) // 5))},
    }  # fmt: skip
    return Figure(
        "confusions", "Confused characters",
        f"Rows are labels, columns predictions, counted over {counted(len(trials), 'trial')}, the "
        f"best of each architecture. {misread.NOTHING} stands for a character left out or "
        "inserted.",
        [trace] if pairs else [], ["label", "prediction", "times"],
        [[*pair, count] for pair, count in pairs.most_common(200)],
        {"xaxis": axis("prediction", type="category"),
         "yaxis": axis("label", type="category", autorange="reversed")}, 460,
    )  # fmt: skip


def calibration(found: Mapping[str, Mapping[str, Any]], spaces: Iterable[str]) -> Figure:
    """Confidence against the share read right."""
    traces: list[figure.Trace] = [
        figure.line("perfect calibration", [0, 1], [0, 1], {"dash": "dash", "color": GREY})
    ]
    table = []
    for space, own in found.items():
        bins = own["bins"]
        traces.append(
            {"type": "scatter", "mode": "markers", "name": f"{space}: {own['trial']}",
             "x": [b["confidence"] for b in bins], "y": [b["share"] for b in bins],
             "text": [counted(b['num_images'], 'image') for b in bins],
             "marker": {"size": 9, "color": colour(spaces, space)},
             "error_y": figure.error_bars(bins, "share")}
        )  # fmt: skip
        keys = ("confidence", "share", "low", "high", "num_images")
        table += [[own["trial"], *map(one.get, keys)] for one in bins]
    errors = ", ".join(f"{own['trial']} {own['error']:.2%}" for own in found.values())
    return Figure(
        "calibration", "Calibration",
        "Validation images of the best trial of each architecture, sorted by confidence, in bins "
        "of the same size, with 95 % intervals."
        + (f" Expected calibration error: {errors}." if errors else ""),
        traces if found else [],
        ["trial", "confidence", "share read right", "low", "high", "images"], table,
        {"xaxis": axis("confidence", tickformat=".0%"),
         "yaxis": axis("captchas read", tickformat=".0%")}, 380,
    )  # fmt: skip


def confirmed(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Figure:
    """NLL of the candidates with new seeds and folds, beside that of the search."""
    rows = [
        (name if len(found) == 1 or name.startswith(space) else f"{space}: {name}", one)
        for space, own in found.items()
        for name, one in own.items()
    ]
    rows.sort(key=lambda row: float(row[1]["nll"]["mean"]))
    names, nlls = [name for name, _ in rows], [one["nll"] for _, one in rows]
    before = [one["search_nll"] for _, one in rows]
    most = _reach(before, [nll["mean"] for nll in nlls])
    far = [
        {"x": most, "y": name, "text": f"{nll['mean']:.3g} →", "showarrow": False,
         "xanchor": "right", "yshift": 11}
        for name, nll in zip(names, nlls, strict=True)
        if nll["mean"] > most
    ]  # fmt: skip
    traces = [
        {"type": "scatter", "mode": "markers", "name": "new seeds and folds", "y": names,
         "x": [n["mean"] for n in nlls], "marker": {"size": 10, "color": COLOURS[0]},
         "error_x": figure.error_bars(nlls, "mean")},
        {"type": "scatter", "mode": "markers", "name": "in the search", "y": names, "x": before,
         "marker": {"size": 10, "symbol": "diamond-open", "color": COLOURS[1]}},
    ]  # fmt: skip
    table = [
        [name, one["search_nll"], *map(one["nll"].get, ("mean", "low", "high")), one["num_fits"],
         ", ".join(map(str, one["seeds"])), one["exact_match"]["mean"],
         one["cer"], one["gap"]["mean"]]
        for name, one in rows
    ]  # fmt: skip
    return Figure(
        "confirmed", "Retrained with new seeds and folds",
        "Mean NLL on folds that the training had not seen, with its 95 % interval, beside that of "
        "the search. Candidates beyond the right edge have trainings that failed to learn.",
        traces if rows else [],
        ["trial", "NLL in the search", "NLL, retrained", "low", "high", "trainings", "seeds",
         "captchas read", "CER", "gap"],
        table,
        {"xaxis": axis("NLL, nats per captcha", range=[-0.02 * most, most]),
         "yaxis": {"autorange": "reversed"}, "annotations": far},
        150 + 34 * len(rows),
        none="Nothing is confirmed yet.",
    )  # fmt: skip


def _reach(before: Sequence[float | None], after: Sequence[float]) -> float:
    """End of the axis: a candidate that failed to learn must not squeeze the others."""
    known = sorted(value for value in before if value is not None)
    usual = known[len(known) // 2] if known else min(after, default=1.0)
    return 1.25 * max([usual, *(v for v in [*known, *after] if v <= 4 * usual)])
