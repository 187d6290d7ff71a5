"""Searches replayed against recorded learning curves, the recorded seconds as their clock.

    python -m benchmarks.search_replay [--curves results/curves] [--repeats 200] [--workers 1,2,8]

For each set of images: seconds until the best trial of a search is within a tenth and 0.02 nats of
the best of the table, median and quartiles over repeats by other seeds. What proposes and what
stops are the objects that run live; between recorded configurations a surrogate answers, whose
error on configurations it has not seen is printed first.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks._lists import numbers, print_table
from benchmarks.curves import read_curves, read_spaces
from benchmarks.curves.methods import Make, methods
from benchmarks.curves.replay import Incumbent, play
from benchmarks.curves.surrogate import Surrogate
from captcha_models.cli import command_line
from captcha_models.errors import InputError

NEAR_FACTOR, NEAR_NATS = 1.1, 0.02
"""A search is there when its best is within a tenth, or within so many nats, of the table's."""
FEWEST = 10
"""Configurations without which a surrogate says nothing."""
BUDGET = 200
"""Whole trainings of the mean length that a search is given."""


def sets_of(place: Path, names: Sequence[str]) -> dict[str, Surrogate]:
    """A surrogate for the curves of each name, or of those names alone."""
    spaces, curves = read_spaces(place), read_curves(place)
    if missing := [name for name in names if name not in spaces]:
        raise InputError(f"--sets {missing[0]}: {place} has {', '.join(spaces) or 'no curves'}")
    found = {}
    for name, space in spaces.items():
        own = [curve for curve in curves if curve.name == name]
        count = len({curve.index for curve in own})
        if names and name not in names:
            continue
        if count < FEWEST:
            raise InputError(
                f"{place}: {name}: {count} configurations; at least {FEWEST} are needed"
            )
        found[name] = Surrogate(own, space)
    return found


def replayed(make: Make, surrogate: Surrogate, workers: int, repeats: int) -> list[Incumbent]:
    """As many searches by seeds 0, 1, ..."""
    budget = BUDGET * surrogate.mean_seconds / workers
    return [
        play(make(surrogate.space, surrogate.epochs, seed), surrogate, workers, budget, seed)
        for seed in range(repeats)
    ]


def times(searches: Sequence[Incumbent], target: float) -> np.ndarray[Any, Any]:
    """Seconds of each search until its best is as good for good; infinite where it never is."""
    return np.array([one.time_to(target) for one in searches])


def shown(seconds: float) -> str:
    """Seconds, or that the budget did not suffice."""
    return f"{seconds:.0f}" if math.isfinite(seconds) else "never"


def quartiles(values: np.ndarray[Any, Any]) -> list[float]:
    """The three of them; of values that are partly infinite."""
    return [float(np.quantile(values, share, method="nearest")) for share in (0.25, 0.5, 0.75)]


@click.command()
@click.option("--curves", type=click.Path(path_type=Path), default=Path("results/curves"))
@click.option("--sets", default="", help="Names of tables, with commas; all by default.")
@click.option("--only", default="", help="Names of methods, with semicolons; all by default.")
@click.option("--repeats", type=click.IntRange(1), default=200, show_default=True)
@click.option("--workers", default="1,2,8", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def main(curves: Path, sets: str, only: str, repeats: int, workers: str, as_json: bool) -> None:
    """Replay every method against every table."""
    wanted = [name.strip() for name in only.split(";") if name.strip()]
    known: Mapping[str, Make] = methods()
    if unknown := [name for name in wanted if name not in known]:
        raise InputError(f"--only {unknown[0]!r}: choose among {'; '.join(known)}")
    rows: list[dict[str, Any]] = []
    for name, surrogate in sets_of(curves, [s for s in sets.split(",") if s]).items():
        error = surrogate.held_out()
        target = max(surrogate.best * NEAR_FACTOR, surrogate.best + NEAR_NATS)
        click.echo(
            f"{name}: {error['configurations']:.0f} configurations, best {surrogate.best:.3f} "
            f"nats, target {target:.3f}; a whole training takes {surrogate.mean_seconds:.0f} s; "
            f"surrogate on configurations it has not seen: rank {error['rank']:.2f}, factor "
            f"{error['factor']:.2f}, seconds {error['seconds_factor']:.2f}"
        )
        lines = []
        for method, make in known.items():
            if wanted and method not in wanted:
                continue
            for count in numbers(workers, "--workers"):
                taken = times(replayed(make, surrogate, count, repeats), target)
                low, median, high = quartiles(taken)
                reached = float(np.isfinite(taken).mean())
                rows.append(
                    {"set": name, "method": method, "workers": count, "low": low,
                     "median": median, "high": high, "reached": reached}
                )  # fmt: skip
                lines.append(
                    [method, str(count), shown(low), shown(median), shown(high), f"{reached:.0%}"]
                )
        heads = ["method", "workers", "quartile", "median", "quartile", "reached"]
        print_table(f"{name}: seconds until the best is within reach of the table's", heads, lines)
    if as_json:
        print(json.dumps(rows))


if __name__ == "__main__":
    command_line(main)
