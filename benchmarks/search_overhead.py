"""Overhead of the search itself: seconds to the first trial, and seconds per trial.

    python -m benchmarks.search_overhead [--quick] [--json]

A trial trains for nothing: it reports made-up metrics for each of its epochs at once, the last with
a model of a few bytes. Around it is all that a real search has: images, plan, cluster, sampler,
scheduler, worker, records. The peer is Ray Tune with its own OptunaSearch over the same space, the
same reports and the same checkpoint, and nothing else: no images, no records. Both in fresh
processes, in turn, as many trials at a time as there are cores.

Seconds per trial are the mean time between one trial's start and the next one's.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from captcha_models.cli import command_line
from captcha_models.training.metrics import EpochMetrics
from search.tuning.task import OnEpoch, Task

EPOCHS = 4
SPACE = "crnn"
OURS, PEER = "this search", "Ray Tune with OptunaSearch"


class Model:
    """A state of no training."""

    def save_checkpoint(self, folder: Path) -> None:
        """Write what a `resume` would go on from."""
        (folder / "checkpoint.safetensors").write_bytes(b"none")

    def save_model(self, folder: Path) -> None:
        """Write `model.safetensors`."""
        (folder / "model.safetensors").write_bytes(b"none")

    def predictions(self) -> None:
        """Nothing was read."""


def metrics(epoch: int) -> EpochMetrics:
    """The same for every trial, so that none is stopped early."""
    return EpochMetrics(
        epoch=epoch, images_seen=epoch, lr=1e-3, train_loss=1.0, valid_loss=1.0, train_nll=0.5,
        valid_nll=1.0, gap=0.5, valid_exact_match=0.5, valid_exact_match_greedy=0.5,
        valid_position_accuracy=0.5, images_per_s=1.0, seconds=1.0, device="cpu",
        train_nll_raw=0.5, valid_nll_raw=1.0, temperature=1.0,
    )  # fmt: skip


class Stamped:
    """An objective that trains nothing and notes in a file when it was called."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def __call__(self, task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
        """Report every epoch at once."""
        stamp(self._log)
        for epoch in range(1, task.config["epochs"] + 1):
            on_epoch(metrics(epoch), Model())


def stamp(log: Path) -> None:
    """Append the time; one write, for several processes share the file."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{time.time()}\n".encode())
    os.close(handle)


def ours(place: Path, log: Path, trials: int) -> None:
    """A search as `search.run` makes it."""
    from search.tuning.search_session import SearchSession
    from search.tuning.settings import Settings

    settings = Settings.parse(
        {"spaces": (SPACE,), "data": "synthetic", "trials": trials, "epochs": EPOCHS}
    )
    assert SearchSession(place, lambda line: None, "local", train=Stamped(log)).begin(settings) == 0


def peer(place: Path, log: Path, trials: int) -> None:
    """Ray Tune as its manual shows it, with actors kept between trials."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    import spaces

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ray.init(address="local", include_dashboard=False, log_to_driver=False)

    def trainable(config: dict[str, Any]) -> None:
        stamp(log)
        for epoch in range(1, EPOCHS + 1):
            row = {"objective": 1.0, **metrics(epoch).as_dict()}
            if epoch < EPOCHS:
                tune.report(row)
                continue
            with tempfile.TemporaryDirectory() as folder:
                Model().save_model(Path(folder))
                tune.report(row, checkpoint=tune.Checkpoint.from_directory(folder))

    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(spaces.load(SPACE).suggest, metric="objective", mode="min"),
            num_samples=trials,
            max_concurrent_trials=os.cpu_count(),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(place), verbose=0),
    ).fit()


def measure(which: str, trials: int) -> tuple[float, float]:
    """Seconds from the command to the first trial, and seconds per trial."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.search_overhead", "--child"]
        begin = time.time()
        done = subprocess.run(
            [*command, which, folder, "--trials", str(trials)],
            capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        if done.returncode:
            raise click.ClickException(done.stderr)
        stamps = sorted(float(line) for line in log.read_text().split())
        assert len(stamps) == trials
        return stamps[0] - begin, (stamps[-1] - stamps[0]) / (trials - 1)


@click.command()
@click.option("--quick", is_flag=True, help="10 trials and one round, for 40 trials and three.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
@click.option("--trials", type=click.IntRange(2), help="Of each search.  [40]")
@click.option("--child", type=(click.Choice([OURS, PEER]), Path), hidden=True)
def main(quick: bool, as_json: bool, trials: int | None, child: tuple[str, Path] | None) -> None:
    """Time both and print seconds."""
    number = trials or (10 if quick else 40)
    if child:
        which, folder = child
        (ours if which == OURS else peer)(folder / "run", folder / "log", number)
        return
    found: dict[str, list[tuple[float, float]]] = {OURS: [], PEER: []}
    for _ in range(1 if quick else 3):
        for name, rounds in found.items():
            rounds.append(measure(name, number))
    table = Table("", "first trial after, s", "per trial, s", "least to most")
    for name, rounds in found.items():
        each = [one for _, one in rounds]
        first = statistics.median(start for start, _ in rounds)
        span = f"{min(each):.3f} to {max(each):.3f}"
        table.add_row(name, f"{first:.1f}", f"{statistics.median(each):.3f}", span)
    Console().print(table)
    ratios = [other[1] / own[1] for own, other in zip(found[OURS], found[PEER], strict=True)]
    summary = {
        "ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios),
        "per_trial_s": statistics.median(one for _, one in found[OURS]),
        "peer_per_trial_s": statistics.median(one for _, one in found[PEER]),
        "first_trial_s": statistics.median(start for start, _ in found[OURS]),
        "peer_first_trial_s": statistics.median(start for start, _ in found[PEER]),
    }  # fmt: skip
    print(f"the peer's seconds per trial over ours: {summary['ratio']:.2f}")
    if as_json:
        print(json.dumps({key: round(value, 3) for key, value in summary.items()}))


if __name__ == "__main__":
    command_line(main)
