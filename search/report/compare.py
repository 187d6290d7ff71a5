"""Comparison of two runs: settings that differ, costs, winners, and whether they count."""

from collections.abc import Mapping, Sequence
from typing import Any

from captcha_models.words import counted
from search.confirmation.intervals import Estimate
from search.report import formats
from search.report.gain import paired
from search.report.report import Report

_ELSEWHERE = {"data", "warm_start", "spaces"}
METRIC = "valid_nll"


def compare(both: tuple[Report, Report]) -> dict[str, Any]:
    """Plain values: `runs`, `settings` that differ, `spaces`, `cost`, `caveats`.

    A space's `winner` is the run (0 or 1) whose best completed trial has the lower NLL; None where
    the difference on the same images, `lower` (by how much B's is lower, with its 95 % interval),
    may be 0, or is not known: other images validated, or their predictions were not kept. `says`
    puts it into words.
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
        lower = _lower(both, best) if same_images and same_split else None
        winner = _winner(lower)
        spaces[name] = {
            "best": best,
            "trials": [len(own) for own in rows],
            "winner": winner,
            "lower": lower and {k: getattr(lower, k) for k in ("mean", "low", "high")},
            "says": _says(best, winner, lower, same_images and same_split),
        }
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


def _lower(
    both: tuple[Report, Report], best: Sequence[Mapping[str, Any] | None]
) -> Estimate | None:
    """By how many nats an image the second's NLL is lower; None without predictions of both."""
    found = []
    for report, row in zip(both, best, strict=True):
        kept = row and report.run.predictions.trials.get(row["trial"])
        if not row or not kept or kept.get("epoch") != row["epochs"]:
            return None
        found.append(kept)
    return paired(*found)


def _winner(lower: Estimate | None) -> int | None:
    """0 or 1, or None if the difference is not significant."""
    if lower is None:
        return None
    return 1 if lower.low > 0 else 0 if lower.high < 0 else None


def _says(
    best: Sequence[Mapping[str, Any] | None],
    winner: int | None,
    lower: Estimate | None,
    comparable: bool,
) -> str:
    """Which run's best completed trial has the lower NLL, and how sure that is."""
    missing = [side for side, row in zip("AB", best, strict=True) if row is None]
    if missing:
        return f"no trial of {' and '.join(missing)} is completed"
    if not comparable:
        return "not comparable: other images validated"
    if lower is None:
        return "cannot be told: the predictions of both for the same images are needed"
    told = "no significant difference in NLL" if winner is None else f"{'AB'[winner]} is better"
    sign = -1 if lower.mean < 0 else 1
    side = "B" if sign > 0 else "A"
    low, high = sorted((sign * lower.low, sign * lower.high))
    mean, low_, high_ = (formats.figure(value) for value in (sign * lower.mean, low, high))
    return (
        f"{told}: {side}'s NLL is {mean} nats lower, 95 % {low_} to {high_} over the same "
        f"{counted(lower.num_images, 'image')} of one training each"
    )
