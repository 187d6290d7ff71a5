"""One HTML file that needs nothing else: no server, no network, no other file.

What comes from the run folder is text to Jinja, which escapes it, or data that the page's script
writes as text. The page forbids itself every connection and every script but its own, each of
which bears a nonce drawn anew.
"""

import base64
import gzip
import json
import math
import secrets
import shlex
from pathlib import Path
from typing import Any

from search.report.figure import Boards, Figure, colour
from search.report.figures_models import (
    beams,
    calibration_figure,
    confirmed_figure,
    confusion_figure,
)
from search.report.figures_search import (
    cost_figures,
    curves,
    funnel_figure,
    gap_against_nll,
    history,
)
from search.report.figures_space import importance_figure, parallel, slices
from search.report.whole import Analysis
from search.store.leaderboard import objective_of
from search.store.predictions import THUMBNAILS

AIMS = {
    "valid_nll": "the least validation NLL",
    "gap": "the least gap",
    "valid_exact_match": "the most captchas read",
    "images_seen": "the fewest images seen",
    "seconds": "the least time",
}
TEMPLATES = Path(__file__).parent / "templates"
GALLERY = 48
"""Pictures shown at most: those that the most of the leading trials misread."""
WRONG = 12
"""Misread images told of each trial."""


def page(analysis: Analysis, *, images: bool = True) -> str:
    """The page of a run.

    Args:
        analysis: of the run.
        images: whether the pictures of misread images are in it.
    """
    from jinja2 import Environment, FileSystemLoader
    from plotly.offline import get_plotlyjs

    sections = figure_sections(analysis)
    pictures = thumbnails(analysis) if images else {}
    gallery = {str(one["place"]) for one in analysis.hard_images[:GALLERY]}
    data = {
        "figures": {
            figure.name: _plain(figure) for figures in sections.values() for figure in figures
        },
        "trials": _trials(analysis),
        "pictures": {k: v for k, v in pictures.items() if k not in gallery},
        "labels": list(analysis.run.readings.labels),
    }
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figure": _figure, "share": _share, "minutes": _minutes}
    environment.filters |= {"command": _command, "setting": _setting}
    return environment.get_template("report.html.j2").render(
        analysis=analysis,
        run=analysis.run,
        about=analysis.run.about,
        board=leaderboard(analysis.facts),
        sections=sections,
        gallery=analysis.hard_images[:GALLERY],
        pictures=pictures,
        objective=objective_of(analysis.run.records),
        aims=AIMS,
        nonce=secrets.token_urlsafe(16),
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "report.js").read_text(encoding="utf-8"),
        plotly=_packed(get_plotlyjs()),
        data=_packed(json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))),
    )


def leaderboard(facts: Boards) -> list[dict[str, Any]]:
    """The rows of all spaces in one order: completed first, then by NLL; ranks stay the space's."""

    def order(row: dict[str, Any]) -> tuple[Any, ...]:
        nll = math.inf if row["valid_nll"] is None else row["valid_nll"]
        if row["state"] == "completed":
            return 0, not row.get("feasible", True), nll, row["rank"]
        return 1, -row["epochs"], nll, row["rank"]

    if len(facts) == 1:
        return [dict(row) for board in facts.values() for row in board]
    return sorted((dict(row) for board in facts.values() for row in board), key=order)


def figure_sections(analysis: Analysis) -> dict[str, list[Figure]]:
    """All figures by the part of the page they belong to."""
    run, facts = analysis.run, analysis.facts
    names = list(facts)
    tints = {space: colour(names, space) for space in names}
    return {
        "funnel": [funnel_figure(analysis.funnel)],
        "confirmed": [confirmed_figure(analysis.confirmed)],
        "search": [gap_against_nll(run, facts), history(facts), curves(run, facts)],
        "importance": [importance_figure(n, analysis.importance[n], tints[n]) for n in names],
        "parallel": [parallel(run, n, facts[n]) for n in names],
        "slices": [one for n in names for one in slices(run, n, facts[n], tints[n])],
        "cost": cost_figures(facts, analysis.cost),
        "reading": [
            beams(facts),
            confusion_figure(run, analysis.leading),
            calibration_figure(analysis.calibration, names),
        ],
    }


def thumbnails(analysis: Analysis) -> dict[str, str]:
    """Pictures (base64 of PNG) of the misread images that the page tells of, by place."""
    found = {}
    wrong = [list(row["wrong"])[:WRONG] for row in analysis.run.readings.trials.values()]
    places = {int(place) for own in wrong for place in own}
    for place in sorted(places | {one["place"] for one in analysis.hard_images[:GALLERY]}):
        try:
            picture = (analysis.run.records.path / THUMBNAILS / f"{place}.png").read_bytes()
        except OSError:
            continue
        if picture.startswith(b"\x89PNG") and len(picture) < 20_000:
            found[str(place)] = base64.b64encode(picture).decode()
    return found


def _trials(analysis: Analysis) -> dict[str, Any]:
    """What the page's script tells of a trial when it is chosen."""
    run, found = analysis.run, {}
    columns = ("epoch", "train_nll", "valid_nll", "valid_exact_match", "lr")
    for space, board in analysis.facts.items():
        saved = run.about["spaces"][space]["space"]
        start = {**saved["baseline"], **saved["fixed"]}
        for row in board:
            name = row["trial"]
            epochs = [m for _, m in sorted(run.records.epochs.get(name, {}).items())]
            kept = run.readings.trials.get(name, {"wrong": {}, "confidences": []})
            facts = ("space", "rank", "state", "epochs", "seed", "started", "ended", "images_seen",
                     "error", "reason", "device", "misread", "read", "baseline")  # fmt: skip
            found[name] = {
                **{k: row[k] for k in facts},
                "minutes": None if row["seconds"] is None else row["seconds"] / 60,
                "config": row["config"],
                "start": start,
                "curve": [[_short(m.get(k)) for m in epochs] for k in columns],
                "wrong": [
                    [int(place), read, kept["confidences"][int(place)]]
                    for place, read in list(kept["wrong"].items())[:WRONG]
                ],
            }
    return found


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        "traces": figure.traces,
        "layout": figure.layout,
        "height": figure.height,
        "small": figure.small,
        "title": figure.title,
        "columns": figure.columns,
        "rows": figure.rows,
    }


def _finite(value: Any) -> Any:
    """The same with null for what JSON cannot hold, and shorter figures."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return _short(value)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _figure(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}" if abs(value) < 10 else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _command(words: Any) -> str:
    """A command as a shell takes it."""
    return shlex.join(map(str, words)) if isinstance(words, list) else str(words)


def _setting(value: Any) -> str:
    """A setting as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={_setting(own)}" for name, own in value.items())
    if isinstance(value, list):
        return ", ".join(map(_setting, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds / 3600:.1f} h" if seconds >= 36_000 else f"{seconds / 60:.1f} min"
