"""Own ground: what recorded runs and curves say of folds, beams, second seeds and wrong labels.

    python -m research.own_ground [--results results] [--curves results/curves]

Nothing is trained. docs/results/2026-11-28-own-ground.md has the tables.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import comb, exp, log
from pathlib import Path
from statistics import fmean

import click
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks._lists import print_table
from benchmarks.curves import Curve, read_curves
from benchmarks.curves.surrogate import LEAST, WORST
from benchmarks.rung_ranks import fold_ranks
from captcha_models.cli import command_line
from search.store.listed import FITS, Row, read_rows
from search.store.records import Records, read_run

WRONG = ("mxnw4", "ep85x", "wgnwp", "cdcb3")
"""Labels of the article's images that contradict their pixels."""
READS = 0.9
"""Share of labels from which on a training counts as one that reads."""
LEVELS = {READS: "90 % or more", 0.5: "50 to 90 %", 0.01: "1 to 50 %", 0.0: "less"}
PAIRS = 5
"""Configurations with two seeds that a table needs, to be looked at."""
DRAWS, RESAMPLES = 2000, 200


def of_folds(
    rows: Sequence[Row], metric: str, without: Sequence[str] = ()
) -> dict[str, dict[int, float]]:
    """Each candidate's mean by fold, lower is better.

    Args:
        rows: trainings with their images one by one.
        metric: `nll`, or `misread`, the share that is not read.
        without: labels that do not count.
    """
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        own = [
            nll if metric == "nll" else float(read != label)
            for nll, read, label in zip(row["nlls"], row["read"], row["labels"], strict=True)
            if label not in without
        ]
        found.setdefault(row["name"], {})[row["fold"]] = fmean(own)
    return found


def cost_of(rows: Sequence[Row], labels: Sequence[str]) -> tuple[int, float, float]:
    """What some labels cost the trainings that were scored on one of them.

    Returns:
        How many were; the mean over them of the NLL, nats a label, with those labels and without.
    """
    hit = [row for row in rows if set(labels) & set(row["labels"])]
    every, rest = (
        [
            fmean(n for n, text in zip(row["nlls"], row["labels"], strict=True) if text not in out)
            for row in hit
        ]
        for out in ((), labels)
    )
    return len(hit), fmean(every) if hit else 0.0, fmean(rest) if hit else 0.0


def decoders(records: Records) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    """Of each CRNN's trial: its decoder, how it ended, and what it read epoch by epoch.

    Yields:
        `1`, `2 or more` or `fixed length`; the state; share read by its own decoder and greedily.
    """
    for name, trial in records.trials.items():
        if trial["space"] != "crnn" or name not in records.epochs:
            continue
        config = trial["config"]
        width = "1" if config["beam_width"] == 1 else "2 or more"
        yield (
            "fixed length" if config["fixed_length"] else width,
            trial["state"],
            [
                (row["valid_exact_match"], row["valid_exact_match_greedy"])
                for _, row in sorted(records.epochs[name].items())
            ],
        )


def pairs_of(curves: Sequence[Curve]) -> NDArray[np.float64]:
    """Log of the last epoch's NLL of each configuration that two seeds trained, (P, 2)."""
    longest = max(len(curve.valid_nll) for curve in curves)
    last: dict[int, list[float]] = {}
    for curve in sorted(curves, key=lambda one: one.key):
        if len(curve.valid_nll) == longest:
            last.setdefault(curve.index, []).append(
                log(min(max(curve.valid_nll[-1], LEAST), WORST))
            )
    found = [values[:2] for values in last.values() if len(values) > 1]
    return np.array(found).reshape(-1, 2)


def chosen(by: NDArray[np.float64], judged: NDArray[np.float64], among: int) -> float:
    """Mean of `judged` of the one with the least `by`, over all choices of so many of them.

    Args:
        by: (P,) what is chosen by.
        judged: (P,) what the choice comes to.
        among: how many are compared, 1 to P.
    """
    order, size = np.argsort(by, kind="stable"), len(by)
    weights = [comb(size - 1 - rank, among - 1) / comb(size, among) for rank in range(size)]
    return float(np.dot(weights, judged[order]))


