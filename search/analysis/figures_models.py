"""Figures of what varied and of what the models read."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.analysis.figures import COLOURS, GREY, Boards, Figure, axis, colour
from search.analysis.misread import confusions
from search.analysis.reading import Run
from search.analysis.trials import parameters

MOST_CHARACTERS = 24


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
    return [r for r in board if r["valid_nll"] is not None and r["valid_nll"] > 0]


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
    import math

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
        kind = {"type": "category"} if choice else {"type": "log"} if one["log"] else {}
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


def beams(boards: Boards) -> Figure:
    """Captchas read by beam width, of the best trial of each space whose readings were kept."""
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
             "line": {"color": colour(list(boards), space)}, "marker": {"size": 9}}
        )  # fmt: skip
        table += [[row["trial"], width, found.get(width)] for width in widths]
    return Figure(
        "beams", "Captchas read by beam width",
        "Of the best trial of each architecture, decoded when it ended. pooled and spatial decode "
        "exactly and have no beam.",
        traces, ["trial", "beam width", "captchas read"], table,
        {"xaxis": axis("beam width", type="category"),
         "yaxis": axis("captchas read", tickformat=".1%")}, 300,
    )  # fmt: skip


def confusion_figure(run: Run, trials: Sequence[str]) -> Figure:
    """Which character was read as which."""
    pairs = confusions(run, trials)
    found: dict[str, int] = {}
    for (label, read), count in pairs.items():
        for one in (label, read):
            found[one] = found.get(one, 0) + count
    names = sorted(sorted(found, key=lambda n: (-found[n], n))[:MOST_CHARACTERS])
    grid = [[pairs.get((a, b)) for b in names] for a in names]
    trace = {
        "type": "heatmap", "x": names, "y": names, "z": grid, "xgap": 1, "ygap": 1,
        "colorscale": [[0, "#cfe0f7"], [1, "#123f7a"]], "hoverongaps": False,
        "hovertemplate": "%{y} read as %{x}: %{z}<extra></extra>", "colorbar": {"thickness": 10},
    }  # fmt: skip
    return Figure(
        "confusions", "Characters taken for others",
        f"Rows are what was shown, columns what was read, counted over {len(trials)} trials, the "
        "best of the architectures. \N{EMPTY SET} stands for a character left out or made up.",
        [trace] if pairs else [], ["shown", "read", "times"],
        [[*pair, count] for pair, count in pairs.most_common(200)],
        {"xaxis": axis("read", type="category"),
         "yaxis": axis("shown", type="category", autorange="reversed")}, 460,
    )  # fmt: skip


def calibration_figure(found: Mapping[str, Mapping[str, Any]], spaces: Sequence[str]) -> Figure:
    """Confidence beside the share that is right."""
    traces: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "name": "as sure as right", "x": [0, 1], "y": [0, 1],
         "line": {"dash": "dash", "color": GREY}, "hoverinfo": "skip"}
    ]  # fmt: skip
    table = []
    for space, own in found.items():
        bins = own["bins"]
        traces.append(
            {"type": "scatter", "mode": "markers", "name": f"{space}: {own['trial']}",
             "x": [b["confidence"] for b in bins], "y": [b["share"] for b in bins],
             "text": [f"{b['num_images']} images" for b in bins],
             "marker": {"size": 9, "color": colour(spaces, space)},
             "error_y": {"type": "data", "symmetric": False, "thickness": 1,
                         "array": [b["high"] - b["share"] for b in bins],
                         "arrayminus": [b["share"] - b["low"] for b in bins]}}
        )  # fmt: skip
        table += [
            [own["trial"], *(b[k] for k in ("confidence", "share", "low", "high", "num_images"))]
            for b in bins
        ]
    errors = ", ".join(f"{own['trial']} {own['error']:.2%}" for own in found.values())
    apart = f" Mean distance from the line: {errors}." if errors else ""
    return Figure(
        "calibration", "Is it as sure as it is right?",
        "Validation images of the best trial of each architecture, sorted by confidence, in parts "
        f"of the same size, with 95 % intervals.{apart}",
        traces if found else [],
        ["trial", "confidence", "share read right", "low", "high", "images"], table,
        {"xaxis": axis("confidence", tickformat=".0%"),
         "yaxis": axis("read right", tickformat=".0%")}, 380,
    )  # fmt: skip


def confirmed_figure(confirmed: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Figure:
    """NLL of the candidates by fresh seeds and folds, beside that of the search."""
    rows = [
        (name if len(confirmed) == 1 or name.startswith(space) else f"{space}: {name}", one)
        for space, own in confirmed.items()
        for name, one in own.items()
    ]
    rows.sort(key=lambda row: row[1]["nll"]["mean"])
    names, nlls = [name for name, _ in rows], [one["nll"] for _, one in rows]
    before = [one["search_nll"] for _, one in rows]
    most = _reach(before, [nll["mean"] for nll in nlls])
    far = [
        {
            "x": most,
            "y": name,
            "text": f"{nll['mean']:.3g} →",
            "showarrow": False,
            "xanchor": "right",
            "yshift": 11,
        }
        for name, nll in zip(names, nlls, strict=True)
        if nll["mean"] > most
    ]
    traces = [
        {"type": "scatter", "mode": "markers", "name": "fresh seeds and folds", "y": names,
         "x": [n["mean"] for n in nlls], "marker": {"size": 10, "color": COLOURS[0]},
         "error_x": {"type": "data", "symmetric": False,
                     "array": [n["high"] - n["mean"] for n in nlls],
                     "arrayminus": [n["mean"] - n["low"] for n in nlls]}},
        {"type": "scatter", "mode": "markers", "name": "in the search", "y": names,
         "x": before,
         "marker": {"size": 10, "symbol": "diamond-open", "color": COLOURS[1]}},
    ]  # fmt: skip
    table = [
        [name, one["search_nll"], *(one["nll"][k] for k in ("mean", "low", "high")),
         one["num_fits"], ", ".join(map(str, one["seeds"])), one["captcha_accuracy"]["mean"],
         one["gap"]["mean"]]
        for name, one in rows
    ]  # fmt: skip
    return Figure(
        "confirmed", "What fresh seeds say",
        "Mean NLL on folds that no training had seen, with its 95 % interval, beside what the "
        "search had found. Who leaves the figure to the right has trainings that failed to learn.",
        traces if rows else [],
        ["trial", "NLL in the search", "confirmed NLL", "low", "high", "fits", "seeds",
         "captchas read", "gap"],
        table,
        {"xaxis": axis("NLL, nats per captcha", range=[-0.02 * most, most]),
         "yaxis": {"autorange": "reversed"}, "annotations": far},
        150 + 34 * len(rows),
        none="Nothing is confirmed yet: python -m search.confirm does it.",
    )  # fmt: skip


def _reach(before: Sequence[float | None], after: Sequence[float]) -> float:
    """How far the axis goes: a candidate that failed to learn shall not squeeze the others."""
    known = sorted(value for value in before if value is not None)
    usual = known[len(known) // 2] if known else min(after, default=1.0)
    return 1.25 * max([usual, *(v for v in [*known, *after] if v <= 4 * usual)])
