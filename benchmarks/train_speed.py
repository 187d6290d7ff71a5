"""Seconds per epoch of the source's recipe beside ours, on the same images and models.

    python -m benchmarks.train_speed --data ZIP [--threads N] [--rounds N] [--quick] [--json]

An epoch is training and validation as each side does them: the source's decodes its files item by
item and, for the CRNN, searches its beam in Python; ours scores as many training images as
validation images, too. Making the model is left out. Both augment, as the article means it.

source  `source_recipe`: batches of 8, float32.
same    ours with the source's values: the same model, batches of 8, augmentation, float32.
bf16    the same in bfloat16, where the machine multiplies it.
fast    the same model in bfloat16 and larger batches: 32 on a CPU, 128 on a GPU.
quick, light   beside the article's own CRNN alone: shipped configurations, other models, which read
        better than the source's after its 60 epochs; half of their images are drawn anew.

On a CPU 160 images train and 40 validate (64 and 16 with `--quick`, two rounds), on a GPU all of
fold 0. Every round runs all sides in turn, each from fresh weights, after a short epoch of each to
warm up. Time is processor time on one CPU thread, which other programs cannot touch, else the wall
clock's. A figure is the median of the rounds, a ratio one of images/s in the same round, with the
least and the greatest.

The share is GFLOP per image, forward and backward, times images/s, over what the quickest large
product reaches on the same threads in that precision; validation counts as time, not as work.
"""

import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
from fastai.callback.core import Callback
from rich.console import Console
from rich.table import Table

from benchmarks._matrix_rate import gflop_per_image, matrix_rate
from benchmarks._side_by_side import Spent, Stopwatch, clock_of, print_ratio
from benchmarks.source_recipe import LR, image_files, source_learner, source_loaders
from captcha_models.architectures import config_class
from captcha_models.cli import command_line
from captcha_models.config import Config, read_values
from captcha_models.data.images import LabelledImages
from captcha_models.data.sources import open_images
from captcha_models.data.splits import Split, make_split
from captcha_models.training.device import (
    device_name,
    multiplies_bf16,
    pick_device,
    seed_everything,
)
from captcha_models.training.fit import fit

MODELS: tuple[tuple[str, dict[str, int]], ...] = (
    ("pooled", {}),
    ("spatial", {}),
    ("crnn", {"cut": 7}),
    ("crnn", {"cut": 6}),
    ("crnn", {"cut": 5}),
)
SOURCE, SAME, BF16, FAST = "source", "same", "bf16", "fast"
SHIPPED = "quick", "light"
FAST_BATCH = {"cpu": 32, "cuda": 128}
IMAGES, QUICK_IMAGES, WARM_UP = (160, 40), (64, 16), (32, 8)
HEADLINE = "crnn, cut 7"


def named(model: tuple[str, dict[str, int]]) -> str:
    """What the table calls it."""
    return ", cut ".join([model[0], *map(str, model[1].values())])


class Timer(Callback):  # type: ignore[misc]  # fastai is untyped
    """What a fit spends, from its first event to its last."""

    order = -100  # before everybody else's preparations

    def before_fit(self) -> None:
        self.watch = Stopwatch(self.dls.device)

    def after_fit(self) -> None:
        self.spent = self.watch.read()


def part_of(split: Split, sizes: tuple[int, int]) -> Split:
    """The first of the training and the validation images."""
    return replace(split, train=split.train[: sizes[0]], valid=split.valid[: sizes[1]])


def source_epoch(
    config: Config,
    images: LabelledImages,
    split: Split,
    files: Mapping[str, Path],
    device: torch.device,
) -> Spent:
    """An epoch of the source's recipe."""
    timer = Timer()
    loaders = source_loaders(images, split, files, device)
    cut = getattr(config, "cut", 0)
    num_classes = images.charset.num_classes
    learner = source_learner(config.arch, loaders, num_classes, cut=cut, cbs=[timer])
    learner.fit_one_cycle(1, LR)
    return timer.spent


def our_epoch(config: Config, images: LabelledImages, split: Split, device: torch.device) -> Spent:
    """An epoch of ours."""
    timer = Timer()
    fit(
        config,
        images,
        split,
        seed=0,
        on_epoch=lambda metrics, snapshot: None,
        device=str(device),
        callbacks=[timer],
    )
    return timer.spent


def measure(
    images: LabelledImages,
    splits: tuple[Split, ...],
    configs: Mapping[tuple[str, str], Config],
    files: Mapping[str, Path],
    device: torch.device,
    clock: str,
) -> dict[tuple[str, str], list[float]]:
    """Seconds of every epoch, by model and side; a round for each split, the first to warm up."""
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in configs}
    for number, split in enumerate(splits):
        for (model, side), config in configs.items():
            seed_everything(number, 0)
            if side == SOURCE:
                spent = source_epoch(config, images, split, files, device)
            else:
                spent = our_epoch(config, images, split, device)
            if number:
                seconds[model, side].append(float(getattr(spent, clock)))
                click.echo(
                    f"{device.type}, round {number}: {model}, {side}: "
                    f"{seconds[model, side][-1]:.2f} s",
                    err=True,
                )
    return seconds


