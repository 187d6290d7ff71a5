"""Shared parts of the commands that train lists of trials: options, the configuration, a table."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from captcha_models.cli import ALL_FAILED, OK, assignments
from captcha_models.config import Config, read_values
from captcha_models.errors import InputError

if TYPE_CHECKING:
    from search.tuning.list_run import ListRun


def numbers(text: str, option: str) -> tuple[int, ...]:
    """`0,1,2` as numbers, each once.

    Raises:
        InputError: anything else.
    """
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise InputError(f"{option} {text!r}: write whole numbers with commas, such as 0,1,2")
    found = tuple(int(part) for part in parts)
    if len(set(found)) < len(found):
        raise InputError(f"{option} {text!r}: a number stands twice")
    return found


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what data to train on, where, and where the rows are kept."""
    for option in reversed(
        [
            click.option("--data", required=True, help="Folder or zip of LABEL.png, or synthetic."),
            click.option("--rows", type=click.Path(path_type=Path), required=True,
                         help="Folder of finished trials; those in it are not run again."),
            click.option("--no-train", is_flag=True, help="Only what the rows say."),
            click.option("--address", help="Of Ray; by default RAY_ADDRESS, else a local one."),
            click.option("--gpus-per-trial", help="1/n or whole; one where there are GPUs."),
            click.option("--cpus-per-trial", type=int, help="Also the threads of a trial."),
            click.option("--max-concurrent", type=int, help="Most trials at a time."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def one_fold_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of comparisons on one fold by some seeds."""
    for option in reversed(
        [
            click.option("--fold", type=click.IntRange(0), default=0, show_default=True),
            click.option("--folds", type=click.IntRange(2), default=5, show_default=True),
            click.option("--seeds", default="0,1,2", show_default=True),
            click.option("--json", "as_json", is_flag=True, help="One object on standard output."),
        ]
    ):
        command = option(command)
    return command


def read_config(arch: str, name: str | None, pairs: tuple[str, ...] = ()) -> Config:
    """The configuration that `--arch`, `--config` and `--set` name; the baseline by default.

    Raises:
        InputError: no such architecture or file, or a wrong value.
    """
    from captcha_models.architectures import config_class

    values = read_values(name, arch) if name else {}
    return config_class(arch).parse({**values, **assignments(pairs)})


def check_listed(trials: Sequence[Any], images: Any) -> None:
    """Refuse what could not be trained, before the first of them takes its minutes.

    Raises:
        InputError: names the field or the label.
    """
    from captcha_models.architectures import check, config_class

    for trial in trials:
        check(config_class(trial.arch).parse(trial.config), images, trial.split(images))


def train_listed(
    trials: Sequence[Any],
    images: Any,
    options: dict[str, Any],
    first: Callable[[], None] = lambda: None,
) -> list[Any]:
    """The rows of the trials, run as `list_options` say; None for those that have none.

    `first` is called when all is ready, if anything has to be trained.
    """
    check_listed(trials, images)
    run = list_run(images, options, first)
    if not options["no_train"]:
        return run.run(trials)
    rows = run.rows()
    return [rows.get(trial.key(images.digest)) for trial in trials]


def list_run(
    images: Any, options: dict[str, Any], first: Callable[[], None] = lambda: None
) -> "ListRun":
    """The list's folder, `--rows`; a table of that name and `.jsonl` of earlier versions counts."""
    from search.tuning.list_run import ListRun

    rows: Path = options["rows"]
    names = ("gpus_per_trial", "cpus_per_trial", "max_concurrent")
    return ListRun(
        rows.with_suffix("") if rows.suffix == ".jsonl" else rows,
        images,
        lambda line: click.echo(line, err=True),
        options["address"],
        resources={name: options[name] for name in names if options[name] is not None},
        first=first,
    )


def open_data(spec: str, size: str = "auto") -> Any:
    """The images of `--data` at that `--size`, which are described on standard error."""
    from captcha_models.data.sources import open_images

    images = open_images(spec, size=size)
    click.echo(images.describe(), err=True)
    return images


def exit_code(rows: Sequence[Any]) -> int:
    """1 if no trial has a row."""
    return OK if any(row is not None for row in rows) else ALL_FAILED


def print_table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """A table whose first column is text."""
    table = Table(*heads[:1], box=None, pad_edge=False)
    for head in heads[1:]:
        table.add_column(head, justify="right")
    for line in lines:
        table.add_row(*line)
    console = Console()
    if not console.is_terminal:
        # Into a file or a pipe whole lines go, not those of a terminal of 80 columns.
        console = Console(width=160)
    console.print(title, style="bold", highlight=False, markup=False, soft_wrap=True)
    console.print(table, highlight=False)
