"""Time until 97 % of the validation captchas are read: the source's recipe beside ours.

    python -m benchmarks.time_to_accuracy --data ZIP [--config NAME] [--side ours|source|both]
                                          [--seeds 0,1,2] [--rows FILE] [--json]

Both train a CRNN on the same images of fold 0, are scored after every epoch on all of the
validation images (the peer by the article's beam search, ours by our own) and stop at the second
evaluation in a row with 97 % or more. Figures are of that moment, per seed and as the median:

images seen  in training, generated ones included; not those that only renew the normalisation
         statistics of averaged weights.
seconds  processor seconds on one thread, which no other program can change, and wall-clock
         seconds; making the model, validation, and for ours reading the images, are included
         (the peer reads its files as it goes).

The ratio is the source's median over ours by processor time on one CPU thread, by the wall clock
else; its range is that of all pairs of seeds. A peer that did not get there within `--limit` images
counts with what it spent, which makes the ratio a lower bound (`at_least`); had ours not, it is 0.
The peer is `source_recipe`: 60 epochs of one cycle; validated, unlike the article, on images that
are not rotated (`--as-written` rotates them).

Each run becomes a row of the rows file as soon as it ends, and is not run again if it is there.
`--quick` shows that all works: 48 images, two epochs, one seed, no rows file; no figure to quote.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks._course import IN_A_ROW, Course, Scribe
from benchmarks._lists import numbers
from benchmarks._side_by_side import Row, Rows, Spent, Stopwatch, clock_of, print_ratio
from benchmarks.source_recipe import (
    BATCH_SIZE,
    EPOCHS,
    LR,
    image_files,
    source_learner,
    source_loaders,
)
from captcha_models.architectures import config_class
from captcha_models.cli import command_line
from captcha_models.config import Config, read_values
from captcha_models.data.images import LabelledImages
from captcha_models.data.sources import open_images
from captcha_models.data.splits import Split, make_split
from captcha_models.errors import NonFiniteLossError
from captcha_models.training.checkpoint import versions
from captcha_models.training.device import device_name, pick_device, seed_everything
from captcha_models.training.fit import fit
from captcha_models.training.metrics import EpochMetrics
from captcha_models.training.state import TrainingState
from search.store.provenance import git_revision

ARCH, TARGET = "crnn", 0.97
OURS, SOURCE = "ours", "source"


@dataclass(frozen=True)
class Task:
    """What both sides are given.

    Attributes:
        data: as `--data` names it.
        images: read from there.
        reading: what that took.
        split: which of them train and validate.
        device: where.
        target: the accuracy to reach, in [0, 1].
    """

    data: str
    images: LabelledImages
    reading: Spent
    split: Split
    device: torch.device
    target: float


def train_ours(task: Task, config: Config, seed: int) -> Course:
    """Our training by a configuration, as `captcha_models.train` would run it."""
    course = Course(f"ours, seed {seed}", task.device, task.target, math.inf, task.reading)

    def on_epoch(metrics: EpochMetrics, _: TrainingState) -> None:
        course.evaluated(metrics.images_seen, metrics.valid_exact_match, metrics.valid_nll)

    try:
        fit(
            config,
            task.images,
            task.split,
            seed=seed,
            on_epoch=on_epoch,
            device=str(task.device),
        )
    except NonFiniteLossError as error:
        click.echo(f"{course.name}: {error}", err=True)
    return course


def train_source(task: Task, seed: int, limit: int, as_written: bool) -> Course:
    """The source's recipe, for at most `limit` images seen of its 60 epochs."""
    with image_files(task.data, task.images) as files:
        course = Course(f"source, seed {seed}", task.device, task.target, limit)
        seed_everything(seed, 0)
        loaders = source_loaders(task.images, task.split, files, task.device, as_written=as_written)
        num_classes = task.images.charset.num_classes
        learner = source_learner(ARCH, loaders, num_classes, cbs=[Scribe(course)])
        learner.fit_one_cycle(EPOCHS, LR)
    return course


def finished(key: Row, course: Course) -> Row:
    """The row of a training that has ended."""
    last = course.history[-1] if course.history else {"images_seen": 0, "wall_s": 0.0, "cpu_s": 0.0}
    return {
        **key,
        "reached": course.reached,
        **{name: last[name] for name in ("images_seen", "wall_s", "cpu_s")},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "git_revision": git_revision(),
        "history": course.history,
    }


def found(rows: Rows, key: Row, limit: int) -> Row | None:
    """A row of this key whose training went far enough; ours always goes to its end."""
    far = (
        r for r in rows.like(key) if r["reached"] or r["side"] == OURS or r["images_seen"] >= limit
    )
    return next(far, None)


def ratio(source: Sequence[Row], ours: Sequence[Row], figure: str) -> tuple[float, float, float]:
    """The source's median over ours, and the least and the greatest of all pairs."""
    theirs = [row[figure] for row in source]
    own = [row[figure] if row["reached"] else math.inf for row in ours]
    return (
        statistics.median(theirs) / statistics.median(own),
        min(theirs) / max(own),
        max(theirs) / min(own),
    )


