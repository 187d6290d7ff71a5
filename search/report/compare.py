"""Comparison of two runs: settings that differ, costs, winners, and whether they count."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.report.report import Report

_ELSEWHERE = {"data", "warm_start", "spaces"}
METRIC = "valid_nll"


def compare(both: tuple[Report, Report]) -> dict[str, Any]:
    """Plain values: `runs`, `settings` that differ, `spaces`, `cost`, `caveats`.

    A space's `winner` is the run (0 or 1) whose best completed trial has the lower NLL; None where
    the 95 % intervals of the two overlap, where one has none, or where other images validated.
    """
    runs = [report.run for report in both]
    one, two = (run.about for run in runs)
    digests = [str(about["data"].get("digest")) for about in (one, two)]
    same_images = one["data"].get("digest") == two["data"].get("digest")
    same_split = one["split"] == two["split"]
    caveats = []
    if digests[0] != digests[1]:
        short = ", ".join(digest[:12] for digest in digests)
        caveats.append(f"other images (digest {short}): the figures do not compare")
    elif not same_split:
        caveats.append("another split: other images validated, so that the figures hardly compare")
    for name in ("hardware", "versions", "git_revision"):
        if one.get(name) != two.get(name):
            caveats.append(f"{name.replace('_', ' ')} differs")
    caveats.append("the best of each run may owe its place to chance: run search.confirm on both")
    spaces = {}
    for name in dict.fromkeys([*runs[0].spaces, *runs[1].spaces]):
        rows = [report.boards.get(name, []) for report in both]
        best = [next((r for r in own if r["state"] == "completed"), None) for own in rows]
        tables = [about["spaces"].get(name, {}).get("space") for about in (one, two)]
        if None not in tables and tables[0] != tables[1]:
            caveats.append(f"{name}: the spaces differ between the runs")
        winner = _winner(best) if same_images and same_split else None
        spaces[name] = {"best": best, "trials": [len(own) for own in rows], "winner": winner}
    names = sorted({*one["settings"], *two["settings"]} - _ELSEWHERE)
    settings = {name: [about["settings"].get(name) for about in (one, two)] for name in names}
    return {
        "runs": [str(run.records.path) for run in runs],
        "same_images": same_images,
        "same_split": same_split,
        "settings": {
            name: values
            for name, values in settings.items()
            if (values[0] or None) != (values[1] or None)
        },
        "spaces": spaces,
        "cost": [
            {
                name: sum(part[name] for part in report.cost.values())
                for name in ("trials", "seconds", "images_seen")
            }
            for report in both
        ],
        "caveats": caveats,
    }


def _winner(best: Sequence[Mapping[str, Any] | None]) -> int | None:
    """0 or 1, or None if the difference is not significant."""
    one, two = best
    if one is None or two is None or one[METRIC] is None or two[METRIC] is None:
        return None
    first, second = sorted((one, two), key=lambda row: float(row[METRIC]))
    high, low = first["nll_high"], second["nll_low"]
    if high is None or low is None or high >= low:
        return None
    return 0 if first is one else 1
