"""Draw an analysis in the terminal; compute nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from search.report.leaderboard import print_config, print_leaderboard
from search.report.whole import Analysis
from search.store.leaderboard import best, errors, extra_columns, missed

DECIDED = 5
ERRORS = 5


def show(found: Analysis, top: int, out: Console) -> None:
    """Print notes, leaderboards, what decided, the funnel, the cost and what to do next."""
    run = found.run
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
    for space, board in found.facts.items():
        out.print()
        _show_space(found, space, board, top, out)
    out.print()
    _funnel(found, out)
    _line(out, _cost(found))
    out.print()
    _line(out, f"next: {found.advice}")


def _show_space(
    found: Analysis, space: str, board: list[dict[str, Any]], top: int, out: Console
) -> None:
    records = found.run.records
    print_leaderboard(board, space, top, out, extra_columns(records))
    _confirmed(found.confirmed.get(space, {}), out)
    if first := best(records, space):
        told = f"{first['trial']}, {first['state']}, {first['epochs']} epochs"
        _line(out, f"\nmodel: {first['model']} ({told})")
        saved = found.run.about["spaces"][space]["space"]
        varied, pinned = saved["baseline"], saved["fixed"]
        values = {name: first["config"].get(name) for name in [*varied, *pinned]}
        print_config(values, {**varied, **pinned}, out)
    if shares := found.importance[space]["shares"]:
        part = found.importance[space]
        told = ", ".join(f"{name} {share:.0%}" for name, share in list(shares.items())[:DECIDED])
        among = f"who is among the best {part['num_best']} of {part['num_trials']}"
        _line(out, f"what decided {among} (PED-ANOVA): {told}")
    if line := missed(records, space):
        _line(out, line)
    failed = errors(records, space)
    for line in failed[:ERRORS]:
        _line(out, line)
    if len(failed) > ERRORS:
        _line(out, f"and {len(failed) - ERRORS} more failed")


def _confirmed(found: Mapping[str, Mapping[str, Any]], out: Console) -> None:
    if not found:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    for head in ("fresh seeds", "fits", "nll", "95 %", "captchas", "gap"):
        table.add_column(head, justify="left" if head == "fresh seeds" else "right", no_wrap=True)
    for name, sure in sorted(found.items(), key=lambda item: float(item[1]["nll"]["mean"])):
        nll = sure["nll"]
        table.add_row(
            name + (" (chosen)" if sure["chosen"] else ""),
            str(sure["num_fits"]),
            f"{nll['mean']:.4f}",
            f"{nll['low']:.4f} to {nll['high']:.4f}",
            f"{100 * sure['exact_match']['mean']:.1f} %",
            f"{sure['gap']['mean']:.4f}",
        )
    out.print()
    out.print(table)


def _funnel(found: Analysis, out: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("trials")
    for step in next(iter(found.funnel.values()), {}):
        table.add_column(step, justify="right")
    for space, steps in found.funnel.items():
        table.add_row(space, *map(str, steps.values()))
    out.print(table)


def _cost(found: Analysis) -> str:
    parts = {state: part for state, part in found.cost.items() if part["trials"]}
    total = sum(part["seconds"] for part in parts.values())
    passes = sum(part["images_seen"] for part in parts.values())
    gpus, money = (sum(part[k] for part in parts.values()) for k in ("gpu_seconds", "money"))
    more = f", {_time(gpus)} of a GPU" if gpus else ""
    more += f", {money:.2f} of money" if money else ""
    told = ", ".join(f"{part['share']:.0%} in {state}" for state, part in parts.items())
    told = told or "nothing yet"
    return f"cost: {_time(total)} of trials{more}, {passes:,.0f} images seen: {told}"


def show_both(
    told: Mapping[str, Any], both: tuple[Analysis, Analysis], top: int, out: Console
) -> None:
    """Print two runs beside each other."""
    names = told["runs"]
    for i, name in enumerate(names):
        spent = told["cost"][i]
        _line(
            out,
            f"{'AB'[i]}: {name}: {spent['trials']:.0f} trials, {_time(spent['seconds'])}, "
            f"{spent['images_seen']:,.0f} images seen",
        )
    _line(out, f"images: {'the same' if told['same_images'] else 'others'}; "
               f"split: {'the same' if told['same_split'] else 'another'}")  # fmt: skip
    for space, found in told["spaces"].items():
        boards = [one.facts.get(space, []) for one in both]
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title=space)
        for side in "AB":
            table.add_column(side, no_wrap=True)
            for head in ("state", "nll", "gap", "captchas"):
                table.add_column(head, justify="right", no_wrap=True)
        for i in range(min(top, max(map(len, boards)))):
            table.add_row(*(cell for board in boards for cell in _cells(board, i)))
        out.print()
        out.print(table)
        winner = found["winner"]
        told_winner = "it cannot be told" if winner is None else f"{'AB'[winner]} ({names[winner]})"
        _line(out, f"{space}: lower NLL, by intervals that do not overlap: {told_winner}")
    if told["settings"]:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for head in ("setting", "A", "B"):
            table.add_column(head)
        for name, values in told["settings"].items():
            table.add_row(name, *(str(value) for value in values))
        out.print()
        out.print(table)
    out.print()
    for line in told["caveats"]:
        _line(out, f"note: {line}")
    for i, one in enumerate(both):
        _line(out, f"next, {'AB'[i]}: {one.advice}")


def _cells(board: Sequence[Mapping[str, Any]], i: int) -> list[str]:
    if i >= len(board):
        return [""] * 5
    row = board[i]
    share = row["valid_exact_match"]
    figures = ["" if row[k] is None else f"{row[k]:.4g}" for k in ("valid_nll", "gap")]
    return [row["trial"], row["state"], *figures, "" if share is None else f"{100 * share:.1f} %"]


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def _line(out: Console, text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
