"""Report printed in a terminal; computes nothing."""

from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.table import Table

from captcha_models.words import counted
from search.report import formats
from search.report.report import Report
from search.store.leaderboard import best, errors, extra_columns, missed

SHOWN = 5
"""Important parameters, and errors."""
COLUMNS = {
    "train_nll": "train nll",
    "valid_nll": "valid nll",
    "gap": "gap",
    "valid_exact_match": "captchas",
    "valid_cer": "CER",
}
OPTIONAL = {"images_seen": "images", "feasible": "feasible", "front": "front"}
POSITIONS = "valid_position_accuracy"
WIDE = 96
"""Columns of a terminal in which the position-wise accuracy has room, too."""

Row = Mapping[str, Any]


def print_leaderboard(
    board: Sequence[Row],
    space: str,
    top: int = 10,
    console: Console | None = None,
    extra: Sequence[str] = (),
) -> None:
    """Print the best trials of a space: training and validation side by side, and the gap.

    The rows are those of `search.store.leaderboard.leaderboard`, `extra` its `extra_columns`.
    """
    out = console or Console()
    shown = dict(COLUMNS)
    if out.width >= WIDE:
        shown[POSITIONS] = "position-wise"
    # Neither runs of version 0.1 nor recognisers by CTC have all of them.
    missing = {name for name in ("valid_cer", POSITIONS) if all(r[name] is None for r in board)}
    shown = {name: head for name, head in shown.items() if name not in missing}
    if "images_seen" not in extra:
        shown["seconds"] = "min"
    shown |= {name: OPTIONAL.get(name, name) for name in extra}
    out.print(f"{space}: {counted(len(board), 'trial')}", style="bold", highlight=False)
    shown = {"epochs": "epochs", **shown}
    rows = [_cells(row, shown) for row in board[:top]]
    styles = ["italic" if row["baseline"] else None for row in board[:top]]
    heads = ("trial", "state", *shown.values())
    _print_table(out, heads, rows, left=("trial", "state"), styles=styles)
    if len(board) > top:
        out.print(f"and {len(board) - top} more", highlight=False)
    for row in board:
        if row["baseline"]:
            _line(out, f"{row['trial']} is the baseline: what the search starts from")


def show(report: Report, top: int, out: Console) -> None:
    """Print notes, leaderboards, importances, stages, the cost and what to do next."""
    run = report.run
    data, split = run.about["data"], run.about["split"]
    _line(out, f"run: {run.records.path}")
    if data.get("num_images"):
        _line(
            out,
            f"data: {data['num_images']} images from {data.get('source')}: "
            f"{split.get('num_train')} train, {split.get('num_valid')} valid, "
            f"{split.get('num_test')} in the locked test set",
        )
    for note in run.notes:
        _line(out, f"note: {note}")
    for space, board in report.boards.items():
        out.print()
        _show_space(report, space, board, top, out)
    out.print()
    heads = ("trials", *next(iter(report.stages.values()), {}))
    rows = [[name, *map(str, counts.values())] for name, counts in report.stages.items()]
    _print_table(out, heads, rows, gap=2)
    _line(out, f"cost: {formats.spent(report.cost, run.about['sessions'])}")
    _line(out, f"\nnext: {report.advice}")


def _show_space(report: Report, space: str, board: Sequence[Row], top: int, out: Console) -> None:
    records = report.run.records
    print_leaderboard(board, space, top, out, extra_columns(records))
    _show_confirmed(report.confirmed.get(space, {}), out)
    if first := best(records, space):
        label = f"{first['trial']}, {first['state']}, {counted(first['epochs'], 'epoch')}"
        _line(out, f"\nmodel: {first['model']} ({label})")
        saved = report.run.about["spaces"][space]["space"]
        start = {k: v for k, v in saved["baseline"].items() if k not in saved["fixed"]}
        pairs = {name: (first["config"].get(name), value) for name, value in start.items()}
        _print_table(
            out,
            ("parameter", "best", "baseline"),
            [[name, *map(formats.setting, pair)] for name, pair in pairs.items()],
            styles=["dim" if value == source else None for value, source in pairs.values()],
        )
        if saved["fixed"]:
            _line(out, f"fixed: {formats.setting(saved['fixed'])}")
    if line := report.gain[space].describe(space):
        _line(out, line)
    part = report.importance[space]
    if part["telling"]:
        names = part["telling"][:SHOWN]
        shares = ", ".join(f"{name} {formats.share(part['shares'][name], 0)}" for name in names)
        _line(out, f"importance over {part['num_trials']} trials (fANOVA), above the "
                   f"{formats.share(part['chance'], 0)} of chance: {shares}")  # fmt: skip
    elif part["note"]:
        _line(out, f"importance: {part['note']}")
    if line := missed(records, space):
        _line(out, line)
    failed = errors(records, space)
    for line in failed[:SHOWN]:
        _line(out, line)
    if len(failed) > SHOWN:
        _line(out, f"and {len(failed) - SHOWN} more failed")


