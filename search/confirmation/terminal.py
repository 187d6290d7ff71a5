"""Terminal tables of a confirmation; they compute nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from captcha_models.commands import command
from captcha_models.words import counted
from search.confirmation.candidates import BASELINE

PLAIN_WIDTH = 120
"""Of a file or pipe, which has no width of its own."""

_REST = ("train NLL", "gap", "captchas read", "CER", "images seen", "s")

Line = tuple[tuple[str, ...], str | None]
"""Cells of a table's line, and its style."""


def print_confirmation(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the candidates of all spaces and, where there is one, the test-set evaluation.

    Args:
        found: results by space, as `search.confirm` writes them.
        console: where to; standard output by default.
    """
    out = console or Console()
    if not out.is_terminal and console is None:
        out = Console(width=PLAIN_WIDTH)
    lines: list[Line] = []
    for space, result in found.items():
        for line in result["candidates"]:
            mark = "*" if line["chosen"] else "+" if line["within_one_standard_error"] else ""
            name = line["name"] if not line["baseline"] else f"{space} baseline"
            apart = line["difference_to_best"]["nll"]
            searched = line["search_valid_nll"]
            cells = (
                mark,
                name,
                "" if searched is None else _nats(searched),
                _with_interval(line["nll"]),
                f"{apart['mean']:+.4f}\n± {apart['error_images']:.4f}",
                *_rest(line),
            )
            style = "bold" if line["chosen"] else "italic" if line["baseline"] else None
            lines.append((cells, style))
    plan = next(iter(found.values()))["plan"]
    _say(out, f"retrained: {plan['seeds']} seeds, each validated on its own of {plan['folds']} "
         "fresh folds", style="bold")  # fmt: skip
    _print(out, ("", "candidate"), ("search", "NLL", "to best", *_REST), lines)
    _say(out, "* chosen: the cheapest within one standard error (+) of the best, image by image")
    for space, result in found.items():
        for name in result["failed"]:
            _say(out, f"{space}: {name}: a training has failed: left out")
    if any(result["test"] for result in found.values()):
        _print_test(found, out)
    run = next(iter(found.values()))["run"]
    for space, result in found.items():
        if result["chosen"]:
            sure = "confirmed" if result["verdict"]["confirmed"] else "not confirmed"
            _say(out, f"{space}: {result['chosen']} is {sure}: {result['verdict']['says']}",
                 style="bold")  # fmt: skip
            if result.get("gain"):
                _say(out, f"{space}: {gained(result['gain'])}")
            _say(out, f"{space}: configuration:\n  {run}/confirmed/{space}.toml")
        if result["model"]:
            _say(out, f"{space}: model:\n  {run}/{result['model']['file']}")
    if any(result["model"] for result in found.values()):
        _say(out, f"use the model:\n  {command('captcha_models.export', run)}")
    _say(out, f"list labels that these trainings contradict:\n  {command('search.labels', run)}")


def gained(gain: Mapping[str, Any]) -> str:
    """What the search found over its starting points, in one line."""
    nll, found = gain["nll"], gain["found"]
    start = "the baseline" if gain["start"] == BASELINE else f"the starting point {gain['start']}"
    low, high = sorted(abs(nll[end]) for end in ("low", "high"))
    apart = f"{_nats(abs(nll['mean']))} nats {{}}, 95 % {_nats(low)} to {_nats(high)}"
    if nll["high"] < 0:
        return f"the search found {found}, which is better than {start}: {apart.format('lower')}"
    if nll["low"] > 0:
        worse = apart.format("higher")
        return f"the search found nothing better than {start}: its best, {found}, is {worse}"
    return (
        f"the search's best, {found}, and {start} cannot be told apart: NLL {nll['mean']:+.4f}, "
        f"95 % {nll['low']:+.4f} to {nll['high']:+.4f}"
    )


def _print_test(found: Mapping[str, Any], out: Console) -> None:
    first = next(result for result in found.values() if result["test"])
    _say(out, f"locked test set: {counted(first['test']['num_images'], 'image')}, "
         f"{counted(first['plan']['test_seeds'], 'training')} of each", style="bold")  # fmt: skip
    lines: list[Line] = []
    for space, result in found.items():
        if not (test := result["test"]):
            continue
        chosen = next(line for line in result["candidates"] if line["chosen"])
        name = f"{space} baseline" if chosen["baseline"] else chosen["name"]
        for title, part in ((name, test["winner"]), (f"{space} baseline", test["baseline"])):
            lines.append(((title, _with_interval(part["nll"]), *_rest(part)), None))
        apart = test["difference"]
        read = _with_interval(apart["exact_match"], share=True)
        nll = _with_interval(apart["nll"])
        lines.append((("  difference", nll, "", "", read, "", "", ""), "dim"))
        if test["optimism"]:
            nll = _with_interval(test["optimism"])
            lines.append((("  optimism", nll, *[""] * len(_REST)), "dim"))
    _print(out, ("",), ("NLL", *_REST), lines)
    _say(out, "optimism: test NLL minus the winner's validation NLL in the search; above 0: it was "
         "too low")  # fmt: skip


def _rest(part: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _nats(part["train_nll"]),
        _with_interval(part["gap"]),
        _with_interval(part["exact_match"], share=True),
        _with_interval(part["cer"], share=True) if "cer" in part else "",
        f"{part['images_seen']:,.0f}",
        f"{part['seconds']:.0f}",
    )


def _with_interval(one: Mapping[str, Any], *, share: bool = False) -> str:
    """A mean and, on a second line, its 95 % interval."""
    if share:
        return f"{100 * one['mean']:.2f} %\n{100 * one['low']:.1f} to {100 * one['high']:.1f}"
    return f"{_nats(one['mean'])}\n{_nats(one['low'])} to {_nats(one['high'])}"


def _nats(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _print(out: Console, names: Sequence[str], heads: Sequence[str], lines: Sequence[Line]) -> None:
    """Print a table; where it is wider than the terminal, in parts that each begin with the names.

    Args:
        out: where to.
        names: heads of the columns that every part has; lines without any other cell leave it.
        heads: of the other columns.
        lines: cells of all columns.
    """
    every = [*names, *heads]
    widths = [
        max(map(len, [head, *(part for cells, _ in lines for part in cells[i].split("\n"))])) + 1
        for i, head in enumerate(every)
    ]
    own = list(range(len(names)))
    parts: list[list[int]] = [[]]
    for i in range(len(names), len(every)):
        # The last column needs no gap behind it.
        if parts[-1] and sum(widths[k] for k in [*own, *parts[-1], i]) - 1 > out.width:
            parts.append([])
        parts[-1].append(i)
    for number, part in enumerate(parts):
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for i in [*own, *part]:
            text = i < len(names)
            table.add_column(every[i], justify="left" if text else "right", no_wrap=True)
        for cells, style in lines:
            if any(cells[i] for i in part):
                table.add_row(*(cells[i] for i in [*own, *part]), style=style)
        if number:
            out.print()
        out.print(table, highlight=False)


def _say(out: Console, line: str, style: str | None = None) -> None:
    for one in line.split("\n"):
        whole = not out.is_terminal or one.startswith("  ")
        out.print(one, style=style, highlight=False, markup=False, soft_wrap=whole)
