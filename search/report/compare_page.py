"""Page of two runs: each in short, the best trials of both beside each other, and how sure that is.

One HTML file, as `page` writes it.
"""

from collections.abc import Mapping
from typing import Any

from search.report import figure
from search.report.figure import COLOURS, Figure, axis
from search.report.page import rendered
from search.report.report import Report


def compare_page(both: tuple[Report, Report], compared: Mapping[str, Any]) -> str:
    """The page.

    Args:
        both: the reports.
        compared: what `compare.compare` says of them.
    """
    figures = {
        space: curves(both, space, found["best"]) for space, found in compared["spaces"].items()
    }
    return rendered(
        "compare.html.j2",
        ("compare.js",),
        {"figures": {one.name: vars(one) for one in figures.values()}},
        both=both,
        names=[report.run.records.path.resolve().name for report in both],
        compared=compared,
        figures=figures,
    )


def curves(both: tuple[Report, Report], space: str, best: list[Mapping[str, Any] | None]) -> Figure:
    """Validation and training NLL of both runs' best trials by epoch."""
    traces, table, last = [], [], 1
    for side, tint, report, row in zip("AB", COLOURS, both, best, strict=False):
        epochs = sorted(report.run.records.epochs.get(row["trial"], {}).items()) if row else []
        last = max([last, *(epoch for epoch, _ in epochs)])
        for kind, metric, dash in (
            ("validation", "valid_nll", "solid"),
            ("training", "train_nll", "dot"),
        ):
            known = [(e, m[metric]) for e, m in epochs if figure.positive(m[metric])]
            if row and known:
                traces.append(
                    {"type": "scatter", "mode": "lines+markers", "x": [e for e, _ in known],
                     "y": [value for _, value in known], "name": f"{side}: {row['trial']}, {kind}",
                     "line": {"color": tint, "dash": dash}, "marker": {"symbol": "circle" if
                     side == "A" else "square"}}
                )  # fmt: skip
        table += [
            [side, row["trial"], e, m["train_nll"], m["valid_nll"], m["valid_exact_match"]]
            for e, m in epochs
            if row
        ]
    return Figure(
        f"curves-{space}", "Curves of the best trial of each run",
        "Solid: images that the training had not seen; dotted: those that it had.",
        traces, ["run", "trial", "epoch", "training NLL", "validation NLL", "captchas read"], table,
        {"xaxis": axis("epoch", **figure.whole(last)),
         "yaxis": axis("NLL, nats per captcha", log=True)},
        none="No trial is completed.",
    )  # fmt: skip
