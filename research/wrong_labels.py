"""Price of wrong labels in training: the same trainings with some of their labels made wrong.

    python -m research.wrong_labels --data captcha_images_v2.zip --share 0.02 --seeds 0,1,2

One symbol of that share of the training labels becomes another; which, and what, comes from the
seed. Validation labels stay right, those of the article's four known ones are put right first.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
import numpy as np

from benchmarks._lists import numbers, open_data, print_table, read_config
from captcha_models.cli import command_line

RIGHT = {"mxnw4": "mxmw4", "ep85x": "cp85x", "wgnwp": "wgmwp", "cdcb3": "edcb3"}
"""Of the article's images: labels that contradict their pixels, and what is drawn."""


def spoilt(labels: Sequence[str], rows: Sequence[int], share: float, seed: int) -> tuple[str, ...]:
    """The labels with one symbol changed in a share of those at `rows`, at least in one."""
    rng = np.random.default_rng(seed)
    symbols = sorted(set("".join(labels)))
    found = list(labels)
    for i in rng.permutation(rows)[: max(1, round(share * len(rows)))]:
        text = found[i]
        place = int(rng.integers(len(text)))
        other = rng.choice([symbol for symbol in symbols if symbol != text[place]])
        found[i] = text[:place] + str(other) + text[place + 1 :]
    return tuple(found)


@click.command()
@click.option("--data", required=True, help="Labelled images, as --data of search.run takes them.")
@click.option("--config", "config_name", default="quick", show_default=True)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=0.02)
@click.option("--seeds", default="0,1,2", show_default=True)
def main(data: str, config_name: str, pairs: tuple[str, ...], share: float, seeds: str) -> None:
    """Train with right labels and with some wrong ones, turn about."""
    import torch

    from captcha_models.adapt import adapted
    from captcha_models.data.splits import make_split
    from captcha_models.training.fit import fit

    torch.set_num_threads(1)
    images: Any = open_data(data)
    images = replace(images, labels=tuple(RIGHT.get(text, text) for text in images.labels))
    split = make_split(images.units, images.parts)
    suited, notes = adapted(read_config("crnn", config_name, pairs), images, split)
    click.echo("; ".join(notes), err=True)
    lines = []
    for seed in numbers(seeds, "--seeds"):
        wrong = spoilt(images.labels, [int(i) for i in split.train], share, seed)
        for about, labels in (("right", images.labels), ("some wrong", wrong)):
            own = replace(images, labels=labels)
            state = fit(suited, own, split, seed=seed, on_epoch=lambda *_: None, device="cpu",
                        every_epoch=False)  # fmt: skip
            last = state.metrics
            changed = sum(a != b for a, b in zip(labels, images.labels, strict=True))
            lines.append([about, str(seed), str(changed), f"{last.valid_nll:.4f}",
                          f"{last.valid_nll_raw:.4f}", f"{last.temperature:.2f}",
                          f"{last.valid_exact_match:.2%}", f"{last.train_nll:.4f}"])  # fmt: skip
            click.echo(" ".join(lines[-1]), err=True)
    head = ["labels", "seed", "changed", "NLL", "at 1", "temperature", "read", "train NLL"]
    print_table(f"{share:.0%} wrong labels in training", head, lines)


if __name__ == "__main__":
    command_line(main)
