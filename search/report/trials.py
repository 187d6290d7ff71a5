"""One row per trial with all that is known of it: rank, figures, intervals, seeds, cost."""

from datetime import datetime
from typing import Any

import numpy as np

from search.confirmation import summary as scores
from search.confirmation.intervals import Observations, estimate, wilson
from search.report.loader import Run, number
from search.store.leaderboard import METRICS, leaderboard

FIGURES = ("nll", "exact_match", "gap", "num_fits", "num_images", "images_seen", "seconds")
INTERVALS = ("nll_low", "nll_high", "accuracy_low", "accuracy_high")


def trial_facts(run: Run, space: str) -> list[dict[str, Any]]:
    """The leaderboard of a space, each row with more.

    Besides what `results.leaderboard` says: `rank` from 1; `seed`; `started`, `ended`;
    `wall_s`, by the clock; `gpu_seconds`, that it held a GPU, and `money`, at the prices of the
    run's settings, None where nobody counted; INTERVALS, 95 %, of this one training by its
    validation images, None where nothing was kept; `misread`, of how many images `read`; `beams`,
    accuracy by width; `confirmed`, see `confirmation`, or None; `device`.
    """
    found = []
    for rank, row in enumerate(leaderboard(run.records, space), start=1):
        name = row["trial"]
        trial = run.records.trials[name]
        last = run.records.epochs.get(name, {}).get(row["epochs"], {})
        kept = run.readings.trials.get(name)
        if kept and kept.get("epoch") != row["epochs"]:
            kept = None
        images = _num_valid(run)
        found.append(
            {
                "rank": rank,
                **row,
                "seed": trial["seed"],
                "started": trial["started"],
                "ended": trial["ended"],
                "wall_s": _between(trial["started"], trial["ended"]),
                "gpu_seconds": number(trial.get("gpu_seconds")),
                "money": number(trial.get("cost")),
                **_intervals(row, kept, images),
                "misread": len(kept["wrong"]) if kept else _misread(row, images),
                "read": len(kept["nlls"]) if kept else images,
                "beams": kept["beams"] if kept else None,
                "confirmed": confirmation(run, space, name),
                "device": last.get("device"),
            }
        )
    return found


def confirmation(run: Run, space: str, name: str) -> dict[str, Any] | None:
    """What fresh seeds and folds say of a candidate, None if it was not confirmed.

    `nll`, `exact_match` and `gap` with `mean`, `low` and `high`; `num_fits`, `seeds`, `chosen`
    once the choice is made.
    """
    rows = run.fits.get(space, {}).get(name)
    if not rows:
        return None
    result = run.confirmed.get(space, {"candidates": [], "chosen": None})
    # The choice was made at a temperature that the candidate's fits share; before it there is none.
    made: dict[str, Any] = next(
        (one for one in result["candidates"] if one.get("name") == name), {}
    )
    told = made if all(k in made for k in FIGURES) else scores.summarise(rows)
    chosen = result["chosen"]
    return {
        **{k: told[k] for k in FIGURES},
        # Earlier versions wrote intervals of an NLL that went below 0.
        "nll": {**told["nll"], "low": max(0.0, told["nll"]["low"])},
        "seeds": sorted({row["seed"] for row in rows}),
        "chosen": None if chosen is None else chosen == name,
    }


def parameters(run: Run, space: str) -> dict[str, dict[str, Any]]:
    """What varied, and over which range: the saved distributions' attributes by name.

    Each has `kind` (float, int or choice), `low`, `high`, `log`, or `choices`, and the `baseline`.
    """
    saved = run.about["spaces"][space]["space"]
    found = {}
    for name, one in (saved.get("parameters") or {}).items():
        ranges = one.get("attributes", {})
        kinds = {"FloatDistribution": "float", "IntDistribution": "int"}
        found[name] = {
            "kind": kinds.get(one.get("name"), "choice"),
            "low": number(ranges.get("low")),
            "high": number(ranges.get("high")),
            "log": bool(ranges.get("log")),
            "choices": ranges.get("choices"),
            "baseline": saved["baseline"].get(name),
        }
    return found


def _num_valid(run: Run) -> int | None:
    found = run.about["split"].get("num_valid")
    return found if isinstance(found, int) and found > 0 else None


def _misread(row: dict[str, Any], images: int | None) -> int | None:
    share = row["valid_exact_match"]
    return None if share is None or images is None else round((1 - share) * images)


def _intervals(
    row: dict[str, Any], kept: dict[str, Any] | None, images: int | None
) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(INTERVALS)
    share = row["valid_exact_match"]
    if share is not None and images and 0 <= share <= 1:
        found["accuracy_low"], found["accuracy_high"] = wilson(share, images)
    if kept and len(kept["nlls"]) > 1:
        nlls = np.array(kept["nlls"], dtype=float)
        names = tuple(map(str, range(len(nlls))))
        one = estimate(Observations(nlls, names, (0,) * len(nlls)), least=0.0)
        found["nll_low"], found["nll_high"] = one.low, one.high
    return found


def _between(started: str | None, ended: str | None) -> float | None:
    try:
        apart = datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(started))
    except ValueError:
        return None
    return apart.total_seconds()


def table_rows(run: Run) -> tuple[list[str], list[list[Any]]]:
    """All trials of all spaces as a table for other programs: names of the columns, and rows."""
    rows = [row for space in run.spaces for row in trial_facts(run, space)]
    names = sorted({name for row in rows for name in row["config"]})
    plain = ("space", "rank", "trial", "number", "baseline", "state", "epochs", "seed", "started",
             "ended", "wall_s", "gpu_seconds", "money", *METRICS, *INTERVALS, "misread",
             "read", "device", "reason", "error")  # fmt: skip
    heads = [*plain, "feasible", "confirmed_nll", "confirmed_nll_low", "confirmed_nll_high",
             "confirmed_fits"]  # fmt: skip
    table = []
    for row in rows:
        sure = row["confirmed"] or {"nll": {}, "num_fits": None}
        more = [row.get("feasible"), *(sure["nll"].get(k) for k in ("mean", "low", "high"))]
        config = [row["config"].get(name) for name in names]
        table.append([*(row[k] for k in plain), *more, sure["num_fits"], *config])
    return [*heads, *names], table
