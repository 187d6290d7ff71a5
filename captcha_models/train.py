"""Train one configuration, without Ray and without Optuna.

    python -m captcha_models.train --arch crnn --config quick --seed 0 --out DIR

Leaves `model.safetensors`, `config.toml`, `epochs.jsonl`, `batch.png` and `curve.png` in DIR; while
it runs, a checkpoint that `--resume` goes on from.
"""

import json
import math
from datetime import datetime
from pathlib import Path

import click
from click.core import ParameterSource

from captcha_models.cli import assignments, command_line
from captcha_models.config import read_values, shipped
from captcha_models.errors import InputError, NonFiniteLossError


@click.command()
@click.option("--arch", required=True, help="pooled, spatial or crnn.")
@click.option(
    "--data",
    default="auto",
    show_default=True,
    help="Folder or zip of LABEL.png, download, synthetic[:N], or auto.",
)
@click.option("--config", "config_name", help=f"File, or one of {', '.join(shipped())}.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set one field.")
@click.option("--epochs", type=int, help="Passes over the training images.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--fold", type=int, default=0, show_default=True, help="Which fold validates.")
@click.option("--folds", type=int, default=5, show_default=True)
@click.option("--limit-train", type=int, help="Train on so many images, chosen by the seed.")
@click.option("--all", "everything", is_flag=True, help="Train on all images, hold none out.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for what it leaves.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in --out.")
@click.option("--device", help="Such as cpu or cuda:0; the GPU if there is one.")
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads; all cores by default.")
@click.option("--skip-bad", is_flag=True, help="Leave wrong images out.")
@click.option("--synthetic-seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--synthetic-preset",
    default="default",
    show_default=True,
    help="Or hard, extreme, or a TOML file.",
)
@click.option("--lr-find", is_flag=True, help="Search a learning rate instead of training.")
@click.option("--summary", is_flag=True, help="Show the layers instead of training.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def train(
    arch: str,
    data: str,
    config_name: str | None,
    pairs: tuple[str, ...],
    epochs: int | None,
    seed: int,
    fold: int,
    folds: int,
    limit_train: int | None,
    everything: bool,
    out: Path | None,
    resume: bool,
    device: str | None,
    threads: int | None,
    skip_bad: bool,
    synthetic_seed: int,
    synthetic_preset: str,
    lr_find: bool,
    summary: bool,
    as_json: bool,
) -> None:
    """Train one configuration on one fold; no Ray, no Optuna."""
    # Here, so that --help and a wrong option answer at once.
    import torch

    from captcha_models.architectures import config_class
    from captcha_models.data import splits
    from captcha_models.data.loaders import make_loaders
    from captcha_models.data.sources import open_images
    from captcha_models.training import fit as training
    from captcha_models.training import plots as pictures
    from captcha_models.training.checkpoint import CHECKPOINT_FILE
    from captcha_models.training.checks import check
    from captcha_models.training.device import pick_device
    from captcha_models.training.session import train_in

    if everything:
        context = click.get_current_context()
        for name in ("fold", "folds", "limit_train"):
            if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
                raise InputError(f"--all holds nothing out: leave --{name.replace('_', '-')} out")
    if epochs is not None and "epochs" in assignments(pairs):
        raise InputError("--epochs and --set epochs: give one of them")
    config = config_class(arch).parse(
        {
            **(read_values(config_name, arch) if config_name else {}),
            **assignments(pairs),
            **({"epochs": epochs} if epochs is not None else {}),
        }
    )
    if resume and out is None:
        raise InputError("--resume needs --out: the folder to go on in")
    if threads:
        torch.set_num_threads(threads)
    where = pick_device(device)
    images = open_images(
        data,
        skip_bad=skip_bad,
        synthetic_seed=synthetic_seed,
        synthetic_preset=synthetic_preset,
    )
    click.echo(images.describe(), err=True)
    if everything:
        split = splits.everything(images.names)
    else:
        split = splits.make_split(
            images.names, fold=fold, folds=folds, limit=limit_train, limit_seed=seed
        )
    click.echo(split.describe(), err=True)
    check(config, images, split)
    if summary:
        click.echo(training.summary(config, images, split, seed))
        return
    folder = out or Path("runs") / f"train-{arch}-{datetime.now():%Y%m%d-%H%M%S}"
    if lr_find:
        best, lrs, losses = training.find_lr(config, images, split, seed=seed, device=device)
        folder.mkdir(parents=True, exist_ok=True)
        pictures.draw_lr_find(lrs, losses, best, folder / "lr_find.png")
        click.echo(f"suggested lr {best:.2g}; {folder / 'lr_find.png'}")
        return
    try:
        metrics = train_in(folder, config, images, split, seed=seed, device=device, resume=resume)
    except NonFiniteLossError as error:
        raise InputError(str(error)) from None
    except KeyboardInterrupt:
        if (folder / CHECKPOINT_FILE).exists():
            click.echo(f"--out {folder} --resume goes on from the last checkpoint", err=True)
        raise
    batch = make_loaders(
        images,
        split,
        config,
        device=where,
        batch_size=min(max(config.batch_size, 12), len(split.train)),
    )
    pictures.draw_batch(batch, folder / "batch.png")
    judged = (
        "no validation"
        if everything
        else f"validation: captchas read {metrics.valid_exact_match:.2%}, CER "
        f"{metrics.valid_cer:.2%}, NLL {metrics.valid_nll:.4f} nats"
    )
    click.echo(
        f"{judged} (train {metrics.train_nll:.4f}{_gap(metrics.gap)}); "
        f"{metrics.seconds:.0f} s; {folder}"
    )
    if as_json:
        click.echo(json.dumps({"model": str(folder / "model.safetensors"), **metrics.as_dict()}))


def _gap(gap: float) -> str:
    return "" if math.isnan(gap) else f", gap {gap:+.4f}"


if __name__ == "__main__":
    command_line(train)
