"""Two runs beside each other: what differed, what each cost, who won, and whether that counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.report.funnel import cost
from search.report.loader import Run

_PLACE = ("data", "warm_start", "spaces")
METRIC = "valid_nll"
Boards = Mapping[str, Sequence[Mapping[str, Any]]]


def compare(runs: tuple[Run, Run], facts: tuple[Boards, Boards]) -> dict[str, Any]:
    """Plain values: `runs`, `settings` that differ, `spaces`, `winner`, `cost`, `caveats`.

    A space's winner is the run whose best completed trial has the lower NLL; it is None where the
    95 % intervals of the two overlap, where one has none, or where other images validated.
    """
    one, two = runs
    caveats = _caveats(one, two)
    settings = {
        name: [_setting(run, name) for run in runs]
        for name in sorted({*one.about["settings"], *two.about["settings"]} - set(_PLACE))
        if _setting(one, name) != _setting(two, name)
    }
    names = list(dict.fromkeys([*one.spaces, *two.spaces]))
    spaces = {name: _space([board.get(name, ()) for board in facts]) for name in names}
    for name, found in spaces.items():
        same = [run.about["spaces"].get(name, {}).get("space") for run in runs]
        if None not in same and same[0] != same[1]:
            caveats.append(f"{name}: what may vary differs between the runs")
        found["winner"] = None if _incomparable(one, two) else _winner(found["best"])
    return {
        "runs": [str(run.records.path) for run in runs],
        "same_images": one.about["data"].get("digest") == two.about["data"].get("digest"),
        "same_split": one.about["split"] == two.about["split"],
        "settings": settings,
        "spaces": spaces,
        "cost": [_spent(board) for board in facts],
        "caveats": caveats,
    }


def _setting(run: Run, name: str) -> Any:
    return run.about["settings"].get(name)


def _incomparable(one: Run, two: Run) -> bool:
    same = one.about["data"].get("digest") == two.about["data"].get("digest")
    return not same or one.about["split"] != two.about["split"]


def _caveats(one: Run, two: Run) -> list[str]:
    found = []
    first, second = (str(run.about["data"].get("digest"))[:12] for run in (one, two))
    if first != second:
        found.append(f"other images (digest {first}, {second}): the figures do not compare")
    elif one.about["split"] != two.about["split"]:
        found.append("another split: other images validated, so that the figures hardly compare")
    for name in ("hardware", "versions", "git_revision"):
        if one.about.get(name) != two.about.get(name):
            found.append(f"{name.replace('_', ' ')} differs")
    found.append("each run's best is partly luck: what counts is search.confirm on both")
    return found


def _space(boards: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    best = [next((row for row in board if row["state"] == "completed"), None) for board in boards]
    return {"best": best, "trials": [len(board) for board in boards]}


def _winner(best: Sequence[Mapping[str, Any] | None]) -> int | None:
    """0 or 1, or None if it cannot be said."""
    one, two = best
    if one is None or two is None or one[METRIC] is None or two[METRIC] is None:
        return None
    first, second = sorted((one, two), key=lambda row: float(row[METRIC]))
    if first["nll_high"] is None or second["nll_low"] is None:
        return None
    if first["nll_high"] >= second["nll_low"]:
        return None
    return 0 if first is one else 1


def _spent(facts: Boards) -> dict[str, float]:
    parts = cost(facts).values()
    return {
        name: sum(part[name] for part in parts) for name in ("trials", "seconds", "images_seen")
    }
