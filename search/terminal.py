"""Draw results in the terminal; compute nothing."""

from typing import Any

from rich.console import Console
from rich.table import Table

_SHORT = {
    "train_nll": "train nll",
    "valid_nll": "valid nll",
    "gap": "gap",
    "valid_captcha_accuracy": "captchas",
    "valid_char_accuracy": "chars",
}


def print_leaderboard(
    board: list[dict[str, Any]], space: str, top: int = 10, console: Console | None = None
) -> None:
    """Print the best trials of a space: training and validation side by side, and the gap.

    Args:
        board: rows from `results.leaderboard`.
        space: its name.
        top: how many rows at most.
        console: where to; standard output by default.
    """
    out = console or Console()
    out.print(f"{space}: {len(board)} trials", style="bold", highlight=False)
    # As wide as a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("trial", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("epochs", *_SHORT.values(), "min"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in board[:top]:
        table.add_row(
            row["trial"],
            row["state"],
            str(row["epochs"]),
            *(_figure(name, row[name]) for name in _SHORT),
            "" if row["seconds"] is None else f"{row['seconds'] / 60:.1f}",
            style="italic" if row["baseline"] else None,
        )
    out.print(table)
    if len(board) > top:
        out.print(f"and {len(board) - top} more", highlight=False)
    for row in board:
        if row["baseline"]:
            out.print(f"{row['trial']} is the baseline: the source's own values", highlight=False)


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
    if name.endswith("accuracy"):
        return f"{100 * value:.1f} %"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
