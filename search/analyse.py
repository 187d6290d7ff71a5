"""Look at a run: the leaderboard, training and validation side by side.

    python -m search.analyse [RUN]

Reads the run folder alone, also while the search is still running.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from captcha_models.cli import command_line
from search.records import Records, newest_run, read_run, whole

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the newest run is looked for when none is named.",
)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def analyse(run: Path | None, runs_dir: Path, top: int, as_json: bool) -> None:
    """Show the leaderboard of RUN, by default of the newest run."""
    from rich.console import Console

    from search.results import summary

    records = read_run(run or newest_run(runs_dir))
    with whole(records.path):
        if as_json:
            click.echo(json.dumps(summary(records), allow_nan=False))
        else:
            _show(records, top, Console())


def _show(records: Records, top: int, console: "Console") -> None:
    from search.results import best, errors, extra_columns, leaderboard, missed
    from search.terminal import print_config, print_leaderboard

    data, split = records.run["data"], records.run["split"]
    console.print(f"run: {records.path}", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"data: {data['num_images']} images from {data['source']}: {split['num_train']} train, "
        f"{split['num_valid']} valid, {split['num_test']} in the locked test set",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for space, saved in records.run["spaces"].items():
        console.print()
        board, extra = leaderboard(records, space), extra_columns(records)
        print_leaderboard(board, space, top, console, extra)
        if first := best(records, space):
            told = f"{first['trial']}, {first['state']}, {first['epochs']} epochs"
            console.print(f"\nmodel: {first['model']} ({told})", highlight=False, soft_wrap=True)
            varied, pinned = saved["space"]["baseline"], saved["space"]["fixed"]
            values = {name: first["config"].get(name) for name in [*varied, *pinned]}
            print_config(values, {**varied, **pinned}, console)
        for line in filter(None, [missed(records, space), *errors(records, space)]):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    command_line(analyse)
