"""Trials per hour by trials at a time: side by side on one machine against one after another.

    python -m benchmarks.packing [--quick] [--json]

Real trainings through the search's own objective, each in a process of its own. On the CPU one
trial with all cores (one after another) against n with one thread each; on a GPU one with all of it
against n with 1/n. The time is that of a whole epoch, validation included, after one to warm up; a
trial is 12 such epochs of 600 generated images. Start-up, which packing hides, is left out.
"""

import json
import os
import statistics

import click
from rich.console import Console
from rich.table import Table

from captcha_models.cli import command_line
from captcha_models.training.device import pick_device
from search.cluster.gpu_sharing import TRIED, choose, measure
from search.tuning.settings import gpu_share

EPOCHS, IMAGES = 12, 600
CONFIG = {"cut": 6, "batch_size": 16, "rnn_hidden_2": 0}


@click.command()
@click.option("--quick", is_flag=True, help="One round of up to 2 trials, for three of up to 8.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: the ratio.")
@click.option("--gpu", is_flag=True, help="On the GPU instead of the CPU.")
def main(quick: bool, as_json: bool, gpu: bool) -> None:
    """Time the packings and print trials per hour."""
    if gpu:
        pick_device("cuda")  # Refuses where there is none.
    cores = os.cpu_count() or 1
    tried = TRIED[:2] if quick else TRIED
    images = 200 if quick else IMAGES
    rounds: list[dict[str, float]] = []
    last = []
    for _ in range(1 if quick else 3):
        if gpu:
            last = [
                measure("crnn", CONFIG, n, cpus=max(1, cores // n), gpus=gpu_share(f"1/{n}"),
                        num_images=images)
                for n in tried
            ]  # fmt: skip
            names = [f"{n} with 1/{n} GPU" for n in tried]
        else:
            alone = measure("crnn", CONFIG, 1, cpus=cores, num_images=images)
            last = [alone, *(measure("crnn", CONFIG, n, num_images=images) for n in tried[1:])]
            names = [f"1 with {cores} threads", *(f"{n} with 1 thread" for n in tried[1:])]
        rates = (3600 * one.images_per_s / (EPOCHS * IMAGES) for one in last)
        rounds.append(dict(zip(names, rates, strict=True)))
    table = Table("trials at a time", "trials per hour", "least to most", "times one by one")
    first = names[0]
    for name in names:
        each = [one[name] for one in rounds]
        gain = statistics.median(one[name] / one[first] for one in rounds)
        span = f"{min(each):.1f} to {max(each):.1f}"
        table.add_row(name, f"{statistics.median(each):.1f}", span, f"{gain:.2f}")
    Console().print(table)
    if gpu:
        print(f"--gpus-per-trial auto would take 1/{choose(last)}")
    ratios = [max(one.values()) / one[first] for one in rounds]
    if as_json:
        summary = {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
        print(json.dumps({key: round(value, 3) for key, value in summary.items()}))


if __name__ == "__main__":
    command_line(main)
