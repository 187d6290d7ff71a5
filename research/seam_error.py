"""Segmentation error: distance from where captchas are cut to where their symbols meet.

    python -m research.seam_error runs/NAME/best/crnn

The generator knows where it set each symbol, so its images are read by the model, and the seams
found compared with the middle between one symbol's last column of ink and the next one's first;
beside them what CTC's path alone says, half-way between two symbols.
"""

import json

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks._lists import print_table
from captcha_models import generator as kaptcha
from captcha_models.cli import command_line
from captcha_models.ctc.alignment import align
from captcha_models.data.segmentation import find_seams
from captcha_models.errors import InputError
from captcha_models.generator import distort
from captcha_models.generator.render import choices, pens
from captcha_models.generator.style import Style

FAR = 3.0
"""Px that make an n of an m."""
BATCH = 16
"""As in training: by how much a network is late is found batch by batch."""


def meetings(style: Style, texts: list[str], seed: int) -> Tensor:
    """(N, L - 1) px where the symbols of drawn texts of one length meet."""
    ids, _ = choices(style, texts, seed, np.arange(len(texts)))
    first = pens(style, ids) + style.table.left[ids]
    beyond = first + style.table.width[ids]
    columns = np.arange(style.width)
    source = style.warp @ np.repeat(columns, style.height).astype(np.float32) / distort.ONE
    # Which column of the undistorted text each column shows, the mean over its height.
    shown = np.maximum.accumulate(source.reshape(style.height, style.width).mean(axis=0))
    return torch.from_numpy(np.interp((beyond[:, :-1] + first[:, 1:]) / 2, shown, columns))


@click.command()
@click.argument("model")
@click.option("--images", "count", type=click.IntRange(BATCH), default=1024, show_default=True)
@click.option("--preset", default="default", show_default=True, help="Of the generator.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def main(model: str, count: int, preset: str, seed: int, as_json: bool) -> None:
    """Compare the seams that MODEL finds in generated images with where symbols really meet."""
    from captcha_models.training.checkpoint import load_model

    loaded = load_model(model).model
    style = kaptcha.load_style(preset)
    symbols = loaded.charset.symbols
    if not set(style.alphabet) <= set(symbols):
        raise InputError(f"{model} does not read all symbols of the preset: {style.alphabet}")
    texts = kaptcha.labels(style, seed, count - count % BATCH)
    images = torch.from_numpy(kaptcha.draw(style, texts, seed)) / 255
    targets = torch.tensor([[symbols.index(symbol) + 1 for symbol in text] for text in texts])
    truth = meetings(style, texts, seed)
    errors: dict[str, list[Tensor]] = {"half-way": [], "seams": []}
    clear = []
    for rows in torch.arange(len(texts)).view(-1, BATCH):
        with torch.no_grad():
            scores = loaded.columns(images[rows])
        if scores is None:
            raise InputError(f"{model} has no head that reads columns")
        log_probs = scores.float().log_softmax(dim=2)
        lengths = (targets[rows] > 0).sum(dim=1)
        middles = align(log_probs, targets[rows], lengths)[0] * loaded.stride
        seams = find_seams(images[rows], targets[rows], log_probs, loaded.stride)
        errors["half-way"].append((middles[:, 1:] + middles[:, :-1]) / 2 - truth[rows])
        errors["seams"].append(seams.at[:, 1:-1] - truth[rows])
        clear.append(seams.clear[:, 1:-1])
    trusted = torch.cat(clear)
    found = {
        "half-way": _figures(torch.cat(errors["half-way"]).flatten()),
        "seams, all": _figures(torch.cat(errors["seams"]).flatten()),
        "seams, clear": _figures(torch.cat(errors["seams"])[trusted]),
    }
    share = float(trusted.float().mean())
    if as_json:
        click.echo(json.dumps({"clear": share, **found}))
        return
    print_table(
        f"{len(texts)} images, {trusted.numel()} places, {share:.1%} clear",
        ["", "mean px", "standard deviation", f"further than {FAR:g} px"],
        [
            [name, f"{one['mean']:+.2f}", f"{one['deviation']:.2f}", f"{one['far']:.1%}"]
            for name, one in found.items()
        ],
    )


def _figures(errors: Tensor) -> dict[str, float]:
    """Of errors in px."""
    return {
        "mean": float(errors.mean()),
        "deviation": float(errors.std()),
        "far": float((errors.abs() > FAR).double().mean()),
    }


if __name__ == "__main__":
    command_line(main)