def choices(pairs: NDArray[np.float64], among: int) -> tuple[float, float]:
    """What choosing among so many comes to, by one seed, and by the very seed that judges.

    The first is what a search without second seeds gets. The second is too good to be had: no
    second seed, nor any number of them, lets a choice among as many do better on average.
    """
    ways = [(0, 1), (1, 0)]
    honest = fmean(chosen(pairs[:, a], pairs[:, b], among) for a, b in ways)
    return honest, fmean(chosen(pairs[:, b], pairs[:, b], among) for _, b in ways)


def second_seed(
    pairs: NDArray[np.float64], trainings: int, rng: np.random.Generator, own: bool
) -> float:
    """Log NLL, by a seed of its own, of the best of half as many by two seeds, less all by one.

    Above zero, a second configuration is worth more than a second seed. Configurations are drawn
    from the pairs, their means drawn together by what the seeds add to their variance; seeds from
    the differences of pairs.

    Args:
        pairs: (P, 2) log NLL by two seeds.
        trainings: even.
        rng: chance.
        own: each configuration has its own pair's difference, not one of all.
    """
    noise = (pairs[:, 0] - pairs[:, 1]) / np.sqrt(2)
    means = pairs.mean(axis=1)
    between = max(means.var(ddof=1) - (noise**2).mean() / 2, 0.0)
    share = np.sqrt(between / max(means.var(ddof=1), 1e-12))
    true = means.mean() + share * (means - means.mean())
    drawn = rng.integers(len(pairs), size=(DRAWS, trainings))
    of = [drawn if own else rng.integers(len(pairs), size=drawn.shape) for _ in range(2)]
    first, second = (noise[one] * rng.choice((-1.0, 1.0), size=one.shape) for one in of)
    half = trainings // 2
    once = np.argmin(true[drawn] + first, axis=1)
    twice = np.argmin((true[drawn] + (first + second) / 2)[:, :half], axis=1)
    rows = np.arange(DRAWS)
    return float((true[drawn[rows, twice]] - true[drawn[rows, once]]).mean())


