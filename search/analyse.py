"""Report on a run: leaderboard, confirmation, importance, cost, and what to do next.

    python -m search.analyse [RUN] [--html FILE] [--csv FILE] [--json] [--compare RUN2] [--serve]

Reads the run folder alone, also while the search is running, and shows what can still be read of a
damaged one. The HTML file is self-contained: it opens anywhere, without a server or a network;
--serve shows the same page at 127.0.0.1 and renews it while the search goes on.
"""

import json
from pathlib import Path

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError
from captcha_models.waiting import Waiting
from captcha_models.words import counted
from search.server import PORT

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
@click.option(
    "--compare", type=click.Path(path_type=Path), help="Show another run beside it, on a page too."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.option("--serve", is_flag=True, help="Show the page at 127.0.0.1, renewed as it grows.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Port of --serve.  [{PORT}, or one that is free]",
)
def analyse(
    run: Path | None,
    runs_dir: Path,
    top: int,
    html: Path | None,
    no_images: bool,
    table: Path | None,
    compare: Path | None,
    as_json: bool,
    serve: bool,
    port: int | None,
) -> None:
    """Show the leaderboard of RUN, by default of the newest run, and the report on it."""
    from search.report import compare as comparison
    from search.report.report import Report
    from search.store.records import newest_run, whole

    if compare and table:
        raise InputError(
            "--csv is of one run, --compare shows two: give one of them, or call it twice"
        )
    if port is not None and not serve:
        raise InputError(f"--port {port} is of --serve: give --serve too, or leave it out")
    path = run or newest_run(runs_dir)
    if serve:
        others = {"--html": html, "--csv": table, "--compare": compare, "--json": as_json}
        if given := next((name for name, value in others.items() if value), None):
            raise InputError(
                f"--serve shows one run until it is ended, {given} is another answer: give one of "
                "them, or call it twice"
            )
        from search import server
        from search.report.live import Live

        app = Live(path, images=not no_images)
        server.serve(app, port, lambda address: f"run: {path}\n{address}")
        return
    for file in filter(None, (html, table)):
        if not file.resolve().parent.is_dir():
            raise InputError(f"{file} cannot be written: there is no folder {file.parent}")
    with whole(path):
        with Waiting() as waiting:
            waiting.now("reading the run")
            report = Report.of(path)
            other = Report.of(compare) if compare else None
            both = (report, other) if other else None
            compared = comparison.compare(both) if both else None
            if not both:
                number = counted(len(report.run.records.trials), "trial")
                waiting.now(f"weighing the parameters of {number}")
                _ = report.importance  # Kept, for it takes seconds.
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
            from search.report.compare_page import compare_page
            from search.report.page import page

            with Waiting() as waiting:
                waiting.now("drawing the page")
                if both and compared:
                    text = compare_page(both, compared)
                else:
                    text = page(report, images=not no_images)
            html.write_text(text, encoding="utf-8", errors="backslashreplace")
            click.echo(f"wrote {html} ({html.stat().st_size / 1e6:.1f} MB)", err=True)


if __name__ == "__main__":
    command_line(analyse)
