"""Look at a run: who is best and how surely, what decided, what it cost, what to do next.

    python -m search.analyse [RUN] [--html FILE] [--csv FILE] [--json] [--compare RUN2]

Reads the run folder alone, also while the search is still running, and shows what can still be read
of a damaged one. The HTML file is self-contained: it opens anywhere, without a server or a network.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError

if TYPE_CHECKING:
    from search.report.whole import Analysis

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the newest run is looked for when none is named.",
)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Rows shown.")
@click.option("--html", type=_FILE, help="Write everything into one HTML file.")
@click.option("--no-images", is_flag=True, help="Leave pictures of captchas out of it.")
@click.option("--csv", "table", type=_FILE, help="Write all trials as a table, a row each.")
@click.option("--compare", type=click.Path(path_type=Path), help="Put another run beside this one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def analyse(
    run: Path | None,
    runs_dir: Path,
    top: int,
    html: Path | None,
    no_images: bool,
    table: Path | None,
    compare: Path | None,
    as_json: bool,
) -> None:
    """Show the leaderboard of RUN, by default of the newest run, and all that follows from it."""
    from search.report.whole import Analysis
    from search.store.records import newest_run, whole

    path = run or newest_run(runs_dir)
    for file in filter(None, (html, table)):
        if not file.resolve().parent.is_dir():
            raise InputError(f"{file} cannot be written: there is no folder {file.parent}")
    with whole(path):
        found = Analysis.of(path)
        other = Analysis.of(compare) if compare else None
        if as_json:
            _print_json(found, other)
        elif other:
            _show_both(found, other, top)
        else:
            _show(found, top)
        _write(found, html, table, not no_images)


def _print_json(found: "Analysis", other: "Analysis | None") -> None:
    values = found.to_json()
    if other:
        from search.report.compare import compare

        values["compare"] = compare((found.run, other.run), (found.facts, other.facts))
    click.echo(json.dumps(values, allow_nan=False))


def _show(found: "Analysis", top: int) -> None:
    from rich.console import Console

    from search.report.terminal import show

    show(found, top, Console(markup=False))


def _show_both(found: "Analysis", other: "Analysis", top: int) -> None:
    from rich.console import Console

    from search.report.compare import compare
    from search.report.terminal import show_both

    told = compare((found.run, other.run), (found.facts, other.facts))
    show_both(told, (found, other), top, Console(markup=False))


def _write(found: "Analysis", html: Path | None, table: Path | None, images: bool) -> None:
    if table:
        import csv

        from search.report.trials import table_rows

        with open(table, "w", encoding="utf-8", newline="") as file:
            heads, rows = table_rows(found.run)
            csv.writer(file).writerows([heads, *rows])
        click.echo(f"wrote {table}", err=True)
    if html:
        from search.report.page import page

        html.write_text(page(found, images=images), encoding="utf-8")
        click.echo(f"wrote {html} ({html.stat().st_size / 1e6:.1f} MB)", err=True)


if __name__ == "__main__":
    command_line(analyse)
