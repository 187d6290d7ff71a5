"""Export of a trained model: a file that other programs run, with its model card.

    python -m captcha_models.export MODEL --format onnx --out FOLDER

Leaves the model, MODEL_CARD.md and model_card.json in FOLDER. An exported graph is run and compared
with the model before the command ends well.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from captcha_models.cli import command_line, files
from captcha_models.loading import loading
from captcha_models.waiting import Waiting

if TYPE_CHECKING:
    from captcha_models.architectures.base import Recogniser
    from captcha_models.data.geometry import Geometry

NEAR = 1e-2
"""Nats that a log-probability may differ by, exported: float32 summed in another order."""
PROBABLE = -10.0
"""Where it may not; what is less probable than e to this has few digits left."""


@click.command()
@click.argument("model", shell_complete=files)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "safetensors"]),
    default="onnx",
    show_default=True,
    help="Format of the file; safetensors needs this project to run.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the model and its card; by default export/ beside MODEL.",
)
@click.option("--arch", help="Code of a model of one's own: file.py:NAME or module:NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print the model card as one object.")
def export(model: str, kind: str, out: Path | None, arch: str | None, as_json: bool) -> None:
    """Export MODEL: a model file, or the folder of a training or a run.

    Of a run it is the winner that search.confirm trained, or before that the best trial of its only
    space (of any, RUN/best/SPACE).
    """
    if kind == "onnx":
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
            write_onnx(path, recogniser, notes, card.geometry)
            difference = _compared(path, recogniser, card.geometry)
            waiting.say(f"compared on 16 images: at most {difference:.1g} nats apart", err=True)
    write_whole(folder / "model_card.json", json.dumps(facts, indent=2, allow_nan=False).encode())
    write_whole(folder / "MODEL_CARD.md", markdown(facts).encode())
    click.echo(f"{path}, with MODEL_CARD.md and model_card.json", err=as_json)
    if as_json:
        click.echo(json.dumps({"model": str(path), "card": facts}, allow_nan=False))


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
