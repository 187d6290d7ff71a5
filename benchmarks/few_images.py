"""Learning curve: accuracy against the number of real training images.

    python -m benchmarks.few_images --arch crnn --config quick --data captcha_images_v2.zip \
        --limit 50,100,200,400 --seeds 0,1,2 --images-seen 20000 --rows rows.jsonl

Every point is trained with several seeds, which choose the images too, and scored on one fold.
Those of a lower limit are among those of a higher. With generated images a share of each batch is
newly drawn, half unless the configuration says more; without, none. The generated ones carry
labels that nothing is scored on. Rows are kept: the same command goes on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks._lists import (
    exit_code,
    list_options,
    numbers,
    one_fold_options,
    open_data,
    print_table,
    read_config,
    train_listed,
)
from captcha_models.cli import command_line
from captcha_models.config import Config
from captcha_models.errors import InputError

SHARE = 0.5
"""Of a batch that is generated, where the configuration itself has none."""


def point(config: Config, generated: bool, limit: int, images_seen: int | None) -> Config:
    """The configuration for one point of the curve.

    Args:
        config: what it is made from.
        generated: with generated images, or without.
        limit: real training images.
        images_seen: in the whole training, rounded to epochs; None keeps the epochs.

    Raises:
        InputError: more images to a batch than there are.
    """
    if limit < config.batch_size:
        raise InputError(f"--limit {limit}: fewer than the batch_size of {config.batch_size}")
    fields: dict[str, Any] = {}
    if not generated:
        fields = {"synthetic_share": 0.0, "synthetic_steps": 0}
    elif not config.synthetic_share:
        fields = {"synthetic_share": SHARE}
    if images_seen is not None:
        an_epoch = limit // config.batch_size * config.batch_size
        fields["epochs"] = max(1, round(images_seen / an_epoch))
    return config.changed(**fields)


@click.command()
@click.option("--arch", required=True, help="pooled, spatial or crnn.")
@click.option(
    "--config", "names", multiple=True, required=True, help="Configuration; may be repeated."
)
@click.option("--limit", "limits", default="50,100,200,400", show_default=True)
@click.option(
    "--generated",
    type=click.Choice(["both", "with", "without", "own"]),
    default="both",
    show_default=True,
    help="Generated images in training; own is as each configuration says.",
)
@click.option("--images-seen", type=click.IntRange(1), help="By each training.  [epochs]")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the curve into this file.")
@one_fold_options
@list_options
def main(arch: str, names: tuple[str, ...], **options: Any) -> int:
    """Train configurations on few images and print the curve."""
    from search.confirmation.summary import interval, summarise
    from search.store.listed import ListedTrial

    seeds = numbers(options["seeds"], "--seeds")
    limits = numbers(options["limits"], "--limit")
    images = open_data(options["data"])
    lists: dict[tuple[str, bool, int], list[ListedTrial]] = {}
    for name in names:
        config = read_config(arch, name)
        generates = bool(config.synthetic_share or config.synthetic_steps)
        sides = {"both": (False, True), "with": (True,), "without": (False,), "own": (generates,)}
        for generated in sides[options["generated"]]:
            for limit in limits:
                values = point(config, generated, limit, options["images_seen"]).model_dump()
                title = f"{name}, generated" if generated else name
                lists[name, generated, limit] = [
                    ListedTrial(
                        title, arch, values, seed, options["fold"], options["folds"], 0, limit
                    )
                    for seed in seeds
                ]
    trained = train_listed([one for own in lists.values() for one in own], images, options)
    left = iter(trained)
    lines, found = [], []
    for (name, generated, limit), own in lists.items():
        rows = [row for _ in own if (row := next(left))]
        about = [name, "with" if generated else "without", str(limit)]
        done = f"{len(rows)} of {len(own)}"
        one = summarise(rows) if rows else None
        found.append({"config": name, "generated": generated, "limit": limit, "scores": one})
        if one is None:
            lines.append([*about, done, *[""] * 5])
            continue
        lines.append(
            [
                *about,
                done,
                interval(one["exact_match"], share=True),
                interval(one["nll"]),
                f"{one['gap']['mean']:+.4f}",
                f"{one['images_seen']:,.0f}",
                f"{one['seconds']:.0f}",
            ]
        )
    if options["as_json"]:
        click.echo(json.dumps({"arch": arch, "points": found}, allow_nan=False))
    else:
        heads = ["config", "generated", "real images", "trainings", "captchas read", "NLL", "gap"]
        title = f"{arch}, fold {options['fold']} of {options['folds']}"
        print_table(title, [*heads, "images seen", "s"], lines)
    if options["plot"]:
        draw(found, options["plot"])
    return exit_code(trained)


def draw(points: Sequence[dict[str, Any]], path: Path) -> None:
    """Captchas read over real training images, with the intervals, a line a configuration."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for name, generated in dict.fromkeys((one["config"], one["generated"]) for one in points):
        own = [
            one
            for one in points
            if (one["config"], one["generated"]) == (name, generated) and one["scores"]
        ]
        shares = [one["scores"]["exact_match"] for one in own]
        means = [share["mean"] for share in shares]
        apart = [
            [mean - share["low"] for mean, share in zip(means, shares, strict=True)],
            [share["high"] - mean for mean, share in zip(means, shares, strict=True)],
        ]
        label = f"{name}, {'with' if generated else 'without'} generated images"
        limits = [one["limit"] for one in own]
        axis.errorbar(limits, means, yerr=apart, marker="o", capsize=3, label=label)
    axis.set_xscale("log", base=2)
    ticks = sorted({one["limit"] for one in points})
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set_xlabel("real training images")
    axis.set_ylabel("held-out captchas read")
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.grid(alpha=0.3)
    axis.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    command_line(main)
