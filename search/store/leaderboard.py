"""Leaderboard of a run, its best trial and its counts, computed from the records alone.

So a run can be analysed without Ray or torch, and while it is running. pandas is loaded only for
tables: it takes longer than all the rest.
"""

from typing import TYPE_CHECKING, Any

from search.store.records import STATES, Records
from search.tuning import objectives
from search.tuning.objectives import Objective

if TYPE_CHECKING:
    import pandas as pd

METRICS = (
    "train_nll",
    "valid_nll",
    "gap",
    "valid_exact_match",
    "valid_exact_match_greedy",
    "valid_cer",
    "valid_position_accuracy",
    "train_loss",
    "valid_loss",
    "images_per_s",
    "seconds",
    "images_seen",
)


def objective_of(records: Records) -> Objective:
    """The objective of the run, with its constraints."""
    return objectives.objective_of(records.run["settings"])


def state_of(row: dict[str, Any]) -> str:
    """State of a trial's last row; one that has not ended is `unfinished`."""
    return row["state"] if row["state"] in STATES else "unfinished"


def trial_rows(records: Records) -> list[dict[str, Any]]:
    """One row per trial: identity, state, epochs, METRICS of its last epoch, its `config`.

    Metrics of a trial without an epoch are None. With constraints a row also says whether
    the trial is `feasible`: whether its last epoch keeps to them.
    """
    objective = objective_of(records)
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
                **{name: metrics.get(name) for name in (*METRICS, *objective.metrics)},
                **({"feasible": objective.feasible(metrics)} if objective.constraints else {}),
                "error": row["error"],
                "reason": row.get("reason"),
                "config": row["config"],
            }
        )
    return rows


def leaderboard(records: Records, space: str) -> list[dict[str, Any]]:
    """The trial rows of a space, best first: those with the full budget, then by the objective.

    Of those the feasible come first. Trials of unequal budgets are never ranked against each other
    by their metrics alone: the others follow, more epochs first. With two metrics a row also says
    whether it is on the `front` of the feasible completed trials: none is better in both.
    """
    objective = objective_of(records)

    def order(row: dict[str, Any]) -> tuple[Any, ...]:
        if row["state"] == "completed":
            return 0, *objective.order(row), row["number"]
        return 1, -row["epochs"], objective.partial_order(row), row["number"]

    board = sorted((row for row in trial_rows(records) if row["space"] == space), key=order)
    if len(objective.metrics) == 2:
        sign = 1 if objective.mode == "min" else -1
        points = {
            row["trial"]: (sign * row[objective.metrics[0]], sign * row[objective.metrics[1]])
            for row in board
            if row["state"] == "completed" and objective.feasible(row)
        }
        kept = objectives.front(points.values())
        for row in board:
            row["front"] = points.get(row["trial"]) in kept
    return board


def front(records: Records, space: str) -> list[dict[str, Any]]:
    """The rows of the leaderboard that are on the front, least NLL first; none with one metric."""
    return [row for row in leaderboard(records, space) if row.get("front")]


def extra_columns(records: Records) -> list[str]:
    """Columns of the leaderboard that only some objectives have."""
    objective = objective_of(records)
    wanted = {
        "feasible": bool(objective.constraints),
        "front": len(objective.metrics) == 2,
        "images_seen": "images_seen" in objective.metrics,
    }
    own = [name for name in objective.metrics if name not in METRICS]
    return [*own, *(name for name, has in wanted.items() if has)]


def missed(records: Records, space: str) -> str | None:
    """A message if no completed trial is feasible, which says what `best` is then; or None."""
    first = best(records, space)
    if first is None or first.get("feasible", True):
        return None
    limits = " and ".join(map(str, objective_of(records).constraints))
    return f"{space}: no completed trial has {limits}; the best is the one of lowest NLL"


def leaderboard_table(records: Records, space: str | None = None) -> "pd.DataFrame":
    """The leaderboard as a DataFrame: one row a trial, best first, of one space or space by space.

    Columns are those of `trial_rows`, with the configuration's fields as `config/NAME`, so that a
    field such as `epochs` does not collide with a column. Missing metrics are NaN.
    """
    import pandas as pd

    spaces = records.run["spaces"] if space is None else (space,)
    rows = [row for name in spaces for row in leaderboard(records, name)]
    columns = ("trial", "space", "number", "baseline", "state", "epochs", *METRICS)
    table = pd.json_normalize(rows, sep="/")
    table = table.reindex(columns=list(dict.fromkeys([*columns, *table.columns])))
    return table.astype(dict.fromkeys(METRICS, "float64"))


def epochs_table(records: Records) -> "pd.DataFrame":
    """The learning curves as a DataFrame: one row per trial and epoch, in order."""
    import pandas as pd

    rows = [row for by_epoch in records.epochs.values() for _, row in sorted(by_epoch.items())]
    return pd.DataFrame(rows)


def ranking(records: Records, space: str) -> list[tuple[str, int]]:
    """Trials and epochs whose model could stand for the space, best first.

    Completed trials at their last epoch; then the others at the epoch of their last checkpoint,
    by their metric alone, for a model there has to be.
    """
    objective = objective_of(records)
    candidates: list[tuple[Any, ...]] = []
    for name, row in records.trials.items():
        saved = [e for e, m in records.epochs.get(name, {}).items() if m["checkpoint"]]
        if row["space"] != space or not saved:
            continue
        epoch = max(saved)
        metrics = records.epochs[name][epoch]
        if metrics[objective.metric] is not None:
            order: tuple[Any, ...] = (1, objective.partial_order(metrics))
            if state_of(row) == "completed":
                order = (0, *objective.order(metrics))
            candidates.append((*order, row["number"], name, epoch))
    return [(name, epoch) for *_, name, epoch in sorted(candidates)]


def best(records: Records, space: str) -> dict[str, Any] | None:
    """The best trial whose model is in the run folder, with the metrics of its epoch; or None."""
    kept = records.best_on_disk(space)
    if kept is None or kept[0] not in records.trials:
        return None
    name, epoch = kept
    objective = objective_of(records)
    row, metrics = records.trials[name], records.epochs[name][epoch]
    return {
        "trial": name,
        "model": str(records.path / "best" / space / "model.safetensors"),
        "state": state_of(row),
        "epochs": epoch,
        **{key: metrics.get(key) for key in (*METRICS[:7], *objectives.COSTS)},
        **({"feasible": objective.feasible(metrics)} if objective.constraints else {}),
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


def is_starting_point(records: Records, trial: str) -> bool:
    """Whether a trial was put in by hand, as the baseline or a known point, and not proposed."""
    row = records.trials[trial]
    saved = records.run["spaces"][row["space"]].get("space")
    if saved is None:
        return False  # A list of trials has none.
    return bool(row["baseline"]) or row["number"] <= len(saved.get("known") or ())


def summary(records: Records) -> dict[str, Any]:
    """The run in one object, as `search.run --json` prints it.

    With two metrics each space has its `front`: for each trial on it METRICS and `config`.
    """
    two = len(objective_of(records).metrics) == 2
    found: dict[str, dict[str, Any]] = {}
    for space in records.run["spaces"]:
        found[space] = {"trials": counts(records, space), "best": best(records, space)}
        if two:
            keys = ("trial", "epochs", *METRICS, "config")
            found[space]["front"] = [{k: row[k] for k in keys} for row in front(records, space)]
    return {"run": str(records.path), "spaces": found}