def rounds_of(seconds: list[float], config: Config, split: Split) -> list[float]:
    """Images/s of every round; a last, smaller batch is left out by both sides."""
    trained = len(split.train) // config.batch_size * config.batch_size
    return [trained / one for one in seconds]


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, least and greatest."""
    return statistics.median(values), min(values), max(values)


def race(
    data: str,
    images: LabelledImages,
    device: torch.device,
    threads: int,
    rounds: int,
    quick: bool,
    only: str | None,
) -> dict[str, tuple[float, float, float]]:
    """Measure on a device and print the table; the headline model's ratios by side."""
    clock = clock_of(device, threads)
    whole = make_split(images.names)
    sizes = QUICK_IMAGES if quick else IMAGES if device.type == "cpu" else (10**9, 10**9)
    split = part_of(whole, sizes)
    changes: dict[str, dict[str, Any]] = {
        SOURCE: {},
        SAME: {},
        BF16: {"bf16": True},
        FAST: {"bf16": True, "batch_size": min(FAST_BATCH[device.type], len(split.train))},
    }
    configs = {
        (named(model), side): config_class(model[0]).parse(
            {"epochs": 1, **model[1], **changes[side]}
        )
        for model in MODELS
        for side in changes
    }
    for name in SHIPPED:
        values = {**read_values(name, "crnn"), "epochs": 1}
        configs[HEADLINE, name] = config_class("crnn").parse(values)
    configs = {key: value for key, value in configs.items() if only in (None, key[0])}
    splits = (part_of(whole, WARM_UP if device.type == "cpu" else sizes), *[split] * rounds)
    with image_files(data, images) as files:
        seconds = measure(images, splits, configs, files, device, clock)

    native = multiplies_bf16(device)
    rates = {d: matrix_rate(device, d, clock) for d in (torch.float32, torch.bfloat16)}
    console = Console(width=120)
    table = Table(
        *("model", "side", "s/epoch", "images/s", "times the source's"),
        *("GFLOP/image", "share of the rate"),
        title=f"{device_name(device)}, {threads} thread(s), {clock.replace('_s', ' time')}: "
        f"{len(split.train)} images train, {len(split.valid)} validate; {rounds} rounds",
    )
    headline = {}
    for model, side in sorted(configs, key=lambda key: [name for name, _ in configs].index(key[0])):
        config = configs[model, side]
        speeds = rounds_of(seconds[model, side], config, split)
        peers = rounds_of(seconds[model, SOURCE], configs[model, SOURCE], split)
        ratio = spread([a / b for a, b in zip(speeds, peers, strict=True)])
        if model == HEADLINE:
            headline[side] = ratio
        gflop = gflop_per_image(config, images)
        speed = spread(speeds)
        rate = rates[torch.bfloat16 if config.bf16 and native else torch.float32]
        table.add_row(
            *(model, side, f"{statistics.median(seconds[model, side]):.2f}"),
            f"{speed[0]:.1f} ({speed[1]:.1f} to {speed[2]:.1f})",
            f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})",
            *(f"{gflop:.2f}", f"{gflop * speed[0] / rate:.1%}"),
        )
        if side == (SHIPPED[-1] if model == HEADLINE else FAST):
            table.add_section()
    console.print(table)
    f32, bf16 = rates[torch.float32], rates[torch.bfloat16]
    how = "native" if native else "not native: fast runs in float32"
    console.print(f"matrix rate: {f32:,.0f} GFLOP/s float32, {bf16:,.0f} bfloat16 ({how})")
    return headline


@click.command()
@click.option("--data", default="auto", show_default=True, help="As captcha_models.train takes it.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--device", help="Only there; the CPU and the GPU, if there is one, by default.")
@click.option("--model", "only", type=click.Choice(list(map(named, MODELS))), help="Only this one.")
@click.option("--quick", is_flag=True, help="Two rounds with fewer images, a few minutes.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: the ratio.")
def main(
    data: str,
    threads: int,
    rounds: int,
    device: str | None,
    only: str | None,
    quick: bool,
    as_json: bool,
) -> None:
    """Time epochs of the source's recipe and of ours in turn.

    The ratio is that of the CRNN at cut 7 with the source's values, on the last device measured.
    """
    torch.set_num_threads(threads)
    names = [device] if device else ["cpu", *["cuda"] * torch.cuda.is_available()]
    devices = [pick_device(name) for name in names]
    images = open_images(data)
    for where in devices:
        ratios = race(data, images, where, threads, 2 if quick else rounds, quick, only)
    if as_json and only in (None, HEADLINE):
        others = {
            f"{side}{end}": value
            for side in (BF16, FAST, *SHIPPED)
            for end, value in zip(("", "_low", "_high"), ratios[side], strict=True)
        }
        print_ratio(*ratios[SAME], **others, device=str(devices[-1]), threads=threads)


if __name__ == "__main__":
    command_line(main)
