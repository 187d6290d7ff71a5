"""Training of one configuration, without Ray and without Optuna.

    python -m captcha_models.train --arch crnn --config quick --seed 0 --out DIR

Leaves `model.safetensors`, `config.toml`, `epochs.jsonl`, `batch.png` and `curve.png` in DIR; while
it runs, a checkpoint that `--resume` goes on from.
"""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from captcha_models.cli import GroupedCommand, assignments, command_line, option
from captcha_models.config import is_shipped, read_values, shipped
from captcha_models.data.options import image_options, read_chosen
from captcha_models.errors import InputError, NonFiniteLossError
from captcha_models.loading import loading
from captcha_models.words import percent

MODEL, DATA, TRAINING, OUTPUT = "Model", "Images", "Training", "Output"


@click.command(cls=GroupedCommand)
@option(
    "--arch",
    required=True,
    group=MODEL,
    help="pooled, spatial, crnn, or one's own: file.py:NAME or module:NAME.",
)
@option("--config", "config_name", group=MODEL, help=f"File, or one of {', '.join(shipped())}.")
@option(
    "--set",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    group=MODEL,
    help="Set one field of the configuration; may be repeated.",
)
@image_options(DATA)
@option("--fold", type=int, default=0, show_default=True, group=DATA, help="Which fold validates.")
@option(
    "--folds", type=int, default=5, show_default=True, group=DATA, help="How many folds there are."
)
@option("--limit-train", type=int, group=DATA, help="Train on so many images, chosen by the seed.")
@option("--all", "everything", is_flag=True, group=DATA, help="Train on all images, hold none out.")
@option(
    "--init", group=MODEL, help="Start from the weights of a model trained before: file or folder."
)
@option("--epochs", type=int, group=TRAINING, help="The same as --set epochs=N.")
@option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    group=TRAINING,
    help="Decides first weights, order and augmentation.",
)
@option("--device", group=TRAINING, help="Such as cpu or cuda:0; the GPU if there is one.")
@option(
    "--threads",
    type=click.IntRange(1, 1024),
    group=TRAINING,
    help="CPU threads; all cores by default.",
)
@option("--out", type=click.Path(path_type=Path), group=OUTPUT, help="Folder for what it leaves.")
@option("--resume", is_flag=True, group=OUTPUT, help="Go on from the checkpoint in --out.")
@option("--json", "as_json", is_flag=True, group=OUTPUT, help="End with one line of JSON.")
def train(
    arch: str,
    config_name: str | None,
    pairs: tuple[str, ...],
    fold: int,
    folds: int,
    limit_train: int | None,
    everything: bool,
    init: str | None,
    epochs: int | None,
    seed: int,
    device: str | None,
    threads: int | None,
    out: Path | None,
    resume: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train one configuration on one fold; no Ray, no Optuna."""
    # Here, so that --help and a wrong option answer at once.
    with loading():
        import torch

        from captcha_models.architectures import check, resolve
        from captcha_models.data import splits
        from captcha_models.data.generated import remark
        from captcha_models.data.loaders import make_loaders
        from captcha_models.inspection.remarks import remarks
        from captcha_models.training import plots
        from captcha_models.training.checkpoint import CHECKPOINT_FILE
        from captcha_models.training.device import pick_device
        from captcha_models.training.initial import read_initial
        from captcha_models.training.session import train_in

    if everything:
        context = click.get_current_context()
        for name in ("fold", "folds", "limit_train"):
            if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
                raise InputError(f"--all holds nothing out: leave --{name.replace('_', '-')} out")
    values: dict[str, object] = {**assignments(pairs)}
    if epochs is not None:
        if "epochs" in values:
            raise InputError("--epochs and --set epochs: give one of them")
        values["epochs"] = epochs
    architecture = resolve(arch)
    shared = read_values(config_name, architecture.name) if config_name else {}
    config = architecture.config_class.parse({**shared, **values})
    if resume and out is None:
        raise InputError("--resume needs --out: the folder to go on in")
    if threads:
        torch.set_num_threads(threads)
    where = pick_device(device)
    images = read_chosen(chosen)
    for line in (images.describe(), *remarks(images)):
        click.echo(line, err=True)
    if everything:
        split = splits.everything(images.names)
    else:
        split = splits.make_split(
            images.units, images.parts, fold=fold, folds=folds, limit=limit_train, limit_seed=seed
        )
    click.echo(split.describe(), err=True)
    if config_name and is_shipped(config_name, architecture.name):
        from captcha_models.adapt import adapted

        config, changes = adapted(config, images, split, keep=values)
        if changes:
            click.echo(f"{config_name}: adapted to these images: {', '.join(changes)}", err=True)
    check(config, images, split)
    if config.synthetic_share or config.synthetic_steps:
        for line in remark(images, split):
            click.echo(line, err=True)
    initial = read_initial(init) if init else None
    if initial is not None:
        click.echo(initial.describe(config, images), err=True)
        if warning := initial.judged(images, split):
            click.echo(warning, err=True)
    folder = out or Path("runs") / f"train-{config.arch}-{datetime.now():%Y%m%d-%H%M%S}"
    try:
        metrics = train_in(
            folder, config, images, split,
            seed=seed, device=device, resume=resume, init=initial,
        )  # fmt: skip
    except NonFiniteLossError as error:
        raise InputError(str(error)) from None
    except KeyboardInterrupt:
        if (folder / CHECKPOINT_FILE).exists():
            click.echo(f"--out {folder} --resume goes on from the last checkpoint", err=True)
        raise
    size = min(max(config.batch_size, 12), len(split.train))
    batch = make_loaders(images, split, config, device=where, batch_size=size)
    plots.draw_batch(batch, folder / "batch.png")
    judged = (
        "no validation"
        if everything
        else f"validation: captchas read {percent(metrics.valid_exact_match, 2)}, CER "
        f"{percent(metrics.valid_cer, 2)}, NLL {metrics.valid_nll:.4f} nats"
    )
    gap = "" if math.isnan(metrics.gap) else f", gap {metrics.gap:+.4f}"
    click.echo(f"{judged} (train {metrics.train_nll:.4f}{gap}); {metrics.seconds:.0f} s; {folder}")
    if as_json:
        click.echo(json.dumps({"model": str(folder / "model.safetensors"), **metrics.as_dict()}))


if __name__ == "__main__":
    command_line(train)
