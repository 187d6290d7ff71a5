"""Race of searches, live: ours, Ray's OptunaSearch with ASHA, and random search, in one space.

    python -m benchmarks.search_race --data receipts.zip --name receipts [--minutes 20] [--seeds 3]

Each search has the same images, space, epochs and minutes on this machine, one thread a trial, as
many trials at a time as there are cores; the methods take turns. Ours begins from priors and
starting points that the recorded curves of other images tell (`--curves`, without those of
`--name`), so from nothing that was found on these. The rivals are Ray Tune as its manual sets it
up. Afterwards the best trial of each search after a third, two thirds and all of its time is
trained again, by two fresh seeds on two folds that no search has seen; that NLL is what counts.

Rows are kept in `--out` as they end; what is there is not run again.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

import spaces
from benchmarks._lists import print_table
from benchmarks._race import SHARES, Race, confirm, ours, theirs
from benchmarks._side_by_side import Row, Rows, print_ratio
from captcha_models.cli import command_line
from captcha_models.errors import InputError

OURS, RAYS, RANDOM = "ours", "Ray OptunaSearch, ASHA", "random search"
METHODS = (OURS, RAYS, RANDOM)


def child(race: Race, method: str, seed: int, out: Path, trials: Path | None) -> None:
    """A search, or the confirmation of one, in a process of its own."""
    if trials is not None:
        out.write_text(json.dumps(confirm(race, json.loads(trials.read_text()))))
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = (
            ours(race, seed, place)
            if method == OURS
            else theirs(race, seed, place, by_chance=method == RANDOM)
        )
    out.write_text(json.dumps(found))


def run_child(race: Race, method: str, seed: int, trials: Sequence[Row] | None = None) -> list[Row]:
    """What `child` finds, by a new process with one thread a trial."""
    with tempfile.TemporaryDirectory() as folder:
        out, given = Path(folder) / "out.json", Path(folder) / "trials.json"
        words = ["--data", race.data, "--name", race.name, "--space", race.space,
                 "--epochs", str(race.epochs), "--minutes", str(race.minutes),
                 "--curves", str(race.curves), "--child", method, str(seed), str(out)]  # fmt: skip
        if trials is not None:
            given.write_text(json.dumps(list(trials)))
            words += ["--trials", str(given)]
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.search_race", *words],
            check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        found: list[Row] = json.loads(out.read_text())
        return found


def say(rows: Sequence[Row]) -> None:
    """Print what each method's best comes to, and how much sooner ours is there."""
    lines = []
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        for share in SHARES:
            nlls = [one["nll"] for row in own for one in row["confirmed"] if one["share"] == share]
            reads = [
                one["read"] for row in own for one in row["confirmed"] if one["share"] == share
            ]
            if nlls:
                lines.append([method, f"{share:.2f}", str(len(nlls)), f"{np.median(nlls):.3f}",
                              f"{min(nlls):.3f} to {max(nlls):.3f}",
                              f"{np.mean(reads):.1%}"])  # fmt: skip
    print_table(
        "NLL of the best trial so far, trained anew on other folds, by the share of the time",
        ["method", "share", "searches", "median", "least to most", "read"], lines,
    )  # fmt: skip


def lead(rows: Sequence[Row]) -> list[float]:
    """For each seed: NLL of Ray's search at its end over that of ours after a third."""
    found = []
    for seed in sorted({row["seed"] for row in rows}):
        of = {row["method"]: row["confirmed"] for row in rows if row["seed"] == seed}
        if OURS in of and RAYS in of and of[OURS] and of[RAYS]:
            found.append(of[RAYS][-1]["nll"] / of[OURS][0]["nll"])
    return found


@click.command()
@click.option("--data", required=True, help="Folder, zip or table of images.")
@click.option("--name", required=True, help="Of the images, as the recorded curves have it.")
@click.option("--space", default="crnn", show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=8, show_default=True)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=20, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/search_race.jsonl"))
@click.option("--curves", type=click.Path(path_type=Path), default=Path("results/curves"))
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
@click.option("--child", "alone", type=(str, int, Path), hidden=True)
@click.option("--trials", type=Path, hidden=True)
def main(
    data: str, name: str, space: str, epochs: int, minutes: float, seeds: int, out: Path,
    curves: Path, as_json: bool, alone: tuple[str, int, Path] | None, trials: Path | None,
) -> None:  # fmt: skip
    """Run the searches that are not yet in the file, and print who was better when."""
    race = Race(data, name, space, epochs, minutes, curves)
    if space not in spaces.names():
        raise InputError(f"--space {space}: choose one of {', '.join(spaces.names())}")
    if alone:
        child(race, *alone, trials)
        return
    rows = Rows(out)
    for seed in range(seeds):
        # Another one begins each time.
        order = [METHODS[(seed + i) % len(METHODS)] for i in range(len(METHODS))]
        for method in order:
            key = {**race.key, "method": method, "seed": seed}
            if rows.like(key):
                continue
            found = run_child(race, method, seed)
            confirmed = run_child(race, method, seed, found)
            rows.add({**key, "load": os.getloadavg()[0], "trials": found, "confirmed": confirmed})
    own = rows.like(race.key)
    say(own)
    if as_json and (ratios := lead(own)):
        print_ratio(float(np.median(ratios)), min(ratios), max(ratios))


if __name__ == "__main__":
    command_line(main)
