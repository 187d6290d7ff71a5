"""Draw results in the terminal; compute nothing."""

import math
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

_SHORT = {
    "train_nll": "train nll",
    "valid_nll": "valid nll",
    "gap": "gap",
    "valid_captcha_accuracy": "captchas",
    "valid_char_accuracy": "characters",
}


def print_leaderboard(
    board: pd.DataFrame, space: str, top: int = 10, console: Console | None = None
) -> None:
    """Print the best trials of a space: training and validation side by side, and the gap."""
    out = console or Console()
    table = Table(title=f"{space}: {len(board)} trials", title_justify="left", box=None)
    for name in ("trial", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("epochs", *_SHORT.values(), "minutes"):
        table.add_column(name, justify="right", no_wrap=True)
    for _, row in board.head(top).iterrows():
        table.add_row(
            row["trial"] + " (baseline)" * bool(row["baseline"]),
            row["state"],
            str(row["epochs"]),
            *(_figure(name, row[name]) for name in _SHORT),
            _number(row["seconds"] / 60, "{:.1f}"),
        )
    out.print(table)
    if len(board) > top:
        out.print(f"and {len(board) - top} more", highlight=False)


def print_config(config: dict[str, Any], baseline: dict[str, Any], console: Console) -> None:
    """Print a configuration beside the source's."""
    table = Table(box=None)
    for name in ("parameter", "best", "baseline"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    for name, value in sorted(config.items()):
        source = baseline.get(name)
        table.add_row(name, _value(value), _value(source), style=None if value != source else "dim")
    console.print(table)


def _figure(name: str, value: float) -> str:
    if name.endswith("accuracy"):
        return _number(100 * value, "{:.1f} %")
    return _number(value, "{:.4f}" if abs(value) < 10 else "{:.2f}")


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else form.format(value)


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
