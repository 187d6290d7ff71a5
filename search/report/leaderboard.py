"""Draw results in the terminal; compute nothing."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_SHORT = {
    "train_nll": "train nll",
    "valid_nll": "valid nll",
    "gap": "gap",
    "valid_exact_match": "captchas",
    "valid_position_accuracy": "chars",
}

_EXTRA = {"images_seen": "images", "feasible": "feasible", "front": "front"}


def print_leaderboard(
    board: list[dict[str, Any]],
    space: str,
    top: int = 10,
    console: Console | None = None,
    extra: Sequence[str] = (),
) -> None:
    """Print the best trials of a space: training and validation side by side, and the gap.

    Args:
        board: rows from `results.leaderboard`.
        space: its name.
        top: how many rows at most.
        console: where to; standard output by default.
        extra: further columns, from `results.extra_columns`.
    """
    out = console or Console()
    # As wide as a terminal of 80 columns.
    shown = {k: v for k, v in _SHORT.items() if not (extra and k == "valid_position_accuracy")}
    if "images_seen" not in extra:
        shown["seconds"] = "min"
    shown |= {name: _EXTRA[name] for name in extra}
    out.print(f"{space}: {len(board)} trials", style="bold", highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("trial", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("epochs", *shown.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for row in board[:top]:
        table.add_row(
            row["trial"],
            row["state"],
            str(row["epochs"]),
            *(_figure(name, row[name]) for name in shown),
            style="italic" if row["baseline"] else None,
        )
    out.print(table)
    if len(board) > top:
        out.print(f"and {len(board) - top} more", highlight=False)
    for row in board:
        if row["baseline"]:
            told = "the baseline: the source's own value of all that varies"
            out.print(f"{row['trial']} is {told}", highlight=False)


def print_config(values: dict[str, Any], baseline: dict[str, Any], console: Console) -> None:
    """Print parameters beside the source's; those that agree with it are dimmed."""
    table = Table(box=None, pad_edge=False)
    for name in ("parameter", "best", "baseline"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    for name, value in values.items():
        source = baseline.get(name)
        table.add_row(name, _value(value), _value(source), style="dim" if value == source else None)
    console.print(table)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int):
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    if name == "seconds":
        return f"{value / 60:.1f}"
    if name.endswith("accuracy"):
        return f"{100 * value:.1f} %"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
