"""Searches replayed against recorded learning curves, the recorded seconds as their clock.

    python -m benchmarks.search_replay [--curves results/curves] [--repeats 200] [--workers 1,2,8]

For each set of images: seconds until the best trial of a search is within a tenth and 0.02 nats of
the best of the table, median and quartiles over repeats by other seeds. What proposes and what
stops are the objects that run live; between recorded configurations a surrogate answers, whose
error on configurations it has not seen is printed first. Ours begins from priors and starting
points that the other sets tell, never the set that it is tried on. The last table has, for each
rival, its median time over ours.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks._lists import numbers, print_table
from benchmarks.curves import Curve, read_curves, read_spaces
from benchmarks.curves.methods import Make, methods
from benchmarks.curves.replay import Incumbent, play
from benchmarks.curves.surrogate import Surrogate
from benchmarks.curves.transfer import transferred
from captcha_models.cli import command_line
from captcha_models.errors import InputError

NEAR_FACTOR, NEAR_NATS = 1.1, 0.02
"""A search is there when its best is within a tenth, or within so many nats, of the table's."""
FEWEST = 10
"""Configurations without which a surrogate says nothing."""
MEMBERS = 4
"""Starting points that other sets tell."""
OURS, RAYS = "ours", "Ray OptunaSearch, ASHA"
BUDGET = 200
"""Whole trainings of the mean length that a search is given."""


def sets_of(place: Path, names: Sequence[str]) -> dict[str, Surrogate]:
    """A surrogate for the curves of each name, or of those names alone.

    Args:
        place: folder of curves, or a file.
        names: of tables; none of them is all that have enough configurations.

    Raises:
        InputError: a name that is not there, or too few configurations.
    """
    spaces, curves = read_spaces(place), read_curves(place)
    if missing := [name for name in names if name not in spaces]:
        raise InputError(f"--sets {missing[0]}: {place} has {', '.join(spaces) or 'no curves'}")
    found, few = {}, []
    for name, space in spaces.items():
        own = [curve for curve in curves if curve.name == name]
        count = len({curve.index for curve in own})
        if names and name not in names:
            continue
        if count < FEWEST:
            few.append(f"{name}: {count} configurations; at least {FEWEST} are needed")
        else:
            found[name] = Surrogate(own, space)
    if few and (names or not found):
        raise InputError(f"{place}: {few[0]}")
    return found


def others_of(surrogate: Surrogate, tables: Iterable[Surrogate]) -> list[Surrogate]:
    """Tables of other images that were recorded in the same space by the same schedule.

    Raises:
        InputError: there are none.
    """
    if not (found := alike(surrogate, tables)):
        name = surrogate.curves[0].name
        raise InputError(f"{name}: no other images were recorded in that space: give --sets")
    return found


def alike(surrogate: Surrogate, tables: Iterable[Surrogate]) -> list[Surrogate]:
    """Tables of other images in the same space and by the same schedule."""
    first = surrogate.curves[0]

    def fits(one: Curve) -> bool:
        schedules = {curve.fixed.get("schedule") for curve in (one, first)}
        return one.images != first.images and one.space == first.space and len(schedules) == 1

    return [other for other in tables if fits(other.curves[0])]


def replayed(make: Make, surrogate: Surrogate, workers: int, repeats: int) -> list[Incumbent]:
    """As many searches by seeds 0, 1, ..."""
    until = budget(surrogate, workers)
    return [
        play(make(surrogate.space, surrogate.epochs, seed), surrogate, workers, until, seed)
        for seed in range(repeats)
    ]


def budget(surrogate: Surrogate, workers: int) -> float:
    """Seconds that a search is given."""
    return BUDGET * surrogate.mean_seconds / workers


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
    names = [s for s in sets.split(",") if s]
    tables = sets_of(curves, names)
    if not names:
        tables = {k: v for k, v in tables.items() if alike(v, tables.values())} or tables
    rows: list[dict[str, Any]] = []
    taken: dict[tuple[str, str, int], np.ndarray[Any, Any]] = {}
    for name, surrogate in tables.items():
        others = others_of(surrogate, tables.values())
        known: Mapping[str, Make] = methods(transferred(surrogate.space, others, MEMBERS))
        if unknown := [one for one in wanted if one not in known]:
            raise InputError(f"--only {unknown[0]!r}: choose among {'; '.join(known)}")
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
                found = times(replayed(make, surrogate, count, repeats), target)
                taken[name, method, count] = np.minimum(found, budget(surrogate, count))
                low, median, high = quartiles(found)
                reached = float(np.isfinite(found).mean())
                rows.append(
                    {"set": name, "method": method, "workers": count, "reached": reached}
                    | {key: _finite(value) for key, value in
                       (("low", low), ("median", median), ("high", high))}
                )  # fmt: skip
                lines.append(
                    [method, str(count), shown(low), shown(median), shown(high), f"{reached:.0%}"]
                )
        heads = ["method", "workers", "quartile", "median", "quartile", "reached"]
        print_table(f"{name}: seconds until the best is within reach of the table's", heads, lines)
    ratios = {rival: ratio(taken, rival) for rival in {m for _, m, _ in taken} - {OURS}}
    if any(method == OURS for _, method, _ in taken):
        print_table(
            "median time of a rival over ours, geometric mean over sets and workers, 95 %",
            ["rival", "ratio", "low", "high"],
            [[rival, *(f"{value:.2f}" for value in found)]
             for rival, found in sorted(ratios.items(), key=lambda entry: -entry[1][0])],
        )  # fmt: skip
    if as_json:
        main_one = ratios.get(RAYS, (math.nan,) * 3)
        named = dict(zip(("ratio", "low", "high"), map(_finite, main_one), strict=True))
        print(json.dumps({**named, "rows": rows}))


def ratio(
    taken: Mapping[tuple[str, str, int], np.ndarray[Any, Any]], rival: str
) -> tuple[float, float, float]:
    """How many times as long a rival's median search takes, and its 95 % bootstrap interval.

    A search that never gets there counts with its whole budget, so that a great ratio is a lower
    bound.
    """
    rng = np.random.default_rng(0)
    logs = []
    for (name, method, count), own in taken.items():
        if method != OURS or (name, rival, count) not in taken:
            continue
        other = taken[name, rival, count]
        drawn = [rng.choice(times, (1000, len(times))) for times in (other, own)]
        medians = [np.median(times, axis=1) for times in drawn]
        whole = np.log(np.median(other) / np.median(own))
        logs.append((whole, np.log(medians[0] / medians[1])))
    if not logs:
        return (math.nan,) * 3
    spread = np.mean([each for _, each in logs], axis=0)
    low, high = np.quantile(spread, (0.025, 0.975))
    mean = np.mean([one for one, _ in logs])
    return float(np.exp(mean)), float(np.exp(low)), float(np.exp(high))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    command_line(main)
