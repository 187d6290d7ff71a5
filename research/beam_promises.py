"""Counts of random emissions on which the beam search breaks what it promises.

    python research/beam_promises.py
    PYTHONPATH=OTHER python research/beam_promises.py   (OTHER: a worktree of another revision)

For each beam width: of 1,000 emissions (the softmax of standard normal logits, 16 steps, 11
classes) those whose answer is less probable than the greedy labelling, those whose answer is less
probable than at the width before, and those whose answer changes when 2 or 30 are asked for. Every
answer is scored anew in float64. What was found stands in
docs/results/2026-11-28-decoding-properties.md.
"""

from types import SimpleNamespace
from typing import cast

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from captcha_models.architectures.heads import CTCRecogniser
from captcha_models.ctc.loss import greedy_decode, nll_per_captcha

STEPS, CLASSES, MARGIN = 16, 11, 1e-6
WIDTHS, MORE = range(1, 11), (2, 30)


def scores(log_probs: Tensor, labels: list[list[int]]) -> Tensor:
    """(N,) ln p in float64."""
    targets = pad_sequence([torch.tensor(label) for label in labels], batch_first=True)
    lengths = torch.tensor([len(label) for label in labels])
    return -nll_per_captcha(log_probs.double(), targets, lengths)


def first(log_probs: Tensor, width: int, n_best: int) -> list[list[int]]:
    """What a recogniser with that beam reads first of each image."""
    reader = cast(CTCRecogniser, SimpleNamespace(beam_width=width, length=None))
    return [list(found[0].ids) for found in CTCRecogniser.read(reader, log_probs, n_best)]


@click.command(help="Count random emissions on which the beam search breaks a promise.")
@click.option("--seeds", default=3, show_default=True, help="So many times 1,000 emissions.")
@click.option("--num", default=1000, show_default=True, help="Emissions of a seed.")
def main(seeds: int, num: int) -> None:
    """Print a row for each width, with the count of every seed."""
    torch.set_num_threads(1)
    table = Table("width", "below greedy", "below the width before")
    for n_best in MORE:
        table.add_column(f"changed by n_best {n_best}")
    table.add_column("mean ln p")
    rows: dict[int, list[list[str]]] = {width: [] for width in WIDTHS}
    for seed in range(seeds):
        logits = torch.randn(STEPS, num, CLASSES, generator=torch.Generator().manual_seed(seed))
        log_probs = logits.log_softmax(dim=2)
        greedy = before = scores(log_probs, greedy_decode(log_probs))
        for width in WIDTHS:
            one = first(log_probs, width, 1)
            found = scores(log_probs, one)
            more = [first(log_probs, width, n_best) for n_best in MORE]
            counts = [
                int((found < greedy - MARGIN).sum()),
                int((found < before - MARGIN).sum()),
                *(sum(a != b for a, b in zip(one, other, strict=True)) for other in more),
            ]
            rows[width].append([*map(str, counts), f"{found.mean():.3f}"])
            before = found
    for width, cells in rows.items():
        table.add_row(str(width), *(", ".join(column) for column in zip(*cells, strict=True)))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
