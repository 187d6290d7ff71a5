"""Speed of reading: torch as it is, an exported graph in float32, and its int8 form.

    python -m benchmarks.read_speed MODEL --data DATA [--json]

MODEL is a trained model (a file or a folder), DATA labelled images of its kind. All three run on
one thread, alternately, so that what else the machine does strikes all alike; a figure is the
median of the rounds, with the least and the most, of processor time. "Network" is pixels in,
log-probabilities out; "predict" is what `Predictor.predict` takes for one image after another, at
the model's size already, beam search included. Ratios are torch's time over the other's, round by
round: 3 is three times as quick.

Accuracy is of the images of DATA that did not train the model and are not its locked test set, or,
where there are none, of those that give no ranges. The ranges of int8 are of others.
"""

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks._side_by_side import print_ratio
from captcha_models.architectures.base import Recogniser
from captcha_models.cli import command_line
from captcha_models.data.images import LabelledImages
from captcha_models.data.options import image_options, read_chosen
from captcha_models.inference.int8 import compared, divided, some_at_a_time, write_int8
from captcha_models.inference.model_card import describe
from captcha_models.inference.onnx_export import Portable, write_onnx
from captcha_models.inference.onnx_model import OnnxModel
from captcha_models.inference.parts import parts_of
from captcha_models.inference.predictor import Predictor
from captcha_models.training.checkpoint import Loaded, load_model

TORCH, FLOAT32, INT8 = "torch, eager", "onnxruntime, float32", "onnxruntime, int8"
BATCHES = (1, 64)
LEAST_S = 0.15
"""A turn lasts at least so long."""


@dataclass(frozen=True)
class Forms:
    """A model in its three forms, and the images that it may be judged by.

    Attributes:
        loaded: as torch runs it.
        exported: the graphs, by name.
        bytes: size of each file, by name.
        images: all.
        judged: rows of those that did not train it.
    """

    loaded: Loaded
    exported: dict[str, OnnxModel]
    bytes: dict[str, int]
    images: LabelledImages
    judged: list[int]


def forms(loaded: Loaded, images: LabelledImages, folder: Path, name: str) -> Forms:
    """Export a model in both ways, onto one thread."""
    paths = {FLOAT32: folder / "model.onnx", INT8: folder / "model.int8.onnx"}
    model, card, parts = loaded.model, loaded.card, parts_of(loaded, images)
    facts = describe(card, "onnx", Portable(model).by_columns, model.any_width)
    write_onnx(paths[FLOAT32], model, {"model_card": json.dumps(facts)}, card.geometry)
    ranges, others = divided(parts, name)
    any_width = bool(facts["any_width"])
    write_int8(paths[INT8], paths[FLOAT32], some_at_a_time(images, ranges, any_width))
    exported = {kind: OnnxModel(path, threads=1) for kind, path in paths.items()}
    sizes = {TORCH: loaded.path.stat().st_size}
    sizes |= {kind: path.stat().st_size for kind, path in paths.items()}
    judged = [i for i in others if parts[i] != "train"] or others
    return Forms(loaded, exported, sizes, images, judged)


def networks(found: Forms, pixels: NDArray[np.uint8]) -> dict[str, Callable[[], object]]:
    """A call for each form that puts out the log-probabilities of these images (N, 3, H, W)."""
    images, portable = torch.from_numpy(pixels), Portable(found.loaded.model).eval()

    def eager() -> object:
        with torch.inference_mode():
            return portable(images)

    calls: dict[str, Callable[[], object]] = {TORCH: eager}
    for kind, model in found.exported.items():
        calls[kind] = lambda model=model: model.outputs(images)  # type: ignore[misc]
    return calls


