"""Trials of a run: leaderboard rows with intervals, confirmation and cost; stages; totals."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from captcha_models.training.metrics import edits
from search.confirmation.intervals import Observations, estimate, wilson
from search.confirmation.summary import summarise
from search.report.loader import Run, number
from search.store.leaderboard import leaderboard
from search.store.records import STATES

if TYPE_CHECKING:
    import pandas as pd

SUMMARY = ("nll", "exact_match", "gap", "num_fits", "num_images", "images_seen", "seconds")
INTERVALS = ("nll_low", "nll_high", "exact_match_low", "exact_match_high")
STAGES = ("tried", "stopped", "failed", "unfinished", "completed", "retrained", "tested")

Boards = Mapping[str, Sequence[dict[str, Any]]]


def trial_rows(run: Run, space: str) -> list[dict[str, Any]]:
    """The leaderboard of a space, each row with more than `search.store.leaderboard` gives.

    `rank` from 1; `seed`; `started`, `ended`; `wall_seconds`; `gpu_seconds`, while it held a GPU,
    and `money`, at the prices of the run's settings, None where unknown; INTERVALS, 95 %, over the
    validation images of this one training, None without predictions; `num_misread` of
    `num_images`; `beams`, exact match by beam width; `confirmed`, see `confirmation`; `device`.
    """
    found = []
    valid = run.about["split"].get("num_valid")
    images = valid if isinstance(valid, int) and valid > 0 else None
    labels = run.predictions.labels
    for rank, row in enumerate(leaderboard(run.records, space), start=1):
        name, match = row["trial"], row["valid_exact_match"]
        trial = run.records.trials[name]
        last = run.records.epochs.get(name, {}).get(row["epochs"], {})
        kept = run.predictions.trials.get(name, {})
        if kept.get("epoch") != row["epochs"]:
            kept = {}
        pairs = ((kept["wrong"].get(str(i), own), own) for i, own in enumerate(labels))
        cer = error_rate(pairs) if kept else None
        misread = None if match is None or images is None else round((1 - match) * images)
        found.append(
            {
                "rank": rank,
                **row,
                **{name: trial[name] for name in ("seed", "started", "ended")},
                "wall_seconds": _between(trial["started"], trial["ended"]),
                "gpu_seconds": number(trial.get("gpu_seconds")),
                "money": number(trial.get("cost")),
                **_intervals(match, kept.get("nlls", ()), images),
                "valid_cer": row["valid_cer"] if row["valid_cer"] is not None else cer,
                "num_misread": len(kept["wrong"]) if kept else misread,
                "num_images": len(kept["nlls"]) if kept else images,
                "beams": kept.get("beams"),
                "confirmed": confirmation(run, space, name),
                "device": last.get("device"),
            }
        )
    return found


def confirmation(run: Run, space: str, name: str) -> dict[str, Any] | None:
    """What new seeds and folds say of a candidate; None if it was not confirmed.

    `nll`, `exact_match` and `gap` with `mean`, `low` and `high`; `cer`; `num_fits`, `seeds`;
    `chosen` once the choice is made.
    """
    rows = run.fits.get(space, {}).get(name)
    if not rows:
        return None
    result = run.confirmed.get(space, {"candidates": [], "chosen": None})
    # The choice was made at a temperature that the candidate's fits share; before it there is none.
    made: dict[str, Any] = next(
        (one for one in result["candidates"] if one.get("name") == name), {}
    )
    values = made if all(k in made for k in SUMMARY) else summarise(rows)
    chosen = result["chosen"]
    return {
        **{k: values[k] for k in SUMMARY},
        "cer": error_rate_of(rows),
        # Version 0.1 wrote intervals of an NLL that went below 0.
        "nll": {**values["nll"], "low": max(0.0, values["nll"]["low"])},
        "seeds": sorted({row["seed"] for row in rows}),
        "chosen": None if chosen is None else chosen == name,
    }


def error_rate_of(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Character error rate of trainings of a confirmation; None without any."""
    return error_rate(p for row in rows for p in zip(row["read"], row["labels"], strict=True))


def error_rate(pairs: Iterable[tuple[str, str]]) -> float | None:
    """Character error rate of (prediction, label): edits over the labels' length; or None."""
    counted = [(edits(prediction, label), len(label)) for prediction, label in pairs]
    wrong, total = (sum(column) for column in zip(*counted, strict=True)) if counted else (0, 0)
    return wrong / total if total else None


def trial_table(boards: Boards) -> "pd.DataFrame":
    """All trials as a flat table for other programs; nested values as `config/lr`."""
    import pandas as pd

    rows = [row for board in boards.values() for row in board]
    table = pd.json_normalize(rows, sep="/").drop(columns=["confirmed", "beams"], errors="ignore")
    return table.convert_dtypes()


def stages(run: Run, boards: Boards) -> dict[str, dict[str, int]]:
    """Trials of each space by stage: `tried` are all, `retrained` those with new seeds.

    `tested` is 1 once the space's winner has been evaluated on the locked test set.
    """
    found = {}
    for space, rows in boards.items():
        states = [row["state"] for row in rows]
        counts: dict[str, int] = {state: states.count(state) for state in STATES}
        counts["tried"] = len(rows)
        counts["retrained"] = len({r["trial"] for r in rows} & run.fits.get(space, {}).keys())
        counts["tested"] = 1 if run.confirmed.get(space, {}).get("test") else 0
        found[space] = {stage: counts[stage] for stage in STAGES}
    return found


def seconds_of(row: Mapping[str, Any]) -> float:
    """Seconds that a trial took: of its training, or else by the clock; 0 if unknown."""
    found = row["seconds"] if row["seconds"] is not None else row["wall_seconds"]
    return 0.0 if found is None else float(found)


def cost(boards: Boards) -> dict[str, dict[str, float]]:
    """By state: `trials`, `seconds` and their `share`, `images_seen`, `gpu_seconds`, `money`."""
    rows = [row for board in boards.values() for row in board]
    total = sum(map(seconds_of, rows))
    found: dict[str, dict[str, float]] = {}
    for state in STATES:
        own = [row for row in rows if row["state"] == state]
        spent = sum(map(seconds_of, own))
        sums = ("images_seen", "gpu_seconds", "money")
        found[state] = {
            "trials": len(own),
            "seconds": spent,
            "share": spent / total if total else 0.0,
            **{name: sum(row[name] or 0 for row in own) for name in sums},
        }
    return found


def _intervals(match: float | None, nlls: Sequence[float], images: int | None) -> dict[str, Any]:
    found: dict[str, float | None] = dict.fromkeys(INTERVALS)
    if match is not None and images and 0 <= match <= 1:
        found["exact_match_low"], found["exact_match_high"] = wilson(match, images)
    if len(nlls) > 1:
        names = tuple(map(str, range(len(nlls))))
        values = Observations(np.array(nlls, dtype=float), names, (0,) * len(nlls))
        one = estimate(values, least=0.0)
        found["nll_low"], found["nll_high"] = one.low, one.high
    return found


def _between(started: str | None, ended: str | None) -> float | None:
    try:
        apart = datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(started))
    except (ValueError, TypeError):
        return None
    return apart.total_seconds()
