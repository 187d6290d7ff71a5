"""Labels that a trained model reads in images.

    python -m captcha_models.predict MODEL IMAGE...

Exit codes: 0 all read, 2 wrong input; where one image among many cannot be read the others are.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from captcha_models.cli import OK, WRONG_INPUT, command_line, files
from captcha_models.errors import InputError
from captcha_models.loading import loading
from captcha_models.waiting import Waiting

if TYPE_CHECKING:
    from captcha_models.data.geometry import Geometry
    from captcha_models.inference.predictor import Predictor

AT_ONCE = 128
"""Images that are decoded before they are read together."""


@click.command()
@click.argument("model", shell_complete=files)
@click.argument("image", nargs=-1, required=True, shell_complete=files)
@click.option(
    "--nbest",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many labels of each image.",
)
@click.option("--device", help="Such as cpu or cuda:0; the GPU if there is one.")
@click.option("--arch", help="Code of a model of one's own: file.py:NAME or module:NAME.")
@click.option("--json", "as_json", is_flag=True, help="One object per image and line.")
def predict(
    model: str,
    image: tuple[str, ...],
    nbest: int,
    device: str | None,
    arch: str | None,
    as_json: bool,
) -> int:
    """Read each IMAGE with MODEL: its label, and the probability that this is right.

    MODEL is a model file, or the folder of a training or a run: the winner that search.confirm
    trained, or before that the best trial of a run with one space (of any, RUN/best/SPACE);
    or an ONNX file that export wrote, which onnxruntime runs on the CPU.
    An IMAGE is a file, a folder, a pattern such as '*.png', or - for standard input: an image, or
    paths, one a line.

    The probability is that of the label, given the image, at the model's calibrated temperature.
    Images of other proportions than the model's are squeezed to its size, with a note on standard
    error. An image that cannot be read gets a line there (with --json an object with `error`), the
    others are read all the same, and the exit code is 2.
    """
    with Waiting() as waiting:
        waiting.now("loading the model")
        with loading():
            from captcha_models.inference.inputs import named_images
            from captcha_models.inference.predictor import load

        predictor = load(model, device=device, arch=arch)
    if predictor.origin:
        click.echo(f"model: {predictor.origin}", err=True)
    wrong = 0
    for row in _rows(predictor, iter(named_images(image)), nbest):
        wrong += "error" in row
        if as_json:
            click.echo(json.dumps(row, allow_nan=False))
        else:
            _print(row, predictor.card.geometry)
    return WRONG_INPUT if wrong else OK


def _rows(predictor: "Predictor", images: Iterator[Any], nbest: int) -> Iterator[dict[str, Any]]:
    """Per image what `--json` prints, in the order of the images."""
    from captcha_models.data.decode import decode

    while batch := list(islice(images, AT_ONCE)):
        rows: list[dict[str, Any]] = []
        pixels = []
        for name, get in batch:
            rows.append({"image": name})
            try:
                decoded, size = decode(get(), name)
            except InputError as error:
                rows[-1]["error"] = str(error)
                continue
            rows[-1]["size"] = list(size)
            pixels.append(decoded)
        readable = (row for row in rows if "error" not in row)
        for row, found in zip(readable, predictor.ranked(pixels, nbest), strict=True):
            ranked = [asdict(prediction) for prediction in found]
            row |= ranked[0]
            if nbest > 1:
                row["nbest"] = ranked
        yield from rows


def _print(row: dict[str, Any], geometry: "Geometry") -> None:
    name = row["image"]
    if "error" in row:
        click.echo(f"error: {row['error']}", err=True)
        return
    width, height = row["size"]
    if not geometry.suits(width, height):
        size = geometry.describe()
        click.echo(f"{name} has {width} x {height} px; squeezed to the model's {size}", err=True)
    for one in row.get("nbest", [row]):
        click.echo(f"{name}\t{one['label']}\t{100 * one['confidence']:.2f} %")


if __name__ == "__main__":
    command_line(predict)
