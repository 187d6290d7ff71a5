"""Inspection of labelled images before anything is trained on them.

    python -m captcha_models.inspect DATA [--html FILE]

Says what was read and how, what is suspicious about it, what each architecture will see of it, and
ends with the command to search with.
"""

import json
from pathlib import Path
from typing import Any

import click

from captcha_models.cli import GroupedCommand, command_line, files, option
from captcha_models.data.options import as_words, image_options, read_chosen
from captcha_models.errors import InputError
from captcha_models.waiting import Waiting
from captcha_models.words import counted


@click.command(cls=GroupedCommand)
@click.argument("data", shell_complete=files)
@image_options(data=False)
@option(
    "--html",
    group="Output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with a contact sheet, as one HTML file.",
)
@option("--json", "as_json", group="Output", is_flag=True, help="Print one JSON object instead.")
def inspect(data: str, html: Path | None, as_json: bool, **options: Any) -> None:
    """Look at DATA, a folder, zip or table of labelled images, and say how to search on it."""
    if html and not html.resolve().parent.is_dir():
        raise InputError(f"{html} cannot be written: there is no folder {html.parent}")

    chosen = {"data": data, **options}
    with Waiting() as waiting:
        waiting.now("reading the images")
        from captcha_models.inspection import text
        from captcha_models.inspection.survey import survey

        images = read_chosen(chosen)
        waiting.now(f"looking at {counted(len(images), 'image')}")
        found = survey(images)
    command = text.search_command(found, as_words(chosen))
    if as_json:
        click.echo(json.dumps({**found.to_json(), "command": command}, allow_nan=False))
    else:
        for line in text.lines(found, command):
            click.echo(line)
    if html:
        from captcha_models.inspection.page import page

        html.write_text(page(found, images, command), encoding="utf-8", errors="backslashreplace")
        click.echo(f"wrote {html} ({html.stat().st_size / 1e6:.1f} MB)", err=True)


if __name__ == "__main__":
    command_line(inspect)
