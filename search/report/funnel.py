"""How many trials went how far, and what that cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.report.loader import Run
from search.store.records import STATES

STEPS = ("tried", "stopped", "failed", "unfinished", "completed", "confirmed", "tested")
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def funnel(run: Run, facts: Rows) -> dict[str, dict[str, int]]:
    """Trials of each space by step: `tried` is all, `confirmed` those retrained with fresh seeds.

    `tested` is 1 once the space's winner has been judged on the locked test set.
    """
    found = {}
    for space, rows in facts.items():
        states = [row["state"] for row in rows]
        names = {row["trial"] for row in rows}
        test = run.confirmed.get(space, {}).get("test")
        steps: dict[str, int] = {state: states.count(state) for state in STATES}
        steps["tried"] = len(rows)
        steps["confirmed"] = len(names & run.fits.get(space, {}).keys())
        steps["tested"] = 1 if test else 0
        found[space] = {step: steps[step] for step in STEPS}
    return found


def seconds_of(row: Mapping[str, Any]) -> float | None:
    """What a trial cost in seconds: of its training, or else by the clock."""
    found = row["seconds"] if row["seconds"] is not None else row["wall_s"]
    return None if found is None else float(found)


def cost(facts: Rows) -> dict[str, dict[str, float]]:
    """By state: `trials`, `seconds`, `passes` (images trained on), and the `share` of seconds.

    Also `gpu_seconds`, and `money` at the prices of the run's settings; 0 where nobody counted.
    """
    rows = [row for own in facts.values() for row in own]
    total = sum(seconds_of(row) or 0.0 for row in rows)
    found: dict[str, dict[str, float]] = {}
    for state in STATES:
        own = [row for row in rows if row["state"] == state]
        spent = sum(seconds_of(row) or 0.0 for row in own)
        found[state] = {
            "trials": len(own),
            "seconds": spent,
            "images_seen": sum(row["images_seen"] or 0 for row in own),
            "share": spent / total if total else 0.0,
            **{name: sum(row[name] or 0.0 for row in own) for name in ("gpu_seconds", "money")},
        }
    return found
