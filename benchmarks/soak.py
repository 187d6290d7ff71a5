"""A long search of short trials: do memory, open files and disk stay flat?

    python -m benchmarks.soak [--trials 500] [--out docs/soak.png] [--json]

A trial trains for nothing, as in `search_overhead`; around it is all that a real search has. Its
processes are watched from outside while it runs (where there is /proc). What is compared is the end
with the time when a tenth of the trials had ended, for until then every process still comes up.
Exit code 1 when a figure is beyond its limit.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.search_overhead import OURS
from captcha_models.cli import command_line

PROC = Path("/proc")
EVERY_S = 1.0
LIMITS = {
    # The study and the records in memory grow with the trials; nothing else may.
    "driver_mb": (15.0, 0.03, "memory of the driver, MB"),
    "workers_mb": (30.0, 0.0, "memory of the workers, MB"),
    "driver_files": (5.0, 0.0, "open files of the driver"),
    "workers_files": (10.0, 0.0, "open files of the workers"),
    # SQLite's log grows to 4 MB and is then written anew.
    "run_mb": (5.0, 0.015, "run folder, MB"),
    # Two empty folders a trial, 8 KB, and the workers' logs.
    "session_mb": (3.0, 0.012, "Ray's session folder, MB"),
}
"""Growth that is allowed: at all, and for each further trial; and what the figure is."""


@dataclass(frozen=True)
class Sample:
    """What the search holds at a moment."""

    seconds: float
    trials: int
    driver_mb: float
    workers_mb: float
    driver_files: int
    workers_files: int
    run_mb: float
    session_mb: float


def sample(driver: int, run: Path, log: Path, seconds: float) -> Sample:
    """Measure the processes and folders of a search, whose driver is that process."""
    workers, session = [], ""
    for process in _below(driver):
        with suppress(OSError):
            words = (PROC / str(process) / "cmdline").read_text().split("\0")
            if words[0].startswith("ray::"):
                workers.append(process)
            given = [word for word in words if word.startswith("--session-dir=")]
            session = given[0].removeprefix("--session-dir=") if given else session
    return Sample(
        seconds=round(seconds, 1),
        driver_mb=_memory(driver),
        workers_mb=sum(map(_memory, workers)),
        driver_files=_files(driver),
        workers_files=sum(map(_files, workers)),
        run_mb=_size(run),
        session_mb=_size(Path(session)) if session else 0.0,
        # Last, so that all of a sample before the last trial lies before it.
        trials=log.read_bytes().count(b"\n") if log.exists() else 0,
    )


def _below(process: int) -> list[int]:
    """Processes that a process started, theirs too."""
    parents = {}
    for status in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found, level = [], [process]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


def _memory(process: int) -> float:
    """Megabytes of its own; what it shares is left out."""
    with suppress(OSError):
        pages = (PROC / str(process) / "statm").read_text().split()
        return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGESIZE") / 1e6
    return 0.0


def _files(process: int) -> int:
    with suppress(OSError):
        return sum(1 for _ in (PROC / str(process) / "fd").iterdir())
    return 0


def _size(folder: Path) -> float:
    """Megabytes that a folder takes up on the disk, the folders in it too."""
    total = 0
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with suppress(OSError):
                total += os.lstat(Path(place) / name).st_blocks * 512
    return total / 1e6


def watch(trials: int, say: Callable[[str], None]) -> list[Sample]:
    """Run a search and sample it once a second until its last trial has begun.

    A search that ends lets go of everything: no such sample is among those returned.
    """
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        run, log = Path(folder) / "run", Path(folder) / "log"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.search_overhead", "--child"]
        begin = time.monotonic()
        child = subprocess.Popen(
            [*command, OURS, folder, "--trials", str(trials)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        with child:
            while child.poll() is None:
                found = sample(child.pid, run, log, time.monotonic() - begin)
                if found.trials >= trials:
                    break
                if found.trials > (samples[-1].trials if samples else 0):
                    samples.append(found)
                    if len(samples) % 50 == 0:
                        say(f"{found.trials} trials after {found.seconds:.0f} s")
                time.sleep(EVERY_S)
        if child.returncode:
            raise click.ClickException(f"the search ended with exit code {child.returncode}")
    return samples


def growth(samples: list[Sample], trials: int) -> dict[str, tuple[float, float]]:
    """How much each figure grew after the first tenth, and the most it may.

    Each end is the most in a few samples, for workers come and go.
    """
    settled = [one for one in samples if one.trials >= trials / 10]
    few = max(1, min(10, len(settled) // 2), len(settled) // 10)
    first, last = settled[:few], settled[-few:]
    more = last[len(last) // 2].trials - first[len(first) // 2].trials
    found = {}
    for name, (flat, each, _) in LIMITS.items():
        ends = [max(getattr(one, name) for one in part) for part in (first, last)]
        found[name] = ends[1] - ends[0], flat + each * more
    return found


def draw(samples: list[Sample], found: dict[str, tuple[float, float]], file: Path) -> None:
    """A curve for each figure over the trials, its limit dashed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(2, 3, figsize=(11, 5.5), layout="constrained")
    trials = [one.trials for one in samples]
    start = next(one for one in samples if one.trials >= trials[-1] / 10)
    for name, place in zip(LIMITS, places.flat, strict=True):
        flat, each, title = LIMITS[name]
        place.plot(trials, [getattr(one, name) for one in samples])
        base = getattr(start, name)
        ends = [start.trials, trials[-1]]
        place.plot(ends, [base + flat + each * (t - start.trials) for t in ends], "--", color="0.6")
        grown, most = found[name]
        place.set_title(f"{title}\ngrew by {grown:.2f}, allowed {most:.2f}", fontsize=9)
        place.set_ylim(bottom=0)
        place.set_xlabel("trials begun", fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


@click.command()
@click.option("--trials", type=click.IntRange(20), default=500, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Draw the curves into this file.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(trials: int, out: Path | None, as_json: bool) -> int:
    """Watch a long search; 1 if something grows beyond its limit."""
    samples = watch(trials, lambda line: click.echo(line, err=True))
    found = growth(samples, trials)
    for name, (grown, most) in found.items():
        verdict = "flat" if grown <= most else "GROWS"
        start, last = getattr(samples[0], name), getattr(samples[-1], name)
        title = LIMITS[name][2]
        print(
            f"{title:28} {start:9.2f} -> {last:9.2f}  grew {grown:7.2f} of {most:7.2f}: {verdict}"
        )
    if out:
        draw(samples, found, out)
    if as_json:
        print(json.dumps({"trials": trials, "growth": found, "last": asdict(samples[-1])}))
    return int(any(grown > most for grown, most in found.values()))


if __name__ == "__main__":
    command_line(main)
