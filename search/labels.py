"""Label errors of a confirmed run: labels that models contradict which did not train on the image.

    python -m search.labels [RUN] [--top 40] [--csv FILE] [--html FILE] [--json]

Ranks the images by the NLL of their label under the trainings of `search.confirm` that held them
out; the locked test set is not looked at. Writes RUN/label_errors.csv, with a row for each label in
doubt, and RUN/label_errors.html, with the pictures. Nothing is corrected without a person: accept
what was read, or write what the picture shows, on the page, which saves a table of corrections, or
in the column `label` of the table; an empty label leaves the image out. Then give that file to
`search.run --corrections`.

Exit codes: 0 done, 2 wrong input, such as a run that is not confirmed.
"""

import csv
import json
import math
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from captcha_models.cli import command_line
from captcha_models.commands import program, without_secrets
from captcha_models.errors import InputError
from captcha_models.waiting import Waiting
from captcha_models.words import counted, percent
from search.tuning.settings import IN_MEMORY

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages
    from search.confirmation.label_errors import LabelErrors
    from search.store.records import Records

_FILE = click.Path(path_type=Path, dir_okay=False)
_SEARCH = re.compile(r"search(\.run\b|(\.__main__)? run\b|/run\.py)")
_OWN = ("--name", "--corrections")
"""Options of a search with a value that another search does not share."""
TABLE, PAGE = "label_errors.csv", "label_errors.html"


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder whose newest run is taken when RUN is not given.",
)
@click.option("--data", help="Where the images are now, if they were moved.")
@click.option("--top", type=click.IntRange(1), default=40, show_default=True, help="Rows shown.")
@click.option("--csv", "table", type=_FILE, help=f"File of the table; by default RUN/{TABLE}.")
@click.option("--html", type=_FILE, help=f"File of the page; by default RUN/{PAGE}.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def labels(
    run: Path | None,
    runs_dir: Path,
    data: str | None,
    top: int,
    table: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """List the labels of RUN, by default of the newest run, that are probably wrong."""
    from search.confirmation.label_errors import label_errors
    from search.report.label_page import label_page
    from search.store.records import newest_run, read_run, whole
    from search.tuning.plan import load_again

    path = run or newest_run(runs_dir)
    table, html = table or path / TABLE, html or path / PAGE
    for file in (table, html):
        if not file.resolve().parent.is_dir():
            raise InputError(f"{file} cannot be written: there is no folder {file.parent}")
    records = read_run(path)
    with whole(path), Waiting() as waiting:
        waiting.now("reading the images")
        images = load_again(records, data)
        waiting.now(f"weighing {counted(len(images), 'label')}")
        found = label_errors(records, images)
    _refuse_to_lose(table, images)
    found.frame().to_csv(table, index=False)
    before = _earlier(records)
    html.write_text(label_page(found, images, path, again(records), before), encoding="utf-8")
    if as_json:
        rows = [_plain(row) for row in found.frame().to_dict("records")]
        about = {"run": str(path), "num_images": found.num_images, "num_open": found.num_open}
        more = {"models": found.models, "notes": found.notes, "label_errors": rows}
        click.echo(json.dumps({**about, **more}, allow_nan=False))
    else:
        _print(found, top)
    click.echo(f"wrote {table} and {html}", err=True)
    if found.found and not as_json:
        click.echo(
            f"next: open {html.name}, decide on each picture and save the corrections (or edit the "
            f"column label of {table.name} in a text editor: a spreadsheet turns 0012 into 12); "
            f"then {again(records)}",
            err=True,
        )
        if before:
            click.echo(
                f"the run had corrections already ({counted(len(before), 'row')}): what the page "
                f"saves holds them, too; what you edit by hand belongs into a copy of that file",
                err=True,
            )


def again(records: "Records", file: str = "corrections.csv") -> str:
    """The command that searches as the run did, with corrections."""
    sessions = records.run.get("sessions") or [{}]
    words = [str(word) for word in sessions[0].get("command") or []]
    if not _SEARCH.search(" ".join(words[:4])):
        # A program's own; what it searched with is in the run's settings.
        settings = records.run["settings"]
        given = settings.get("data")
        words = [*program("search.run"), "--data", "IMAGES" if given == IN_MEMORY else given]
        words += [word for space in records.run["spaces"] for word in ("--space", space)]
    elif words[:3] == ["python", "-m", "search.run"]:
        words[:3] = program("search.run")
    kept: list[str] = []
    dropped = False
    for word in words:
        takes_next = word in _OWN
        if not (dropped or takes_next or word.startswith(tuple(f"{one}=" for one in _OWN))):
            kept.append(word)
        dropped = takes_next
    return shlex.join([*without_secrets(kept), "--corrections", file])


def _earlier(records: "Records") -> dict[str, str]:
    """Label by image of the corrections that the run was given, for a search takes one file.

    Raises:
        InputError: the file is not there any more, or cannot be read.
    """
    from captcha_models.data.labels.file_index import is_image_name
    from captcha_models.data.labels.tables import read_table

    given = records.run["settings"].get("corrections")
    if not given:
        return {}
    if not Path(given).is_file():
        raise InputError(f"{given}, the corrections of the run, is not there any more: put it back")
    table = read_table(Path(given).read_bytes(), Path(given).name, is_image_name)
    if table is None:
        return {}
    heads = table.header or ()
    named = "image" in heads and "label" in heads
    image, label = (heads.index("image"), heads.index("label")) if named else (0, 1)
    return {row[image]: row[label] for row in table.rows}


def _refuse_to_lose(table: Path, images: "LabelledImages") -> None:
    """Refuse to write over a table in which a person has corrected a label.

    Raises:
        InputError: such a table, or a file of another kind.
    """
    if not table.exists():
        return
    before = dict(zip(images.names, images.labels, strict=True))
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            untouched = all(before[row["image"]] == row["label"] for row in csv.DictReader(file))
    except (KeyError, ValueError, csv.Error):
        untouched = False
    if not untouched:
        raise InputError(
            f"{table} is there with labels that are not the run's, perhaps corrected by hand: move "
            "it away, or name another file with --csv"
        )


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """A row for JSON, which has no word for infinity: null."""
    return {
        str(k): None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()
    }


def _print(found: "LabelErrors", top: int) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console(markup=False)
    if not out.is_terminal:
        out = Console(markup=False, width=120)
    models = ", ".join(f"{name} ({count})" for name, count in found.models.items())
    title = (
        f"{counted(len(found.found), 'label')} in doubt; {found.num_images} of {found.num_open} "
        "images outside the locked test set were read by models that did not train on them: "
        f"{models}"
    )
    out.print(title, style="bold", highlight=False, soft_wrap=True)
    for note in found.notes:
        out.print(note, highlight=False, soft_wrap=True)
    lines = Table(box=None, pad_edge=False)
    for head in ("", "image", "label", "read", "NLL", "confidence", "agree"):
        lines.add_column(head, justify="left" if head in ("image", "label", "read") else "right")
    for i, one in enumerate(found.found[:top], 1):
        twins = "".join(f"\nsame picture: {label} ({name})" for name, label in one.same_picture)
        lines.add_row(
            str(i), one.image, one.label + twins, one.read or "nothing", f"{one.nll:.2f}",
            percent(one.confidence), f"{one.num_agree} of {len(one.readings)}",
        )  # fmt: skip
    out.print(lines, highlight=False)
    if len(found.found) > top:
        out.print(f"and {len(found.found) - top} more: --top", highlight=False)


if __name__ == "__main__":
    command_line(labels)