def show(by_side: dict[str, list[Row]], title: str) -> None:
    """A row a run, and one of medians for each side."""
    table = Table(
        "side", "seed", "images_seen", "processor s", "wall s", "accuracy", "NLL", title=title
    )
    for side, rows in by_side.items():
        for row in rows:
            more = "" if row["reached"] else "more than "
            last = row["history"][-1] if row["history"] else {"accuracy": 0, "nll": math.nan}
            table.add_row(
                side,
                str(row["seed"]),
                *(f"{more}{row[name]:,.0f}" for name in ("images_seen", "cpu_s", "wall_s")),
                f"{last['accuracy']:.2%}",
                f"{last['nll']:.3f}",
            )
        if not rows:
            continue
        more = "" if all(row["reached"] for row in rows) else "at least "
        medians = (
            statistics.median(r[n] for r in rows) for n in ("images_seen", "cpu_s", "wall_s")
        )
        table.add_row(side, "median", *(f"{more}{value:,.0f}" for value in medians), "", "")
        table.add_section()
    Console(width=100).print(table)


@click.command()
@click.option("--data", default="auto", show_default=True, help="As captcha_models.train takes it.")
@click.option("--config", "name", default="fast", show_default=True, help="Ours: name or file.")
@click.option(
    "--side", type=click.Choice([OURS, SOURCE, "both"]), default="both", show_default=True
)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--fold", type=click.IntRange(0), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), default=EPOCHS * 672, show_default=True,
              help="Passes after which the peer is stopped.")  # fmt: skip
@click.option("--as-written", is_flag=True, help="The peer rotates validation images too.")
@click.option("--rows", "path", type=click.Path(path_type=Path, dir_okay=False),
              default=Path("results/time_to_accuracy.jsonl"), show_default=True)  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True)
@click.option("--device", help="Such as cpu or cuda:0; the GPU if there is one.")
@click.option("--quick", is_flag=True, help="48 images, two epochs: does everything work?")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: the ratio.")
def main(
    data: str,
    name: str,
    side: str,
    seeds: str,
    fold: int,
    limit: int,
    as_written: bool,
    path: Path,
    threads: int,
    device: str | None,
    quick: bool,
    as_json: bool,
) -> None:
    """Measure the time to 97 % validation captcha accuracy, the source's recipe beside ours."""
    torch.set_num_threads(threads)
    where = pick_device(device)
    config = config_class(ARCH).parse(read_values(name, ARCH))
    chosen = numbers(seeds, "--seeds")[: 1 if quick else None]
    rows = Rows(None if quick else path)
    watch = Stopwatch(torch.device("cpu"))
    images = open_images(data)
    split, target = make_split(images.names, fold=fold), TARGET
    if quick:
        split, target = replace(split, train=split.train[:48], valid=split.valid[:16]), 0.0
    task = Task(data, images, watch.read(), split, where, target)
    common: dict[str, Any] = {
        "digest": images.digest,
        "fold": split.fold,
        "num_train": len(split.train),
        "num_valid": len(split.valid),
        "target": target,
        "threads": threads,
        "device": device_name(where),
    }
    keys: dict[str, Row] = {
        SOURCE: {"side": SOURCE, "config": {"as_written": as_written}, **common},
        OURS: {"side": OURS, "config": config.model_dump(), **common},
    }
    limit = min(limit, EPOCHS * (len(split.train) // BATCH_SIZE * BATCH_SIZE))
    for seed in chosen:
        for one in keys if side == "both" else (side,):
            key = {**keys[one], "seed": seed}
            if found(rows, key, limit) is None:
                course = (
                    train_ours(task, config, seed)
                    if one == OURS
                    else train_source(task, seed, limit, as_written)
                )
                rows.add(finished(key, course))
    by_side = {
        one: [row for n in chosen if (row := found(rows, {**key, "seed": n}, limit))]
        for one, key in keys.items()
    }
    clock = clock_of(where, threads)
    show(by_side, f"until {target:.0%}, {IN_A_ROW} evaluations in a row; {threads} thread(s)")
    source, ours = by_side[SOURCE], by_side[OURS]
    if not (source and ours):
        return
    ratios = {figure: ratio(source, ours, figure) for figure in ("cpu_s", "wall_s", "images_seen")}
    at_least = not all(row["reached"] for row in source)
    click.echo(
        f"the source's median over ours, {'at least, ' * at_least}by processor time "
        f"{ratios['cpu_s'][0]:.1f}, by the wall clock {ratios['wall_s'][0]:.1f}, by images seen "
        f"{ratios['images_seen'][0]:.1f}"
    )
    if as_json:
        print_ratio(
            *ratios[clock],
            clock=clock,
            at_least=at_least,
            **{f"ratio_{figure}": values[0] for figure, values in ratios.items()},
        )


if __name__ == "__main__":
    command_line(main)
