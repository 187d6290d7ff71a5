"""Score an exported model on labelled images.

python -m search.evaluate MODEL --data DATA [--json]
"""

import json
from typing import Any

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError

MISREAD_SHOWN = 20


@click.command()
@click.argument("model")
@click.option("--data", required=True, help="Folder or zip of LABEL.png, download, synthetic[:N].")
@click.option(
    "--split",
    "part",
    type=click.Choice(["valid", "train", "test"]),
    help="On the images the model was trained on: valid (default) or train.",
)
@click.option("--skip-bad", is_flag=True, help="Leave wrong images out.")
@click.option("--synthetic-seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--synthetic-preset",
    default="default",
    show_default=True,
    help="Or hard, extreme, or a TOML file.",
)
@click.option("--arch", help="Code of a model of one's own: file.py:NAME or module:NAME.")
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def evaluate(
    model: str,
    data: str,
    part: str | None,
    skip_bad: bool,
    synthetic_seed: int,
    synthetic_preset: str,
    arch: str | None,
    as_json: bool,
) -> None:
    """Score MODEL, a model file or the folder of a training or a search.

    Scores every image of DATA, unless they are the very images the model was trained on: then
    only those that validated it, or with --split train those it learned from.
    """
    import torch

    from captcha_models.data.sources import open_images
    from captcha_models.inference.predictor import predict_images
    from captcha_models.training.checkpoint import load_model
    from captcha_models.training.evaluation import evaluate as score
    from search.confirmation.intervals import wilson

    loaded = load_model(model, arch)
    images = open_images(
        data,
        skip_bad=skip_bad,
        synthetic_seed=synthetic_seed,
        synthetic_preset=synthetic_preset,
    )
    click.echo(images.describe(), err=True)
    rows, chosen = choose(loaded.card.data.digest, loaded.card.split, images, part)
    labels = [images.labels[i] for i in rows]
    for line in loaded.unreadable(labels):
        click.echo(line, err=True)
    pixels = torch.from_numpy(images.pixels[rows])
    scores = score(loaded.model, pixels, labels)
    num_right = sum(a == b for a, b in zip(scores.predictions, labels, strict=True))
    low, high = wilson(num_right / scores.num_images, scores.num_images)
    wrong = [i for i, label in enumerate(labels) if label != scores.predictions[i]]
    misread: list[dict[str, Any]] = [
        {"image": images.names[rows[i]], "label": labels[i], "read": found[0].label,
         "confidence": found[0].confidence}
        for i, found in zip(wrong, predict_images(loaded.model, pixels[wrong]), strict=True)
    ]  # fmt: skip
    if as_json:
        click.echo(
            json.dumps(
                {
                    "model": str(loaded.path),
                    "split": chosen,
                    "num_images": scores.num_images,
                    "num_unreadable": scores.num_unreadable,
                    **scores.figures(),
                    "exact_match_ci95": [low, high],
                    "digest": images.digest,
                    "misread": misread,
                },
                allow_nan=False,
            )
        )
        return
    click.echo(
        f"{scores.num_images} images ({chosen}): captchas {scores.exact_match:.2%} "
        f"(95 % interval {low:.2%} to {high:.2%}), CER {scores.cer:.2%}, "
        + (
            f"NLL {scores.nll:.4f} nats per captcha"
            if scores.num_unreadable < scores.num_images
            else "no NLL, for the model can give none of these labels"
        )
    )
    if chosen == "valid" and loaded.card.config.get("calibrate"):
        before = loaded.card.metrics.get("valid_nll")
        click.echo(
            "The model's temperature was fitted to these images, so this NLL flatters it"
            + (f"; at temperatures fitted without them it was {before:.4f}" if before else "")
        )
    for row in misread[:MISREAD_SHOWN]:
        sure = f"{100 * row['confidence']:.2f} %"
        click.echo(f"  {row['image']}: {row['label']} read as {row['read']} ({sure})")
    if len(misread) > MISREAD_SHOWN:
        click.echo(f"  and {len(misread) - MISREAD_SHOWN} more")


def choose(trained_on: str, split: Any, images: Any, part: str | None) -> tuple[list[int], str]:
    """Which images to score, and what to call them.

    Args:
        trained_on: digest of the model's images.
        split: of the model's training, None if nothing was held out.
        images: what was given to be scored.
        part: what was asked for.

    Raises:
        InputError: the locked test set, or a part of images that are not the model's own.
    """
    from captcha_models.data.splits import make_split

    if images.digest != trained_on:
        if part:
            raise InputError(
                f"--split {part}: the model was trained on other images than these, so all of "
                "them are scored; leave --split out"
            )
        return list(range(len(images))), "all images"
    if part == "test":
        raise InputError(
            "--split test: the locked test set judges once, when a winner is confirmed; choose "
            "valid or train"
        )
    if split is None:
        raise InputError("the model was trained on every one of these images; give others")
    parts = make_split(images.units, images.parts, **split.model_dump())
    rows = parts.train if part == "train" else parts.valid
    if not len(rows):
        raise InputError("no image validated this model: choose --split train, or give others")
    return rows.tolist(), part or "valid"


if __name__ == "__main__":
    command_line(evaluate)
