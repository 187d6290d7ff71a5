"""Report on a run: leaderboard, confirmation, importance, cost, and what to do next.

    python -m search.analyse [RUN] [--html FILE] [--csv FILE] [--json] [--compare RUN2]

Reads the run folder alone, also while the search is running, and shows what can still be read of a
damaged one. The HTML file is self-contained: it opens anywhere, without a server or a network.
"""

import json
from pathlib import Path

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder whose newest run is taken when RUN is not given.",
)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Rows shown.")
@click.option("--html", type=_FILE, help="Write the report as one HTML file.")
@click.option("--no-images", is_flag=True, help="Leave pictures of captchas out of it.")
@click.option("--csv", "table", type=_FILE, help="Write all trials as a table, a row each.")
@click.option("--compare", type=click.Path(path_type=Path), help="Show another run beside it.")
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
    """Show the leaderboard of RUN, by default of the newest run, and the report on it."""
    from search.report import compare as comparison
    from search.report.report import Report
    from search.store.records import newest_run, whole

    if compare and (given := "--html" if html else "--csv" if table else None):
        raise InputError(
            f"{given} is of one run, --compare prints two: give one of them, or call it twice"
        )
    path = run or newest_run(runs_dir)
    for file in filter(None, (html, table)):
        if not file.resolve().parent.is_dir():
            raise InputError(f"{file} cannot be written: there is no folder {file.parent}")
    with whole(path):
        report = Report.of(path)
        other = Report.of(compare) if compare else None
        both = (report, other) if other else None
        compared = comparison.compare(both) if both else None
        if as_json:
            values = report.to_json() | ({"compare": compared} if compared else {})
            click.echo(json.dumps(values, allow_nan=False))
        else:
            from rich.console import Console

            from search.report import terminal

            if both and compared:
                terminal.show_both(compared, both, top, Console(markup=False))
            else:
                terminal.show(report, top, Console(markup=False))
        if table:
            from search.report.trials import trial_table

            trial_table(report.boards).to_csv(
                table, index=False, encoding="utf-8", errors="backslashreplace"
            )
            click.echo(f"wrote {table}", err=True)
        if html:
            from search.report.page import page

            text = page(report, images=not no_images)
            html.write_text(text, encoding="utf-8", errors="backslashreplace")
            click.echo(f"wrote {html} ({html.stat().st_size / 1e6:.1f} MB)", err=True)


if __name__ == "__main__":
    command_line(analyse)
