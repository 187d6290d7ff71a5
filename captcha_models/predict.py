"""Read images with a trained model.

    python -m captcha_models.predict MODEL IMAGE...

Exit codes: 0 all read, 2 wrong input; where one image among many cannot be read the others are.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from captcha_models.cli import OK, WRONG_INPUT, command_line
from captcha_models.errors import InputError

if TYPE_CHECKING:
    from captcha_models.architectures.base import Recogniser

AT_ONCE = 128
"""Images that are decoded before they are read together."""


@click.command()
@click.argument("model")
@click.argument("image", nargs=-1, required=True)
@click.option(
    "--nbest",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="So many labels of each image.",
)
@click.option("--device", help="Such as cpu or cuda:0; the GPU if there is one.")
@click.option("--json", "as_json", is_flag=True, help="One object per image and line.")
def predict(
    model: str, image: tuple[str, ...], nbest: int, device: str | None, as_json: bool
) -> int:
    """Read each IMAGE with MODEL: its label, and the probability that this is right.

    MODEL is a model file, the folder of a training, RUN/best/SPACE, or a run folder with one space.
    An IMAGE is a file, a folder, a pattern such as '*.png', or - for standard input: an image, or
    paths, one a line.

    The probability is that of the label, given the image, at the model's calibrated temperature.
    Images of another size are squished to the model's, as in training, which is said on standard
    error. An image that cannot be read gets its line there (with --json an object with `error`),
    the others are read all the same, and the exit code is 2.
    """
    from captcha_models.inference.inputs import named_images
    from captcha_models.training.checkpoint import load_model
    from captcha_models.training.device import pick_device

    loaded = load_model(model)
    recogniser = loaded.model.to(pick_device(device))
    wrong = 0
    for row in _rows(recogniser, iter(named_images(image)), nbest):
        wrong += "error" in row
        if as_json:
            click.echo(json.dumps(row, ensure_ascii=False, allow_nan=False))
        else:
            _tell(row, (loaded.card.width, loaded.card.height))
    return WRONG_INPUT if wrong else OK


def _rows(model: "Recogniser", images: Iterator[Any], nbest: int) -> Iterator[dict[str, Any]]:
    """Per image what `--json` prints, in the order of the images."""
    while batch := list(islice(images, AT_ONCE)):
        yield from _read(model, batch, nbest)


def _read(model: "Recogniser", batch: Iterable[Any], nbest: int) -> list[dict[str, Any]]:
    import numpy as np
    import torch

    from captcha_models.data.images import decode, grey_if_possible
    from captcha_models.inference.predictor import read_images

    rows: list[dict[str, Any]] = []
    pixels, readable = [], []
    for name, get in batch:
        row: dict[str, Any] = {"image": name}
        rows.append(row)
        try:
            decoded, size = decode(get(), name)
        except InputError as error:
            row["error"] = str(error)
            continue
        row["size"] = list(size)
        pixels.append(decoded)
        readable.append(row)
    if readable:
        found = read_images(model, torch.from_numpy(grey_if_possible(np.stack(pixels))), nbest)
        for row, readings in zip(readable, found, strict=True):
            ranked = [{"label": r.label, "confidence": r.confidence} for r in readings]
            row |= ranked[0]
            if nbest > 1:
                row["nbest"] = ranked
    return rows


def _tell(row: dict[str, Any], size: tuple[int, int]) -> None:
    name = row["image"]
    if "error" in row:
        click.echo(f"error: {row['error']}", err=True)
        return
    if tuple(row["size"]) != size:
        own, models = (f"{width} x {height}" for width, height in (row["size"], size))
        click.echo(f"{name} has {own} pixels; squished to the model's {models}", err=True)
    for reading in row.get("nbest", [row]):
        click.echo(f"{name}\t{reading['label']}\t{100 * reading['confidence']:.2f} %")


if __name__ == "__main__":
    command_line(predict)
