"""Share of a cluster that the one driver keeps busy, from 1 to 256 trials at a time.

    python -m benchmarks.scaling [--quick] [--wall] [--json]

The real searcher, scheduler, records and Ray Tune's own controller run as they do on a cluster;
the workers are simulated (benchmarks/_simulated.py), with the curves of a recorded run, trials of
30 s in 8 epochs, and no network. So this measures the driver, which every trial has to pass.

Efficiency is the share of the workers' time in which they train and do not wait for the driver.
The driver's time is its own thread's processor time, the same on a busy machine; with --wall it is
the wall clock, which also counts what it waits for the disk, and needs a quiet machine.
"""

import json
import resource
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
from search.store.records import read_run

SIZES = (1, 8, 64, 256)
TRIAL_S, EPOCHS = 30.0, 8
RECORDED = Path("results/crnn-real")


def curves() -> list[dict[int, dict[str, Any]]]:
    """Epochs of the recorded run's trials, those stopped early left out."""
    rows = read_run(RECORDED).epochs.values()
    longest = max(map(len, rows))
    kept = [{epoch: dict(row) for epoch, row in found.items()} for found in rows]
    for curve in kept:
        for row in curve.values():
            for name in ("trial", "checkpoint"):
                row.pop(name)
    return [curve for curve in kept if len(curve) == longest]


def drive(place: Path, concurrent: int, trials: int, wall: bool) -> dict[str, Any]:
    """Search with so many simulated workers; what it cost the driver."""
    import ray
    from ray.tune.execution import tune_controller

    import spaces
    from benchmarks._simulated import Workers
    from search.cluster.connection import Share, connect
    from search.store.run_folder import RunFolder
    from search.tuning.progress import Progress
    from search.tuning.settings import Settings
    from search.tuning.space_search import SpaceSearch
    from search.tuning.stopping import Stopping
    from search.tuning.tuner import run_trials

    settings = Settings.parse({"spaces": ("crnn",), "trials": trials, "epochs": EPOCHS})
    Workers.most, Workers.epochs, Workers.rungs = concurrent, EPOCHS, settings.rungs
    Workers.epoch_s, Workers.curves = TRIAL_S / EPOCHS, curves()
    Workers.driver_clock = staticmethod(time.perf_counter if wall else time.thread_time)
    vars(tune_controller)["RayActorManager"] = Workers
    run = {"started": "", "settings": settings.model_dump(mode="json")}
    folder = RunFolder.create(place, {**run, "sessions": [{}], "spaces": {"crnn": {}}})
    control = Stopping()
    control.start_budget(None)
    quiet = Console(file=open("/dev/null", "w"))  # noqa: SIM115
    with (
        folder,
        connect("local", num_cpus=1),
        Progress(folder.records, trials, EPOCHS, quiet) as progress,
    ):
        each = Share(cpus=1, gpus=0.0, concurrent=concurrent)
        begin = time.perf_counter()
        space_run = SpaceSearch(folder, spaces.load("crnn"), settings, {"epochs": EPOCHS})
        run_trials(space_run, None, each, control, progress, _never)
        wall_s = time.perf_counter() - begin
        assert ray.is_initialized()
    found = Workers.last
    assert all(row["state"] in ("completed", "stopped") for row in folder.records.trials.values())
    return {
        "concurrent": concurrent,
        "trials": len(folder.records.trials),
        "reports": found.reports,
        "efficiency": found.busy_s / (found.busy_s + found.waited_s),
        "suggestions_per_s": trials / found.driver_s,
        "per_trial_ms": 1e3 * found.driver_s / trials,
        "per_report_ms": 1e3 * found.driver_s / found.reports,
        "wall_per_report_ms": 1e3 * wall_s / found.reports,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _never(*args: Any) -> None:
    raise AssertionError("no worker runs this")


def measure(concurrent: int, trials: int, wall: bool) -> dict[str, Any]:
    """The same in a process of its own, for its memory."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scaling", "--child", folder]
        sizes = ["--concurrent", str(concurrent), "--trials", str(trials)]
        done = subprocess.run(
            [*command, *sizes, *(["--wall"] if wall else [])], capture_output=True, text=True
        )
        if done.returncode:
            raise click.ClickException(done.stderr[-4000:])
        return dict(json.loads(done.stdout.splitlines()[-1]))


@click.command()
@click.option("--quick", is_flag=True, help="1, 8 and 64 at a time, and fewer trials.")
@click.option("--wall", is_flag=True, help="Time by the wall clock; needs a quiet machine.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
@click.option("--concurrent", type=click.IntRange(1), help="This many at a time alone.")
@click.option("--trials", type=click.IntRange(1), help="[3 for each that runs at a time; least 16]")
@click.option("--child", type=click.Path(path_type=Path), hidden=True)
def main(
    quick: bool, wall: bool, as_json: bool, concurrent: int | None, trials: int | None,
    child: Path | None,
) -> None:  # fmt: skip
    """Search with simulated workers and print what the driver costs."""
    if child and concurrent and trials:
        print(json.dumps(drive(child / "run", concurrent, trials, wall)))
        return
    sizes = (concurrent,) if concurrent else SIZES[:3] if quick else SIZES
    found = []
    table = Table(
        "trials at a time", "trials", "reports", "efficiency", "suggestions/s", "ms a trial",
        "ms a report", "wall ms a report", "driver, MB",
    )  # fmt: skip
    for size in sizes:
        row = measure(size, trials or max(16, (2 if quick else 3) * size), wall)
        found.append(row)
        table.add_row(
            str(size), str(row["trials"]), str(row["reports"]), f"{row['efficiency']:.3f}",
            f"{row['suggestions_per_s']:.1f}", f"{row['per_trial_ms']:.1f}",
            f"{row['per_report_ms']:.1f}", f"{row['wall_per_report_ms']:.1f}",
            f"{row['memory_mb']:.0f}",
        )  # fmt: skip
    clock = "wall clock" if wall else "processor time of its thread"
    print(f"trials of {TRIAL_S:g} s in {EPOCHS} epochs; the driver's time by the {clock}")
    Console(width=110).print(table)
    if as_json:
        print(json.dumps(found))


if __name__ == "__main__":
    command_line(main)
