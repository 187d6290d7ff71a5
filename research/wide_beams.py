"""Time and answers of wide beams, beside those of another revision.

    python research/wide_beams.py OTHER   (OTHER: a worktree of another revision)

Both decoders run in one process, in turns, on one thread, by processor time: on random emissions
(13 steps, 20 classes), those of a trained recogniser, whose runners-up alone are searched for, and
sharp ones of 42 steps and 14 classes, as wide receipts have. Every answer of the one is compared
with the other's, labels and log-probabilities. What was found stands in
docs/results/2026-11-28-wide-beams.md.
"""

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.emissions import random_emissions, trained_like_emissions

CASES = [(10, 1), (25, 1), (50, 1), (100, 1), (250, 1), (10, 100), (10, 1000)]
"""Beam width and hypotheses asked for."""
IMAGES, WIDEST = 128, 16
"""At a time; at 1,000 hypotheses fewer."""


def decoder_of(folder: Path) -> Callable[..., Any]:
    """`beam_decode` as it is in that folder, beside any other."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "captcha_models"]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        decode: Callable[..., Any] = importlib.import_module("captcha_models.ctc.loss").beam_decode
        return decode
    finally:
        sys.path.remove(str(folder))


def seconds(call: Callable[[], object]) -> float:
    """Of processor time."""
    start = time.process_time()
    call()
    return time.process_time() - start


@click.command(help="Time wide beams here and in OTHER, a worktree of another revision.")
@click.argument("other", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--rounds", default=5, show_default=True, help="Turns that each decoder has.")
def main(other: Path, rounds: int) -> None:
    """Print a row for each kind of emissions and each case: both times, their ratio, its spread."""
    torch.set_num_threads(1)
    decoders = [decoder_of(other.resolve()), decoder_of(Path(__file__).resolve().parents[1])]
    generator = torch.Generator().manual_seed(0)
    sharp = 3 * torch.randn(42, IMAGES, 14, generator=generator)
    emissions = {
        "random": random_emissions(IMAGES, generator),
        "trained-like": trained_like_emissions(IMAGES, generator),
        "42 steps": sharp.log_softmax(dim=2),
    }
    table = Table("emissions", "width", "hypotheses", "before, us", "after, us", "ratio", "answers")
    for name, log_probs in emissions.items():
        for width, n_best in CASES:
            images = log_probs[:, : WIDEST if n_best == 1000 else IMAGES].contiguous()
            calls = [partial(decode, images, width, n_best) for decode in decoders]
            before, after = ([list(map(tuple, one)) for one in call()] for call in calls)
            times: list[list[float]] = [[], []]
            for number in range(rounds):
                for i in (number % 2, 1 - number % 2):
                    times[i].append(1e6 * seconds(calls[i]) / images.shape[1])
            ratios = [a / b for a, b in zip(*times, strict=True)]
            table.add_row(
                name, str(width), str(n_best), *(f"{statistics.median(t):,.0f}" for t in times),
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
                "the same" if before == after else "others",
            )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
