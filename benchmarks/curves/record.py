"""Recording of learning curves: random configurations, trained on a few of the images.

    python -m benchmarks.curves.record --data receipts.zip --name receipts --epochs 8 --count 100

Each configuration is drawn by its own number, uniformly from a space as it fits the images, so that
a table can grow and says the same however it was made; the space's starting points come first.
Each of these, and every third of the others, is trained by a second seed. What is in the table
already is not trained again; `--part 1/2` and `--part 2/2` share the work between two processes of
one thread each.
"""

import json
import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from benchmarks.curves.table import METRICS, Curve, curves_name, read_curves
from captcha_models.cli import assignments, command_line
from captcha_models.config import Config
from captcha_models.errors import InputError, NonFiniteLossError, one_line
from captcha_models.training.metrics import EpochMetrics
from search.store.jsonl import Table, read_table
from spaces.chance import Uniform
from spaces.ranges import Suggester, Value
from spaces.space import Space

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages
    from captcha_models.data.splits import Split

DECODED: dict[str, Value] = {"beam_width": 1, "fixed_length": False, "calibrate": True}
"""Parameters that only decide how emissions are read: they need no training."""
SECOND_SEED = 3
"""Every so many-th configuration is trained twice."""
NUMBERS = 1_000_000
"""Numbers among which those of starting points lie."""
DECIMALS = 4
"""Decimals that are kept of nats, shares and seconds."""


def drawn(space: Space, index: int) -> dict[str, Value]:
    """The configuration of that number, by the parameters that vary."""
    chance: Suggester = Uniform(f"{space.arch}-{index}")
    point = space.suggest(chance)
    return {name: value for name, value in point.items() if name in space.parameters}


def starting_points(space: Space) -> dict[int, dict[str, Value]]:
    """Baseline and known points, by a negative number that follows from their values.

    A space may get other starting points while its table grows; a number keeps its point.
    """
    found = {}
    for point in (space.baseline, *space.known):
        start = {k: v for k, v in space.start(point).items() if k in space.parameters}
        found[-1 - zlib.crc32(json.dumps(start, sort_keys=True).encode()) % NUMBERS] = start
    return found


def record(
    config: Config, images: "LabelledImages", split: "Split", seed: int
) -> tuple[dict[str, tuple[float, ...]], str | None]:
    """Train a configuration.

    Args:
        config: all fields of it.
        images: all images.
        split: which of them train and validate.
        seed: of the training.

    Returns:
        The figures of each epoch by the names of METRICS, and why it ended early, if it did.
    """
    from captcha_models.training.fit import fit

    found: dict[str, list[float]] = {name: [] for name in METRICS}
    began = time.process_time()

    def on_epoch(metrics: EpochMetrics, state: object) -> None:
        row = {
            "valid_nll": metrics.valid_nll,
            "train_nll": metrics.train_nll,
            "valid_nll_raw": metrics.valid_nll_raw,
            "accuracy": metrics.valid_exact_match,
            "cer": metrics.valid_cer,
            "seconds": time.process_time() - began,
        }
        for name, value in row.items():
            found[name].append(round(value, DECIMALS))

    error = None
    try:
        fit(config, images, split, seed=seed, device="cpu", on_epoch=on_epoch)
    except NonFiniteLossError as caught:
        error = one_line(caught)
    return {name: tuple(values) for name, values in found.items()}, error


def fitted_space(name: str, images: "LabelledImages", split: "Split", pairs: Mapping[str, str],
                 epochs: int) -> tuple[Space, dict[str, Any]]:  # fmt: skip
    """The space as it fits the images, what is only decoded fixed; and what is the same in all."""
    from search.tuning.fitted import fit_plans
    from search.tuning.plan import plan_spaces
    from search.tuning.settings import Settings

    settings = Settings.parse({"spaces": (name,), "epochs": epochs, "fixed": dict(pairs)})
    plans, refused = fit_plans(plan_spaces(settings), images, split)
    if not plans:
        raise InputError("; ".join(refused))
    plan = next(iter(plans.values()))
    decoded = {k: v for k, v in DECODED.items() if k in plan.base}
    varying = {k: v for k, v in decoded.items() if k in plan.space.parameters}
    return plan.space.changed(varying), {**plan.base, **plan.space.fixed, **decoded}


