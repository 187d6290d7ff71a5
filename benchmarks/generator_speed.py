"""The embedded generator beside the `captcha` package: images per second of one processor.

    python -m benchmarks.generator_speed [--quick] [--json]

The same work for all: five characters on 200 x 50 px, a grey array in memory at the end. Ours draws
the default style, JPEG step included, 256 images to a call; labels are drawn beforehand. The
`captcha` package draws one colour image to a call, turned grey.

Time is processor time on one thread, so that other programs do not count. Every round times all
generators in turn, so that a slow moment of the machine meets them all; a figure is the median of
the rounds, with the least and the most. Ratios are taken round by round.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence

import click
import numpy as np
import torch
from captcha.image import ImageCaptcha
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from captcha_models import generator as kaptcha
from captcha_models.generator.device import Press

STYLE = kaptcha.PRESETS["default"]
BATCH = 256
NUMPY, DEVICE, PEER = "ours, numpy", "ours, torch on the CPU", "captcha package"

Draw = Callable[[Sequence[str]], object]


def generators() -> dict[str, Draw]:
    """By name, what draws a batch of texts."""
    press = Press(STYLE, torch.device("cpu"))
    peer = ImageCaptcha(width=STYLE.width, height=STYLE.height)

    def draw_one(text: str) -> NDArray[np.uint8]:
        return np.asarray(peer.generate_image(text).convert("L"))

    return {
        NUMPY: lambda texts: kaptcha.draw(STYLE, texts, 0),
        DEVICE: lambda texts: press.draw(*press.choices(texts, 0)),
        PEER: lambda texts: np.stack([draw_one(text) for text in texts]),
    }


def rate(draw: Draw, texts: Sequence[str], least_s: float) -> float:
    """Images per second of processor time, over `least_s` seconds or more of whole batches."""
    drawn, start = 0, time.process_time()
    while (spent := time.process_time() - start) < least_s:
        begin = drawn % len(texts)
        batch = texts[begin : begin + BATCH]
        draw(batch)
        drawn += len(batch)
    return drawn / spent


@click.command()
@click.option("--quick", is_flag=True, help="Five short rounds.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: the ratio.")
def main(quick: bool, as_json: bool) -> None:
    """Time the generators and print images per second of processor time."""
    torch.set_num_threads(1)
    rounds, least_s = (5, 0.3) if quick else (9, 2.0)
    texts = kaptcha.labels(STYLE, 0, 4 * BATCH)
    draws = generators()
    for draw in draws.values():
        draw(texts[:BATCH])
    rates: dict[str, list[float]] = {name: [] for name in draws}
    for _ in range(rounds):
        for name, draw in draws.items():
            rates[name].append(rate(draw, texts, least_s))
    table = Table("generator", "images/s", "least to most", "times the package")
    ratios = {
        name: [one / peer for one, peer in zip(values, rates[PEER], strict=True)]
        for name, values in rates.items()
    }
    for name, values in rates.items():
        span = f"{min(values):,.0f} to {max(values):,.0f}"
        ratio = statistics.median(ratios[name])
        table.add_row(name, f"{statistics.median(values):,.0f}", span, f"{ratio:.2f}")
    Console().print(table)
    if as_json:
        ours = ratios[NUMPY]
        summary = {"ratio": statistics.median(ours), "low": min(ours), "high": max(ours)}
        print(json.dumps({key: round(value, 3) for key, value in summary.items()}))


if __name__ == "__main__":
    main()
