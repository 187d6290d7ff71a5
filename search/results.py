"""What a run's records say: the leaderboard, the best trial, the counts. Computes, never draws.

Reads records alone, so that a run can be looked at without Ray or torch, and while it is running.
pandas is loaded only for those who want tables: it takes longer than all the rest.
"""

import math
from typing import TYPE_CHECKING, Any

from search.records import STATES, Records
from search.settings import GOALS, Goal

if TYPE_CHECKING:
    import pandas as pd

METRICS = (
    "train_nll",
    "valid_nll",
    "gap",
    "valid_captcha_accuracy",
    "valid_captcha_accuracy_greedy",
    "valid_char_accuracy",
    "train_loss",
    "valid_loss",
    "images_per_s",
    "seconds",
)


def goal_of(records: Records) -> Goal:
    """What counted as better in the run."""
    return GOALS[records.run["settings"]["objective"]]


def state_of(row: dict[str, Any]) -> str:
    """State of a trial's last row; one that has not ended is `unfinished`."""
    return row["state"] if row["state"] in STATES else "unfinished"


def trial_rows(records: Records) -> list[dict[str, Any]]:
    """One row per trial: identity, state, epochs, METRICS of its last epoch, its `config`.

    Metrics of a trial without an epoch are None.
    """
    rows = []
    for name, row in records.trials.items():
        last = records.last_epoch(name)
        metrics = records.epochs[name][last] if last else {}
        rows.append(
            {
                "trial": name,
                "space": row["space"],
                "number": row["number"],
                "baseline": row["baseline"],
                "state": state_of(row),
                "epochs": last,
                **{metric: metrics.get(metric) for metric in METRICS},
                "error": row["error"],
                "config": row["config"],
            }
        )
    return rows


def leaderboard(records: Records, space: str) -> list[dict[str, Any]]:
    """The trial rows of a space, best first: those with the full budget, then by the objective.

    Trials of unequal budgets are never ranked against each other by their metrics alone: the
    others follow, more epochs first.
    """
    goal = goal_of(records)
    sign = 1.0 if goal.mode == "min" else -1.0

    def order(row: dict[str, Any]) -> tuple[bool, int, float, int]:
        partial = row["state"] != "completed"
        value = math.inf if row[goal.metric] is None else sign * row[goal.metric]
        return partial, -row["epochs"] if partial else 0, value, row["number"]

    return sorted((row for row in trial_rows(records) if row["space"] == space), key=order)


def trials_table(records: Records) -> "pd.DataFrame":
    """The trial rows of all spaces as a table; missing metrics are NaN."""
    import pandas as pd

    columns = ["trial", "space", "number", "baseline", "state", "epochs", *METRICS]
    table = pd.DataFrame(trial_rows(records), columns=[*columns, "error", "config"])
    return table.astype(dict.fromkeys(METRICS, "float64"))


def epochs_table(records: Records) -> "pd.DataFrame":
    """One row per trial and epoch, in order: the curves."""
    import pandas as pd

    rows = [row for by_epoch in records.epochs.values() for _, row in sorted(by_epoch.items())]
    return pd.DataFrame(rows)


def ranking(records: Records, space: str) -> list[tuple[str, int]]:
    """Trials and epochs whose model could stand for the space, best first.

    Completed trials at their last epoch; then the others at the epoch of their last checkpoint,
    by the objective alone, for a model there has to be.
    """
    goal = goal_of(records)
    sign = 1.0 if goal.mode == "min" else -1.0
    candidates = []
    for name, row in records.trials.items():
        saved = [e for e, m in records.epochs.get(name, {}).items() if m["checkpoint"]]
        if row["space"] != space or not saved:
            continue
        epoch = max(saved)
        value = records.epochs[name][epoch][goal.metric]
        if value is not None:
            candidates.append(
                (state_of(row) != "completed", sign * value, row["number"], name, epoch)
            )
    return [(name, epoch) for *_, name, epoch in sorted(candidates)]


def best(records: Records, space: str) -> dict[str, Any] | None:
    """The best trial whose model is in the run folder, or None.

    Its metrics are those of the epoch that the model is of.
    """
    kept = records.best_on_disk(space)
    if kept is None or kept[0] not in records.trials:
        return None
    name, epoch = kept
    row, metrics = records.trials[name], records.epochs[name][epoch]
    return {
        "trial": name,
        "model": str(records.path / "best" / space / "model.safetensors"),
        "state": state_of(row),
        "epochs": epoch,
        **{key: metrics[key] for key in METRICS[:6]},
        "config": row["config"],
    }


def errors(records: Records, space: str) -> list[str]:
    """One line per failed trial: its name and its error's last line."""
    rows = [row for row in records.trials.values() if row["space"] == space]
    return [f"{row['trial']} failed: {row['error']}" for row in rows if row["state"] == "failed"]


def counts(records: Records, space: str) -> dict[str, int]:
    """Number of the space's trials in each state."""
    found: dict[str, int] = dict.fromkeys(STATES, 0)
    for row in records.trials.values():
        if row["space"] == space:
            found[state_of(row)] += 1
    return found


def summary(records: Records) -> dict[str, Any]:
    """The run in one object, as `search.run --json` prints it."""
    return {
        "run": str(records.path),
        "spaces": {
            space: {"trials": counts(records, space), "best": best(records, space)}
            for space in records.run["spaces"]
        },
    }