def predictions(found: Forms, pictures: Sequence[Any]) -> dict[str, Callable[[], object]]:
    """A call for each form that reads pictures as `predict` does, one after another."""
    card = found.loaded.card
    models: dict[str, Recogniser | OnnxModel] = {TORCH: found.loaded.model, **found.exported}
    calls: dict[str, Callable[[], object]] = {}
    for kind, model in models.items():
        predictor = Predictor(model, card)
        calls[kind] = lambda predictor=predictor: [  # type: ignore[misc]
            predictor.predict([picture]) for picture in pictures
        ]
    return calls


def timed(calls: dict[str, Callable[[], object]], num: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds an image in each round, by form."""
    repeats = {}
    for kind, call in calls.items():
        call()
        repeats[kind] = 1 + int(LEAST_S / max(seconds(call, 1), 1e-6))
    times: dict[str, list[float]] = {kind: [] for kind in calls}
    for _ in range(rounds):
        for kind, call in calls.items():
            times[kind].append(1e3 * seconds(call, repeats[kind]) / (repeats[kind] * num))
    return times


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Processor time of all calls together."""
    gc.disable()
    start = time.process_time()
    for _ in range(repeats):
        call()
    taken = time.process_time() - start
    gc.enable()
    return taken


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


def shown(values: Sequence[float]) -> str:
    """`median (least-most)`."""
    median, low, high = (f"{value:.3g}" for value in spread(values))
    return f"{median} ({low}-{high})"


@click.command(help="Time a trained model in torch, exported, and in int8; and what each reads.")
@click.argument("model")
@image_options(required=True, sized=False)
@click.option("--rounds", type=click.IntRange(1), default=11, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="End with a line of JSON.")
def main(model: str, rounds: int, as_json: bool, **where: Any) -> None:
    """Print the table, and the ratios of int8 to torch at one image as JSON."""
    torch.set_num_threads(1)
    loaded = load_model(model)
    images = read_chosen(where, loaded.card.geometry)
    with tempfile.TemporaryDirectory() as folder:
        found = forms(loaded, images, Path(folder), where["data"])
    rows = found.judged
    any_width = found.exported[INT8].any_width
    table = Table(title=f"ms an image (images a second), one thread, {rounds} rounds")
    table.add_column("")
    for kind in (TORCH, FLOAT32, INT8):
        table.add_column(kind, justify="right")
    ratios: dict[str, list[float]] = {}
    for size in BATCHES:
        pixels = max(some_at_a_time(images, rows, any_width, size), key=len)
        row_of(table, f"network, {len(pixels)} at a time, {pixels.shape[3]} px",
               timed(networks(found, pixels), len(pixels), rounds), ratios)  # fmt: skip
    own = [images.pixels[i][..., : images.widths[i]] for i in rows[:16]]
    row_of(table, "predict, one after another", timed(predictions(found, own), len(own), rounds),
           ratios)  # fmt: skip
    table.add_row("MB", *(f"{found.bytes[kind] / 1e6:.2f}" for kind in (TORCH, FLOAT32, INT8)))
    both = compared(found.exported[INT8], found.exported[FLOAT32], images, rows)
    table.add_row(
        f"labels read of {len(rows)}", "", f"{both.read_float32}", f"{both.read} ({both.otherwise} "
        "read otherwise)",
    )  # fmt: skip
    Console(width=140).print(table)
    if as_json:
        first = ratios[next(iter(ratios))]
        print_ratio(*spread(first), read=both.read, read_float32=both.read_float32,
                    num_images=both.num_images)  # fmt: skip


def row_of(
    table: Table, name: str, times: dict[str, list[float]], ratios: dict[str, list[float]]
) -> None:
    """Add times and their ratios to torch's."""
    table.add_row(
        name, *(f"{shown(own)} ({1e3 / statistics.median(own):,.0f}/s)" for own in times.values())
    )
    of_kind = {
        kind: [a / b for a, b in zip(times[TORCH], own, strict=True)]
        for kind, own in times.items()
        if kind != TORCH
    }
    table.add_row("  times as quick", "1", *map(shown, of_kind.values()))
    ratios[name] = of_kind[INT8]


if __name__ == "__main__":
    command_line(main)
