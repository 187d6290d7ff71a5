"""Export of a trained model: a file that other programs run, with its model card.

    python -m captcha_models.export MODEL --format onnx --out FOLDER
    python -m captcha_models.export MODEL --format onnx-int8 --data DATA

Leaves the model, MODEL_CARD.md and model_card.json in FOLDER. An exported graph is run and compared
with the model before the command ends well; its int8 form by the labels that it reads.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from captcha_models.cli import command_line, files
from captcha_models.data.options import image_options, read_chosen
from captcha_models.errors import InputError
from captcha_models.loading import loading
from captcha_models.waiting import Waiting

if TYPE_CHECKING:
    from captcha_models.architectures.base import Recogniser
    from captcha_models.data.geometry import Geometry
    from captcha_models.inference.int8 import Compared
    from captcha_models.training.checkpoint import Loaded

INT8 = "onnx-int8"
NEAR = 1e-2
"""Nats that a log-probability may differ by, exported: float32 summed in another order."""
PROBABLE = -10.0
"""Where it may not; what is less probable than e to this has few digits left."""


@click.command()
@click.argument("model", shell_complete=files)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "onnx-int8", "safetensors"]),
    default="onnx",
    show_default=True,
    help="Format of the file; onnx-int8 is quicker and smaller, and is written only if it reads "
    "the labels of --data as well; safetensors needs this project to run.",
)
@image_options("Images of onnx-int8", sized=False, otherwise=".")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the model and its card; by default export/ beside MODEL.",
)
@click.option("--arch", help="Code of a model of one's own: file.py:NAME or module:NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print the model card as one object.")
def export(
    model: str, kind: str, out: Path | None, arch: str | None, as_json: bool, **where: Any
) -> None:
    """Export MODEL: a model file, or the folder of a training or a run.

    Of a run it is the winner that search.confirm trained, or before that the best trial of its only
    space (of any, RUN/best/SPACE).
    """
    if kind == INT8 and not where["data"]:
        raise InputError(
            f"--format {INT8} needs --data, labelled images: some give the ranges of its numbers, "
            "the others show that it reads no worse"
        )
    if kind != INT8 and any(where.values()):
        raise InputError(f"--data and its like are for --format {INT8}; leave them out")
    if kind != "safetensors":
        from captcha_models.inference.onnx_export import needs

        needs("onnx", "onnxscript", "onnxruntime")

    with Waiting() as waiting:
        waiting.now("loading the model")
        with loading():
            from captcha_models.architectures.heads import CTCRecogniser
            from captcha_models.inference.model_card import FILES, describe, markdown
            from captcha_models.inference.onnx_export import write_onnx
            from captcha_models.inference.origin import origin
            from captcha_models.training.checkpoint import load_model, save_model, write_whole

        loaded = load_model(model, arch)
        if which := origin(loaded):
            waiting.say(f"model: {which}", err=True)
        card, recogniser = loaded.card.without_paths(), loaded.model
        folder = out or loaded.path.parent / "export"
        path = folder / FILES[kind]
        by_columns = isinstance(recogniser, CTCRecogniser)
        facts = describe(card, kind, by_columns, recogniser.any_width)
        if kind == "safetensors":
            save_model(path, recogniser, card, loaded.seen)
        else:
            embedded = json.dumps(facts, ensure_ascii=False, allow_nan=False)
            notes = {"symbols": card.symbols, "model_card": embedded}
            waiting.now("writing the graph, and comparing what it reads with the model")
            with tempfile.TemporaryDirectory() as temporary:
                graph = Path(temporary) / FILES["onnx"] if kind == INT8 else path
                write_onnx(graph, recogniser, notes, card.geometry)
                difference = _compared(graph, recogniser, card.geometry)
                waiting.say(f"compared on 16 images: at most {difference:.1g} nats apart", err=True)
                if kind == INT8:
                    found = _int8(path, graph, loaded, facts, arch, where, waiting)
                    waiting.say(found.describe(), err=True)
    write_whole(folder / "model_card.json", json.dumps(facts, indent=2, allow_nan=False).encode())
    write_whole(folder / "MODEL_CARD.md", markdown(facts).encode())
    click.echo(f"{path}, with MODEL_CARD.md and model_card.json", err=as_json)
    if as_json:
        click.echo(json.dumps({"model": str(path), "card": facts}, allow_nan=False))


def _int8(
    path: Path,
    graph: Path,
    loaded: "Loaded",
    facts: dict[str, Any],
    arch: str | None,
    where: dict[str, Any],
    waiting: Waiting,
) -> "Compared":
    """Write the int8 form of a graph, and what it reads into the facts of its model card."""
    import onnx

    from captcha_models.inference.int8 import compared, divided, some_at_a_time, write_int8
    from captcha_models.inference.onnx_model import OnnxModel
    from captcha_models.inference.parts import parts_of
    from captcha_models.training.checkpoint import write_whole

    waiting.now("reading the images")
    images = read_chosen(where, loaded.card.geometry)
    waiting.say(images.describe(), err=True)
    ranges, others = divided(parts_of(loaded, images), where["data"])
    float32 = OnnxModel(graph, arch)
    waiting.now(f"taking the ranges of {len(ranges)} images")
    whole = graph.with_name(path.name)
    write_int8(whole, graph, some_at_a_time(images, ranges, float32.any_width))
    waiting.now(f"reading {len(others)} others with both")
    found = compared(OnnxModel(whole, arch), float32, images, others)
    found.check()
    facts["int8"] = {"num_ranges": len(ranges), **asdict(found)}
    file = onnx.load(str(whole))
    embedded = json.dumps(facts, ensure_ascii=False, allow_nan=False)
    onnx.helper.set_model_props(file, {"symbols": loaded.card.symbols, "model_card": embedded})
    write_whole(path, file.SerializeToString())
    return found


def _compared(path: Path, model: "Recogniser", geometry: "Geometry") -> float:
    """The largest difference between the exported and the model's own log-probabilities."""
    import torch

    from captcha_models.data.images import stacked
    from captcha_models.data.sources import synthetic
    from captcha_models.inference.onnx_export import Portable, run_onnx

    drawn = [geometry.fit(image[0]) for image in synthetic(16, seed=0).pixels]
    width = drawn[0].shape[2] if model.any_width else geometry.width
    pixels = torch.from_numpy(stacked(drawn, width)).expand(-1, 3, -1, -1).contiguous()
    with torch.no_grad():
        expected, _ = Portable(model)(pixels)
    found, _ = run_onnx(path, pixels)
    difference = float((found - expected)[expected > PROBABLE].abs().max())
    if not difference < NEAR:
        path.unlink()
        raise RuntimeError(f"{path.name} differs from the model by {difference} nats")
    return difference


if __name__ == "__main__":
    command_line(export)
