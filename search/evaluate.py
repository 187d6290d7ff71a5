"""Score an exported model on labelled images.

python -m search.evaluate MODEL --data DATA [--json]
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from captcha_models.cli import command_line, files
from captcha_models.data.options import image_options, read_chosen
from captcha_models.errors import InputError
from captcha_models.loading import loading
from captcha_models.waiting import Waiting
from captcha_models.words import counted, percent

MISREAD_SHOWN = 20
PARTS = {
    "new": "never seen",
    "valid": "validated on",
    "train": "trained on",
    "locked": "locked as its test set",
    "left out": "left out",
}
"""What an image was in the training of a model, in words."""


@click.command()
@click.argument("model", shell_complete=files)
@image_options(required=True, sized=False)
@click.option(
    "--split",
    "part",
    type=click.Choice(["valid", "train", "test"]),
    help="Of images that the model knows, score those that validated it (default) or trained it.",
)
@click.option("--arch", help="Code of a model of one's own: file.py:NAME or module:NAME.")
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def evaluate(
    model: str,
    part: str | None,
    arch: str | None,
    as_json: bool,
    **where: Any,
) -> None:
    """Score MODEL, a model file or the folder of a training or a run (see predict --help).

    Scores the images of DATA that the model has not seen; where it has seen them all, those that
    validated it, or with --split train those it learned from. An image is known by what it shows.
    """
    with Waiting() as waiting:
        waiting.now("loading the model")
        with loading():
            import torch

            from captcha_models.inference.origin import origin
            from captcha_models.inference.parts import parts_of
            from captcha_models.inference.predictor import predict_images
            from captcha_models.training.checkpoint import load_model
            from captcha_models.training.evaluation import evaluate as score
            from search.confirmation.intervals import wilson

        loaded = load_model(model, arch)
        which = origin(loaded)
        if which:
            waiting.say(f"model: {which}", err=True)
        waiting.now("reading the images")
        images = read_chosen(where, loaded.card.geometry)
        waiting.say(images.describe(), err=True)
        for note in images.notes:
            waiting.say(f"  {note}", err=True)
        parts = parts_of(loaded, images)
        counts = {name: parts.count(name) for name in PARTS}
        waiting.say(_counted(counts), err=True)
        rows, chosen = choose(parts, part)
        labels = [images.labels[i] for i in rows]
        for line in loaded.unreadable(labels):
            waiting.say(line, err=True)
        waiting.now("scoring the images")
        pixels = torch.from_numpy(images.pixels[rows])
        scores = score(loaded.model, pixels, labels, images.widths[rows])
        num_right = sum(a == b for a, b in zip(scores.predictions, labels, strict=True))
        low, high = wilson(num_right / scores.num_images, scores.num_images)
        wrong = [i for i, label in enumerate(labels) if label != scores.predictions[i]]
        again = predict_images(loaded.model, pixels[wrong], 1, images.widths[rows][wrong])
    misread: list[dict[str, Any]] = [
        {"image": images.names[rows[i]], "label": labels[i], "read": found[0].label,
         "confidence": found[0].confidence}
        for i, found in zip(wrong, again, strict=True)
    ]  # fmt: skip
    if as_json:
        click.echo(
            json.dumps(
                {
                    "model": str(loaded.path),
                    "origin": which,
                    "split": chosen,
                    "images": counts,
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
        f"{counted(scores.num_images, 'image')} ({chosen}): captchas "
        f"{percent(scores.exact_match, 2)} "
        f"(95 % interval {percent(low, 2)} to {percent(high, 2)}), CER {percent(scores.cer, 2)}, "
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


def choose(parts: Sequence[str], wanted: str | None) -> tuple[list[int], str]:
    """Which images to score, and what to call them.

    Args:
        parts: of each image, keys of PARTS.
        wanted: `valid` or `train`, or `test`, which is refused; None is the new ones, or where
            there are none those that validated.

    Raises:
        InputError: the locked test set, or a part that none of the images is in.
    """
    if wanted == "test":
        raise InputError(
            "--split test: the locked test set judges once, when a winner is confirmed; choose "
            "valid or train"
        )
    chosen = wanted or ("new" if "new" in parts else "valid")
    rows = [i for i, part in enumerate(parts) if part == chosen]
    if rows:
        return rows, "all images" if chosen == "new" and len(rows) == len(parts) else chosen
    if wanted and set(parts) == {"new"}:
        raise InputError(
            f"--split {wanted}: the model has seen none of these images, so all of them are "
            "scored; leave --split out"
        )
    if set(parts) == {"train"}:
        raise InputError("the model was trained on every one of these images; give others")
    if set(parts) == {"train", "locked"}:
        raise InputError(
            "the model was trained on all of these images but the locked ones, so none is left to "
            "score it: give others, or choose --split train"
        )
    other = "train" if chosen == "valid" else "valid"
    raise InputError(
        f"none of these images is {PARTS[chosen]}: choose --split {other}, or give others"
    )


def _counted(counts: Mapping[str, int]) -> str:
    told = [f"{count} {PARTS[name]}" for name, count in counts.items() if count]
    return f"of these images the model has: {', '.join(told)}"


if __name__ == "__main__":
    command_line(evaluate)
