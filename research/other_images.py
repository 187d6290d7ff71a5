"""Confidence on another kind of image: what a model says that it knows where it knows nothing.

    python -m research.other_images article=captcha_images_v2.zip:12 digits=digits4.zip:8 \
        receipts=receipts.zip:6

Each set, NAME=DATA:EPOCHS, trains one recommended CRNN, adapted to it, on fold 0 with seed 0 and
one thread. It reads its own validation images and all images of the other sets whose symbols it
knows, scaled as its own; and images without text. With `article` among the names that model reads
generated images too. Every set is read from the other ones' geometry, so none is told its labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks._lists import open_data, print_table, read_config
from captcha_models.cli import command_line
from captcha_models.errors import InputError

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages
    from captcha_models.training.state import TrainingState

BINS = 10
BLANKS = 20
"""Images of noise without text."""
PRESETS = ("default", "hard", "extreme")
DRAWN = 500
"""Images of each preset."""


@dataclass(frozen=True)
class Judged:
    """Confidence against what is right.

    Attributes:
        count: images.
        read: share whose whole label was read.
        confidence: mean probability that the model gave to what it read.
        error: expected calibration error, ten bins of equal width.
        above: share of the wrong ones of which the model was surer than 0.9.
        auroc: chance that a right one has more confidence than a wrong one; None if all are alike.
    """

    count: int
    read: float
    confidence: float
    error: float
    above: float | None
    auroc: float | None

    def cells(self) -> list[str]:
        """As a line of a table."""
        return [
            str(self.count), f"{self.read:.1%}", f"{self.confidence:.3f}", f"{self.error:.3f}",
            *("" if x is None else f"{x:.3f}" for x in (self.above, self.auroc)),
        ]  # fmt: skip


def judge(confidences: Sequence[float], right: Sequence[bool]) -> Judged:
    """Compare confidences, in [0, 1], with what was right; at least one image."""
    from sklearn.metrics import roc_auc_score

    sure, good = np.array(confidences, dtype=float), np.array(right, dtype=bool)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    apart = [abs((sure - good)[bins == b].sum()) for b in range(BINS)]
    return Judged(
        len(sure), float(good.mean()), float(sure.mean()), float(sum(apart) / len(sure)),
        None if good.all() else float((sure[~good] > 0.9).mean()),
        float(roc_auc_score(good, sure)) if len(set(right)) > 1 else None,
    )  # fmt: skip


def known(labels: Sequence[str], symbols: str) -> list[int]:
    """Places of the labels that have no other symbols."""
    return [i for i, label in enumerate(labels) if set(label) <= set(symbols)]


def without_text(height: int, width: int, channels: int) -> dict[str, NDArray[np.uint8]]:
    """Images without text by name, each (N, C, H, W)."""
    shape = (1, channels, height, width)
    noise = np.random.default_rng(0).integers(0, 256, size=(BLANKS, *shape[1:]), dtype=np.uint8)
    plain = {name: np.full(shape, level, dtype=np.uint8)
             for name, level in (("white", 255), ("grey", 128), ("black", 0))}  # fmt: skip
    return {**plain, "noise": noise}


def train(data: str, epochs: int) -> tuple["LabelledImages", "TrainingState"]:
    """The images, and the recommended CRNN after its last epoch on them."""
    from captcha_models.adapt import adapted
    from captcha_models.data.splits import make_split
    from captcha_models.training.fit import fit

    images = open_data(data)
    split = make_split(images.units, images.parts)
    config = read_config("crnn", "recommended", (f"epochs={epochs}",))
    suited, notes = adapted(config, images, split)
    click.echo(f"{data}: {'; '.join(notes) or 'as it is'}", err=True)
    state = fit(
        suited, images, split, seed=0, on_epoch=lambda *_: None, device="cpu", every_epoch=False
    )
    return images, state


def read_by(model: Any, images: "LabelledImages", rows: Sequence[int]) -> Judged:
    """What a model says of some images, and what is right."""
    import torch

    from captcha_models.training.evaluation import evaluate

    labels = [images.labels[i] for i in rows]
    scores = evaluate(model, torch.from_numpy(images.pixels[rows]), labels, images.widths[rows])
    right = [read == label for read, label in zip(scores.predictions, labels, strict=True)]
    return judge(scores.confidences, right)


def generated(preset: str) -> "LabelledImages":
    """Images of a preset's look with the labels of the default one, whose symbols are known."""
    from captcha_models import generator as kaptcha
    from captcha_models.data.images import LabelledImages, squish

    plain = kaptcha.load_style("default")
    style = replace(kaptcha.load_style(preset), alphabet=plain.alphabet, length=plain.length)
    texts = kaptcha.labels(style, 1, DRAWN)
    pixels = squish(kaptcha.draw(style, texts, 1))
    return LabelledImages(tuple(texts), tuple(texts), pixels, f"generator ({preset})")


