"""Rank correlation of early epochs with the last one, on recorded runs.

    python -m benchmarks.rung_ranks RUN [RUN…]

Only trials that had their full budget count, so the run has to be one without early stopping
(`--objective pareto`), or what was stopped would be missing. For each epoch: Spearman's and
Kendall's correlation of the validation NLL with that of the last epoch, over the trials of a space,
and how many of the best third at the end stand in the best third, half and two thirds then: what
ASHA would have kept.
A model that still guesses ranks by chance, so the share of trials that read something, at least one
captcha in ten, stands beside it. Trials with and without averaged weights are also shown apart.

Where the run was confirmed, folds are looked at as rungs, too: how well the mean NLL of candidates
on some of the folds ranks them by their mean on all others, over all choices of so many folds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import nan
from pathlib import Path
from statistics import fmean
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from captcha_models.cli import command_line
from captcha_models.errors import InputError
from search.store.listed import FITS, read_rows
from search.store.records import Records, read_run

LEAST = 6  # trials, for two to be a third
KEPT = {"in a third": 1 / 3, "in a half": 1 / 2, "in two thirds": 2 / 3}


def completed(records: Records, space: str) -> dict[str, list[dict[str, Any]]]:
    """The epochs of each trial that had its full budget, in order."""
    return {
        name: [row for _, row in sorted(records.epochs[name].items())]
        for name, trial in records.trials.items()
        if trial["space"] == space and trial["state"] == "completed"
    }


def kept(early: list[float], last: list[float], share: float) -> float:
    """Share of the best third at the end that is in the best so many early."""
    third, many = len(last) // 3, round(len(last) * share)
    best = sorted(range(len(last)), key=last.__getitem__)[:third]
    then = sorted(range(len(early)), key=early.__getitem__)[:many]
    return len(set(best) & set(then)) / third


def averaged(records: Records, name: str) -> bool:
    """Whether the trial's weights were averaged."""
    return bool(records.trials[name]["config"].get("ema", 0.0))


def epoch_table(title: str, curves: Sequence[Sequence[Mapping[str, Any]]]) -> Table:
    """A row per epoch; all curves are of one length."""
    last = [curve[-1]["valid_nll"] for curve in curves]
    table = Table("epoch", "Spearman", "Kendall", *KEPT, "reading", title=title)
    for epoch in range(len(curves[0])):
        early = [curve[epoch]["valid_nll"] for curve in curves]
        reading = [curve[epoch]["valid_exact_match"] >= 0.1 for curve in curves]
        table.add_row(
            str(epoch + 1),
            f"{spearmanr(early, last).statistic:.2f}",
            f"{kendalltau(early, last).statistic:.2f}",
            *(f"{kept(early, last, share):.0%}" for share in KEPT.values()),
            f"{fmean(reading):.0%}",
        )
    return table


def fold_ranks(nlls: Mapping[str, Mapping[int, float]]) -> dict[int, tuple[float, float]]:
    """How well some folds rank candidates as the others do.

    Args:
        nlls: of each candidate, by fold; those that lack a fold are left out.

    Returns:
        for each number of folds looked at, the mean over all choices of them of Spearman's
        correlation with the mean of the others, and the share of choices whose best candidate is
        the others' best, too.
    """
    folds = sorted({fold for own in nlls.values() for fold in own})
    whole = [own for own in nlls.values() if len(own) == len(folds)]
    found: dict[int, tuple[float, float]] = {}
    if len(whole) < 2:
        return found
    for count in range(1, len(folds)):
        ranks, same = [], []
        for some in combinations(folds, count):
            others = [fold for fold in folds if fold not in some]
            first, rest = (
                [fmean(own[f] for f in part) for own in whole] for part in (some, others)
            )
            ranks.append(float(spearmanr(first, rest).statistic) if len(whole) > 2 else nan)
            same.append(first.index(min(first)) == rest.index(min(rest)))
        found[count] = fmean(ranks), fmean(same)
    return found


def fold_tables(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    """For each way to cut folds that the rows know: a row per number of folds."""
    plans: dict[tuple[int, int], dict[str, dict[int, float]]] = {}
    for row in rows:
        nlls = plans.setdefault((row["folds"], row["split_seed"]), {})
        candidate = json.dumps(row["config"], sort_keys=True)
        nlls.setdefault(candidate, {})[row["fold"]] = row["nll"]
    for (folds, _), nlls in plans.items():
        whole = sum(len(own) == folds for own in nlls.values())
        table = Table("folds", "Spearman", "same best", title=f"{title}: {whole} candidates")
        for count, (rank, same) in fold_ranks(nlls).items():
            table.add_row(str(count), f"{rank:.2f}", f"{same:.0%}")
        yield table


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(runs: tuple[Path, ...]) -> None:
    """Rank correlation of each epoch with the last one, for every space of every run."""
    console = Console(width=100)
    for path in runs:
        records = read_run(path)
        confirmed = list(read_rows(path / FITS).values())
        for space in records.run["spaces"]:
            curves = completed(records, space)
            epochs = {len(curve) for curve in curves.values()}
            if len(curves) < LEAST or len(epochs) != 1:
                raise InputError(
                    f"{path}, {space}: {len(curves)} completed trials of {sorted(epochs)} epochs; "
                    f"at least {LEAST} of one length are needed"
                )
            parts = {
                "": list(curves.values()),
                " with averaged weights": [c for n, c in curves.items() if averaged(records, n)],
                " without": [c for n, c in curves.items() if not averaged(records, n)],
            }
            for about, part in parts.items():
                if len(part) >= LEAST:
                    title = f"{path.name}, {space}: {len(part)} trials{about}"
                    console.print(epoch_table(title, part))
            rows = [
                row
                for row in confirmed
                if row["arch"] == space and row["fold"] is not None and not row["error"]
            ]
            for table in fold_tables(f"{path.name}, {space}, confirmed", rows):
                console.print(table)


if __name__ == "__main__":
    command_line(main)