def _show_confirmed(found: Mapping[str, Row], out: Console) -> None:
    if not found:
        return
    rows = []
    for name, one in sorted(found.items(), key=lambda item: float(item[1]["nll"]["mean"])):
        nll = one["nll"]
        rows.append(
            [
                name + (" (chosen)" if one["chosen"] else ""),
                str(one["num_fits"]),
                f"{nll['mean']:.4f}",
                f"{nll['low']:.4f} to {nll['high']:.4f}",
                formats.share(one["exact_match"]["mean"]),
                formats.share(one["cer"], 2),
                f"{one['gap']['mean']:.4f}",
            ]
        )
    out.print()
    _print_table(out, ("retrained", "trainings", "nll", "95 %", "captchas", "CER", "gap"), rows)


def show_both(
    compared: Mapping[str, Any], both: tuple[Report, Report], top: int, out: Console
) -> None:
    """Print two runs side by side."""
    names = compared["runs"]
    for side, name, spent in zip("AB", names, compared["cost"], strict=True):
        _line(
            out,
            f"{side}: {name}: {counted(int(spent['trials']), 'trial')}, "
            f"{formats.minutes(spent['seconds'])}, {spent['images_seen']:,.0f} images seen",
        )
    _line(out, f"images: {'the same' if compared['same_images'] else 'different'}; "
               f"split: {'the same' if compared['same_split'] else 'different'}")  # fmt: skip
    figures = {"valid_nll": "nll", "gap": "gap", "valid_exact_match": "captchas"}
    for space, found in compared["spaces"].items():
        boards = [one.boards.get(space, []) for one in both]
        shown = figures
        if any(row["valid_cer"] is not None for board in boards for row in board):
            shown = {**figures, "valid_cer": "CER"}
        heads = ("state", *shown.values())
        pairs = list(zip_longest(*(board[:top] for board in boards)))
        rows = [[cell for row in pair for cell in _cells(row, shown)] for pair in pairs]
        out.print()
        _print_table(out, ("A", *heads, "B", *heads), rows, left=("A", "B", "state"), title=space)
        _line(out, f"{space}: {found['says']}")
    if compared["settings"]:
        out.print()
        _line(out, "settings that differ:")
        for name, pair in compared["settings"].items():
            told = [formats.setting(value) or "not set" for value in pair]
            _line(out, f"{name}: A {told[0]}; B {told[1]}")
    out.print()
    for line in compared["caveats"]:
        _line(out, f"note: {line}")
    for side, one in zip("AB", both, strict=True):
        _line(out, f"next, {side}: {one.advice}")


def _cells(row: Row | None, shown: Collection[str]) -> list[str]:
    if row is None:
        return [""] * (2 + len(shown))
    return [row["trial"], row["state"], *(_figure(name, row[name]) for name in shown)]


def _print_table(
    out: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], *,
    left: Sequence[str] = (), gap: int = 1, title: str | None = None,
    styles: Sequence[str | None] = (),
) -> None:  # fmt: skip
    """Print rows without a frame; `left` are the heads aligned so, by default the first."""
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), title=title)
    for head in heads:
        to_left = head in (left or heads[:1])
        table.add_column(head, justify="left" if to_left else "right", no_wrap=True)
    for i, row in enumerate(rows):
        table.add_row(*row, style=styles[i] if styles else None)
    out.print(table)


def _figure(name: str, value: float | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if name in ("valid_exact_match", "valid_cer", POSITIONS):
        return formats.share(value, 2 if name == "valid_cer" else 1)
    if name == "seconds":
        return f"{value / 60:.1f}"
    if isinstance(value, int):
        return str(value)
    return formats.figure(value)


def _line(out: Console, text: str) -> None:
    """Print lines whole in a file; on a terminal they break between words, but for commands."""
    for line in text.split("\n"):
        whole = not out.is_terminal or line.startswith("  ")
        out.print(line, highlight=False, markup=False, soft_wrap=whole)