def others(name: str, images: "LabelledImages", sets: Mapping[str, str]) -> dict[str, Any]:
    """Images of the other sets at this one's geometry, and generated ones for the article's."""
    from captcha_models.data.sources import open_images

    found: dict[str, Any] = {
        other: open_images(data, size=images.geometry)
        for other, data in sets.items() if other != name
    }  # fmt: skip
    if name == "article":
        found |= {f"generated, {preset}": generated(preset) for preset in PRESETS}
    return found


def report(name: str, images: "LabelledImages", state: "TrainingState", sets: Any) -> list[Any]:
    """Lines of the table for one trained model."""
    import torch

    from captcha_models.inference.predictor import predict_images

    assert state.valid is not None
    scores, labels = state.valid
    right = [read == label for read, label in zip(scores.predictions, labels, strict=True)]
    lines = [[name, "own, held out", *judge(scores.confidences, right).cells()]]
    symbols = "".join(sorted(set("".join(images.labels))))
    for other, foreign in others(name, images, sets).items():
        if rows := known(foreign.labels, symbols):
            lines.append([name, other, *read_by(state.model, foreign, rows).cells()])
        lengths = set(map(len, images.labels))
        alike = [i for i in rows if len(foreign.labels[i]) in lengths]
        if 0 < len(alike) < len(rows):
            own = read_by(state.model, foreign, alike)
            lines.append([name, f"{other}, lengths it knows", *own.cells()])
    channels, height, width = images.pixels.shape[1:]
    for kind, pixels in without_text(height, min(width, 200), channels).items():
        read = [best[0] for best in predict_images(state.model, torch.from_numpy(pixels))]
        sure = [one.confidence for one in read]
        texts = sorted({one.label for one in read})[:3]
        lines.append([name, f"{kind}: {texts}", str(len(read)), "", f"{np.mean(sure):.3f}", "",
                      f"{np.mean(np.array(sure) > 0.9):.3f}", ""])  # fmt: skip
    widths = (state.predictions() or {}).get("beams")
    last = state.metrics
    click.echo(
        f"{name}: read by width {widths}, temperature {last.temperature:.2f}, "
        f"NLL {last.valid_nll:.3f}",
        err=True,
    )
    return lines


@click.command()
@click.argument("sets", nargs=-1, required=True)
def main(sets: tuple[str, ...]) -> None:
    """Train on each of the SETS, NAME=DATA:EPOCHS, and read the others."""
    import torch

    torch.set_num_threads(1)
    asked: dict[str, tuple[str, int]] = {}
    for text in sets:
        name, equals, rest = text.partition("=")
        data, colon, epochs = rest.rpartition(":")
        if not (equals and colon and name and data and epochs.isdecimal() and int(epochs) > 0):
            raise InputError(f"{text!r}: write NAME=DATA:EPOCHS, such as digits=digits4.zip:8")
        asked[name] = data, int(epochs)
    places = {name: data for name, (data, _) in asked.items()}
    lines = []
    for name, (data, long) in asked.items():
        images, state = train(data, long)
        lines += report(name, images, state, places)
    head = ["trained on", "reads", "images", "read", "confidence", "ECE", "wrong > 0.9", "AUROC"]
    print_table("confidence on another kind of image", head, lines)


if __name__ == "__main__":
    command_line(main)