def interval(pairs: NDArray[np.float64], trainings: int, own: bool) -> tuple[float, float, float]:
    """`second_seed`, and 95 % of what it is with configurations drawn anew."""
    rng = np.random.default_rng(0)
    found = fmean(second_seed(pairs, trainings, rng, own) for _ in range(10))
    again = [
        second_seed(pairs[rng.integers(len(pairs), size=len(pairs))], trainings, rng, own)
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(again, (0.025, 0.975))
    return found, float(low), float(high)


def print_folds(rows: Sequence[Row]) -> None:
    """How well folds rank the candidates that a confirmation compared."""
    lines = []
    for metric in ("nll", "misread"):
        for about, without in (("all images", ()), ("without the wrong labels", WRONG)):
            own = of_folds(rows, metric, without)
            means = {name: fmean(folds.values()) for name, folds in own.items()}
            least = min(means, key=means.__getitem__)
            for count, (rank, same) in fold_ranks(own).items():
                lines.append([metric, about, str(count), f"{rank:.2f}", f"{same:.0%}", least])
    head = ["chosen by", "images", "folds", "Spearman", "same best", "least of all folds"]
    print_table("candidates confirmed: some folds against all others", head, lines)


def print_winners(results: Path) -> None:
    """How far what the search said of its best lies from what a confirmation found."""
    lines = []
    for file in sorted(results.glob("*/confirmed/*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))["candidates"]
        best = min(found, key=lambda one: float(one["search_valid_nll"] or "inf"))
        said, nll = best["search_valid_nll"], best["nll"]["mean"]
        lines.append(
            [file.parents[1].name, best["name"], f"{said:.3f}", f"{nll:.3f}", f"{nll / said:.2f}",
             f"{best['nll']['error']:.3f}", str(best["num_fits"])]
        )  # fmt: skip
    head = ["run", "best", "in the search", "confirmed", "times", "standard error", "trainings"]
    print_table("the search's best, confirmed: NLL", head, lines)


def print_beams(runs: Sequence[Records]) -> None:
    """Where a trial's decoder read more than greedy."""
    ends: dict[tuple[str, str, str], list[float]] = {}
    epochs: dict[tuple[str, str], list[float]] = {}
    for records in runs:
        images = records.run["split"]["num_valid"]
        for decoder, state, read in decoders(records):
            gains = [round((own - greedy) * images) for own, greedy in read]
            ends.setdefault((decoder, state, records.path.name), []).append(gains[-1])
            for (own, greedy), gain in zip(read, gains, strict=True):
                level = max(own, greedy)
                of = next(of for least, of in LEVELS.items() if level >= least)
                epochs.setdefault((decoder, of), []).append(100 * gain / images)
    print_table(
        "last epochs: captchas that the trial's decoder reads and greedy does not",
        ["decoder", "ended", "run", "trials", "more", "fewer", "most", "mean"],
        [
            [*key, str(len(g)), str(sum(x > 0 for x in g)), str(sum(x < 0 for x in g)),
             f"{max(g):.0f}", f"{fmean(g):.2f}"] for key, g in sorted(ends.items())
        ],
    )  # fmt: skip
    print_table(
        "all epochs, by the share read: gain over greedy in points",
        ["decoder", "read", "epochs", "more", "fewer", "mean", "most", "least"],
        [
            [*key, str(len(g)), str(sum(x > 0 for x in g)), str(sum(x < 0 for x in g)),
             f"{fmean(g):.3f}", f"{max(g):.2f}", f"{min(g):.2f}"]
            for key, g in sorted(epochs.items())
        ],
    )  # fmt: skip


def print_seeds(tables: Mapping[str, Sequence[Curve]]) -> None:
    """What a second seed is worth beside a second configuration."""
    lines, parts = [], []
    for name, curves in tables.items():
        pairs = pairs_of(curves)
        if len(pairs) < PAIRS:
            continue
        share = ((pairs[:, 0] - pairs[:, 1]) ** 2).mean() / 2 / pairs.var(ddof=1)
        same = pairs[:, 0].argmin() == pairs[:, 1].argmin()
        rank = spearmanr(*pairs.T).statistic
        lines.append(
            [name, str(len(pairs)), f"{share:.0%}", f"{rank:.2f}", "yes" if same else "no"]
        )
        for trainings in (4, 8):
            exact = ["", "", ""]
            if trainings <= len(pairs):
                honest, lucky = choices(pairs, trainings)
                bound = choices(pairs, trainings // 2)[1]
                exact = [f"{exp(honest):.3f}", f"{exp(bound):.3f}", f"{exp(honest - lucky):.2f}"]
            simulated = [interval(pairs, trainings, own) for own in (False, True)]
            parts.append(
                [name, str(trainings), *exact,
                 *(f"{m:+.3f} ({low:+.3f} to {high:+.3f})" for m, low, high in simulated)]
            )  # fmt: skip
    head = ["table", "pairs", "seed's share", "Spearman", "same best"]
    print_table("two seeds of one configuration, log NLL at the end", head, lines)
    head = ["table", "trainings", "once each", "half, at best", "too good by", "all", "own"]
    print_table("NLL of the winner by another seed; half twice less all once, log", head, parts)


def print_labels(lists: Mapping[str, Sequence[Row]]) -> None:
    """What the wrong labels cost those who read the rest."""
    lines = []
    for name, rows in lists.items():
        for arch in sorted({row["arch"] for row in rows}):
            those = [r for r in rows if r["exact_match"] >= READS and r["arch"] == arch]
            hit, every, rest = cost_of(those, WRONG)
            if hit:
                share = f"{1 - rest / every:.0%}"
                lines.append([name, arch, str(hit), f"{every:.4f}", f"{rest:.4f}", share])
    head = ["list", "architecture", "trainings", "NLL", "without", "share of the NLL"]
    print_table(f"trainings that read {READS:.0%}, scored on a wrong label", head, lines)


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"))
@click.option("--curves", type=click.Path(path_type=Path), default=Path("results/curves"))
def main(results: Path, curves: Path) -> None:
    """Print the tables."""
    runs = [read_run(file.parent) for file in sorted(results.glob("*/run.json"))]
    lists = {run.path.name: list(read_rows(run.path / FITS).values()) for run in runs}
    for name in ("ablation", "cross_validation", "few_images"):
        lists[name] = list(read_rows(results / name).values())
    print_folds(lists["crnn-real"])
    print_winners(results)
    print_beams(runs)
    grouped: dict[str, list[Curve]] = {}
    for curve in read_curves(curves):
        grouped.setdefault(curve.name, []).append(curve)
    print_seeds(grouped)
    print_labels(lists)


if __name__ == "__main__":
    command_line(main)
