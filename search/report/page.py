"""Report as one HTML file that needs nothing else: no server, no network, no other file.

What comes from the run folder is text to Jinja, which escapes it, or data that the page's script
writes as text. The page's policy allows no connection and no script but its own, each with a nonce
drawn anew.
"""

import base64
import gzip
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from captcha_models.inspection.pictures import style
from captcha_models.words import counted
from search.report import figures_models, figures_search, figures_space, formats
from search.report.figure import Figure, colour
from search.report.report import Report
from search.store.leaderboard import objective_of
from search.store.predictions import THUMBNAILS

OBJECTIVES = {
    "valid_nll": "lowest validation NLL",
    "gap": "lowest gap",
    "valid_exact_match": "most captchas read",
    "valid_cer": "lowest character error rate",
    "images_seen": "fewest images seen",
    "seconds": "least time",
}
TEMPLATES = Path(__file__).parent / "templates"
GALLERY, FEW = 48, 6
"""Images shown at most, those that most of the leading trials misread; and before a fold."""
WRONG = 12
"""Misread images shown of each trial."""
CURVE = ("epoch", "train_nll", "valid_nll", "valid_exact_match", "valid_cer")
"""Columns of a trial's curve, in the order that the page's script expects."""


def page(
    report: Report,
    *,
    images: bool = True,
    live: Mapping[str, str] | None = None,
    whole: bool = True,
) -> str:
    """The page of a run.

    Args:
        report: on it.
        images: with the pictures of misread images.
        live: of a page that is served: its `version`, what it `says` of the search, and the
            `command` that serves it.
        whole: with Plotly, which takes most of the bytes; a page that is only asked for what has
            changed needs none.
    """
    sections = figure_sections(report)
    pictures = thumbnails(report) if images else {}
    gallery = report.misread_images[:GALLERY]
    elsewhere = {str(one["index"]) for one in gallery}
    data = {
        "figures": {one.name: vars(one) for figures in sections.values() for one in figures},
        "trials": _trials(report),
        "pictures": {k: v for k, v in pictures.items() if k not in elsewhere},
        "labels": list(report.run.predictions.labels),
    }
    board = leaderboard(report.boards)
    objective = objective_of(report.run.records)
    judged = {*objective.metrics, *(one.metric for one in objective.constraints)}
    return rendered(
        "report.html.j2",
        ("report.js", *(("refresh.js",) if live else ())),
        data,
        whole=whole,
        report=report,
        run=report.run,
        about=report.run.about,
        board=board,
        has={
            name: any(row[name] is not None for row in board)
            for name in ("valid_cer", "valid_position_accuracy")
        }
        | {"images_seen": "images_seen" in judged},
        sections=sections,
        gallery=gallery,
        pictures=pictures,
        objective=objective,
        objectives=OBJECTIVES,
        few=FEW,
        live=live,
    )


def rendered(
    template: str, scripts: Sequence[str], data: Mapping[str, Any], *, whole: bool = True,
    **values: Any,
) -> str:  # fmt: skip
    """A page with figures: a template, its own scripts and the `data` that they show."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    filters = (
        counted, formats.figure, formats.share, formats.minutes, formats.setting, formats.command,
    )  # fmt: skip
    for one in filters:
        environment.filters[one.__name__] = one
    script = "\n".join(
        (TEMPLATES / name).read_text(encoding="utf-8")
        for name in ("common.js", "figures.js", *scripts)
    )
    return environment.get_template(template).render(
        nonce=secrets.token_urlsafe(16),
        style=style(),
        script=script,
        plotly=_plotly() if whole else None,
        data=_packed(json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))),
        **values,
    )


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return _packed(get_plotlyjs())


def leaderboard(boards: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of all spaces in one order: completed first, then by NLL; ranks stay the space's."""

    def order(row: dict[str, Any]) -> tuple[Any, ...]:
        nll = math.inf if row["valid_nll"] is None else row["valid_nll"]
        completed = row["state"] == "completed"
        behind = not row.get("feasible", True) if completed else -row["epochs"]
        return not completed, behind, nll, row["rank"]

    rows = [row for board in boards.values() for row in board]
    return list(rows) if len(boards) == 1 else sorted(rows, key=order)


def figure_sections(report: Report) -> dict[str, list[Figure]]:
    """All figures by the part of the page they belong to."""
    run, boards = report.run, report.boards
    tints = {space: colour(boards, space) for space in boards}
    return {
        "stages": [figures_search.stages(report.stages)],
        "confirmed": [figures_models.confirmed(report.confirmed)],
        "search": [
            figures_search.gap_against_nll(run, boards),
            figures_search.history(boards),
            figures_search.curves(run, boards),
        ],
        "importance": [figures_space.importance(n, report.importance[n], tints[n]) for n in boards],
        "parallel": [figures_space.parallel(run, n, boards[n]) for n in boards],
        "slices": [f for n in boards for f in figures_space.slices(run, n, boards[n], tints[n])],
        "cost": figures_search.costs(boards, report.cost),
        "errors": [
            figures_models.beams(boards),
            figures_models.confusions(run, report.leading),
            figures_models.calibration(report.calibration, boards),
        ],
    }


def thumbnails(report: Report) -> dict[str, str]:
    """Pictures (base64 of PNG) of the misread images that the page shows, by index."""
    found = {}
    wrong = [list(row["wrong"])[:WRONG] for row in report.run.predictions.trials.values()]
    indices = {int(index) for own in wrong for index in own}
    for index in sorted(indices | {one["index"] for one in report.misread_images[:GALLERY]}):
        try:
            picture = (report.run.records.path / THUMBNAILS / f"{index}.png").read_bytes()
        except OSError:
            continue
        if picture.startswith(b"\x89PNG") and len(picture) < 20_000:
            found[str(index)] = base64.b64encode(picture).decode()
    return found


def _trials(report: Report) -> dict[str, Any]:
    """What the page's script shows of a trial when it is chosen."""
    run, found = report.run, {}
    facts = ("space", "rank", "state", "epochs", "seed", "error", "reason", "device", "num_misread",
             "num_images", "images_seen", "valid_cer", "baseline", "config")  # fmt: skip
    for space, board in report.boards.items():
        saved = run.about["spaces"][space]["space"]
        start = {**saved["baseline"], **saved["fixed"]}
        for row in board:
            name = row["trial"]
            epochs = [m for _, m in sorted(run.records.epochs.get(name, {}).items())]
            kept = run.predictions.trials.get(name, {"wrong": {}, "confidences": []})
            found[name] = {
                **{k: row[k] for k in facts},
                "minutes": None if row["seconds"] is None else row["seconds"] / 60,
                "start": start,
                "curve": [[m.get(k) for m in epochs] for k in CURVE],
                "wrong": [
                    [int(index), prediction, kept["confidences"][int(index)]]
                    for index, prediction in list(kept["wrong"].items())[:WRONG]
                ],
            }
    return found


def _finite(value: Any) -> Any:
    """The same with null for what JSON cannot hold, and shorter figures."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
