"""Seconds that the analysis of a large run takes, and the size of its page.

    python benchmarks/analyse_speed.py [--trials 500] [--epochs 24] [--images 168]

Writes a run folder of three architectures, as a search leaves it, and analyses it in a process of
its own. The goal: the page within 10 s and below 5 MB.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

import spaces
from search.store.jsonl import write_json
from search.store.predictions import HEIGHT, IMAGES, TABLE, THUMBNAILS, WIDTH
from search.store.records import now
from search.store.run_folder import RunFolder
from search.tuning.settings import Settings
from spaces.space import Space

SYMBOLS = "2345678bcdefgmnpwxy"


class Chance:
    """Suggests by chance alone, as Optuna's random sampler does."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def suggest_float(self, name: str, low: float, high: float, *, step: Any, log: bool) -> float:
        """A number of the range."""
        if log:
            return float(np.exp(self.random.uniform(np.log(low), np.log(high))))
        return self.random.uniform(low, high)

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """A whole number of the range."""
        return self.random.randrange(low, high + 1, step)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of the choices."""
        return self.random.choice(choices)


def write_run(path: Path, trials: int, epochs: int, images: int) -> None:
    """A run of so many trials in all; a third of them stopped half-way, one in 40 failed."""
    names = spaces.names()
    settings = Settings(spaces=tuple(names), trials=trials, epochs=epochs)
    chance = random.Random(0)
    run = {
        "started": now(),
        "settings": settings.model_dump(mode="json"),
        "versions": {},
        "git_revision": None,
        "data": {"source": "nowhere", "digest": "0", "num_images": 5 * images, "symbols": SYMBOLS},
        "split": {"num_train": 4 * images, "num_valid": images, "num_test": images // 2},
        "hardware": {},
        "spaces": {n: {"space": spaces.load(n).to_json(), "base": {}} for n in names},
        "sessions": [{"started": now(), "ended": now(), "command": [], "interrupted": False}],
    }
    RunFolder.create(path, run).close()
    labels = ["".join(chance.choices(SYMBOLS, k=5)) for _ in range(images)]
    write_json(path / IMAGES, {"images": [f"{one}.png" for one in labels], "labels": labels})
    (path / THUMBNAILS).mkdir()
    noise = np.random.default_rng(0)
    for place in range(images):
        picture = noise.normal(200, 25, (HEIGHT, WIDTH)).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).quantize(16).save(path / THUMBNAILS / f"{place}.png")
    # Synced row by row, as a search does it, this alone would take a minute.
    tables: dict[str, list[dict[str, Any]]] = {"trials.jsonl": [], "epochs.jsonl": [], TABLE: []}
    for i in range(trials):
        space = spaces.load(names[i % len(names)])
        _trial(tables, space, i // len(names), epochs, labels, chance)
    for name, rows in tables.items():
        head = {"table": name.removesuffix(".jsonl"), "version": 1}
        lines = [json.dumps(row) + "\n" for row in [head, *rows]]
        (path / name).write_text("".join(lines), encoding="utf-8")


def _trial(
    tables: dict[str, list[dict[str, Any]]], space: Space, number: int, epochs: int,
    labels: list[str], chance: random.Random,
) -> None:  # fmt: skip
    name = f"{space.name}-{number:03d}"
    state = "failed" if number % 40 == 39 else "stopped" if number % 3 == 2 else "completed"
    last = {"failed": 1, "stopped": epochs // 2}.get(state, epochs)
    point = space.suggest(Chance(name))
    least = 10 ** chance.uniform(-1, 0.7)
    nll = 0.0
    for epoch in range(1, last + 1):
        nll = least + 16 * np.exp(-8 * epoch / epochs) * chance.uniform(0.8, 1.2)
        right = float(np.exp(-nll))
        tables["epochs.jsonl"].append(
            {"trial": name, "epoch": epoch, "images_seen": 672 * epoch, "lr": chance.random() / 100,
             "train_loss": nll, "valid_loss": nll, "train_nll": 0.7 * nll, "valid_nll": nll,
             "gap": 0.3 * nll, "train_nll_raw": nll, "valid_nll_raw": nll, "temperature": 1.0,
             "valid_exact_match": right, "valid_exact_match_greedy": right,
             "valid_position_accuracy": right, "images_per_s": 60.0, "seconds": 11.5 * epoch,
             "device": "cpu", "checkpoint": None}
        )  # fmt: skip
    wrong = {
        str(i): "".join(chance.choices(SYMBOLS, k=5))
        for i in range(len(labels))
        if chance.random() > np.exp(-nll)
    }
    tables["trials.jsonl"].append(
        {"trial": name, "space": space.name, "number": number, "baseline": number == 0,
         "state": state, "seed": number, "config": {"epochs": epochs, **point}, "started": now(),
         "ended": now(), "epochs": last, "error": "RuntimeError: no" if state == "failed" else None,
         "reason": None}
    )  # fmt: skip
    tables[TABLE].append(
        {"trial": name, "epoch": last, "wrong": wrong,
         "confidences": [round(chance.random(), 4) for _ in labels],
         "nlls": [round(chance.expovariate(1 / nll), 5) for _ in labels],
         "beams": {width: chance.random() for width in ("greedy", "1", "2", "5", "10", "25")}}
    )  # fmt: skip


@click.command()
@click.option("--trials", default=500, show_default=True)
@click.option("--epochs", default=24, show_default=True)
@click.option("--images", default=168, show_default=True, help="That validate.")
@click.option("--repeat", default=3, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave run and page in this folder.")
def main(trials: int, epochs: int, images: int, repeat: int, keep: Path | None) -> None:
    """Print seconds and megabytes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        run, file = folder / "run", folder / "run.html"
        write_run(run, trials, epochs, images)
        for arguments in (["--html", str(file)], ["--json"], []):
            took = []
            for _ in range(repeat):
                began = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "search.analyse", str(run), *arguments],
                    check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                took.append(time.perf_counter() - began)
            seconds = ", ".join(f"{one:.2f}" for one in sorted(took))
            print(f"{trials} trials, {arguments[:1] or 'terminal'}: {seconds} s")
        print(f"page: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