def _differing(before: Mapping[str, Any], head: Mapping[str, Any]) -> list[str]:
    """What two heads disagree on; known points and the space's name decide no training."""
    own = [key for key in head if key != "space" and before.get(key) != head[key]]
    parts = ("parameters", "conditions")
    return [*own, *(key for key in parts if before["space"][key] != head["space"][key])]


@click.command()
@click.option("--data", required=True, help="Folder, zip or table of images.")
@click.option("--name", required=True, help="Of the set of images; names the file.")
@click.option("--space", "space_name", default="crnn", show_default=True)
@click.option("--train", "num_train", type=click.IntRange(1), default=400, show_default=True)
@click.option("--valid", "num_valid", type=click.IntRange(1), default=200, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=8, show_default=True)
@click.option("--count", type=click.IntRange(1), default=100, show_default=True)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="As for a search.")
@click.option("--part", default="1/1", show_default=True, help="This process' share: 1/2, 2/2.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/curves"))
def main(
    data: str, name: str, space_name: str, num_train: int, num_valid: int, epochs: int, count: int,
    pairs: tuple[str, ...], part: str, out: Path,
) -> None:  # fmt: skip
    """Train random configurations and keep their learning curves."""
    import torch

    from captcha_models.architectures import config_class
    from captcha_models.data.sources import open_images
    from captcha_models.data.splits import make_split

    torch.set_num_threads(1)
    number, parts = map(int, part.split("/"))
    images = open_images(data)
    split = make_split(images.units, images.parts, fold=0, folds=5, limit=num_train, limit_seed=0)
    judged = np.random.default_rng(0).permutation(split.valid)[:num_valid]
    split = replace(split, valid=np.sort(judged))
    for line in (images.describe(), split.describe()):
        click.echo(line, err=True)
    typed = {key: str(value) for key, value in assignments(pairs).items()}
    space, base = fitted_space(space_name, images, split, typed, epochs)
    fixed = {k: v for k, v in base.items() if k not in space.parameters}
    out.mkdir(parents=True, exist_ok=True)
    stem = curves_name(name, space.name, fixed)
    path = out / (f"{stem}.jsonl" if parts == 1 else f"{stem}.{number}.jsonl")
    done = {curve.key for file in out.glob(f"{stem}.*jsonl") for curve in read_curves(file)}
    head = {
        "images": name,
        "arch": space.arch,
        "fixed": fixed,
        "digest": images.digest,
        "num_train": len(split.train),
        "num_valid": len(split.valid),
        "space": space.to_json(),
    }
    before = read_table(path)[:1] if path.exists() else []
    if before and (differ := ", ".join(_differing(before[0], head))):
        raise InputError(f"{path} was recorded otherwise ({differ}): give another --name or --out")
    with Table(path) as table:
        if not before:
            table.append(head)
        starts = starting_points(space)
        for index in [*list(starts)[number - 1 :: parts], *range(number - 1, count, parts)]:
            config = starts[index] if index < 0 else drawn(space, index)
            whole = config_class(space.arch).parse({**base, **config})
            for seed in range(2 if index < 0 or index % SECOND_SEED == 0 else 1):
                if (index, seed) in done:
                    continue
                seen = len(split.train) // whole.batch_size * whole.batch_size
                lists, error = record(whole, images, split, seed)
                curve = Curve(
                    name,
                    space.arch,
                    space.name,
                    index,
                    seed,
                    config,
                    fixed,
                    seen,
                    error=error,
                    load=round(os.getloadavg()[0], 1),
                    **lists,
                )
                table.append(curve.row())
                click.echo(f"{stem} {index}, seed {seed}: {curve.describe()}")


if __name__ == "__main__":
    command_line(main)
