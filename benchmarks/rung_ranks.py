"""How truly an early epoch ranks trials: rank correlation with the end, on recorded runs.

    python -m benchmarks.rung_ranks RUN [RUN…]

Only trials that had their full budget count, so the run has to be one without early stopping
(`--objective pareto`), or what was stopped would be missing. For each epoch: Spearman's and
Kendall's correlation of the validation NLL with that of the last epoch, over the trials of a space,
and how many of the best third at the end stand in the best third, half and two thirds then: what
ASHA would have kept.
A model that still guesses ranks by chance, so the share of trials that read something, at least one
captcha in ten, stands beside it.
"""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from captcha_models.cli import command_line
from captcha_models.errors import InputError
from search.records import Records, read_run

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


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(runs: tuple[Path, ...]) -> None:
    """Rank correlation of each epoch with the last one, for every space of every run."""
    for path in runs:
        records = read_run(path)
        for space in records.run["spaces"]:
            curves = list(completed(records, space).values())
            epochs = {len(curve) for curve in curves}
            if len(curves) < LEAST or len(epochs) != 1:
                raise InputError(
                    f"{path}, {space}: {len(curves)} completed trials of {sorted(epochs)} epochs; "
                    f"at least {LEAST} of one length are needed"
                )
            last = [curve[-1]["valid_nll"] for curve in curves]
            title = f"{path.name}, {space}: {len(curves)} trials"
            table = Table("epoch", "Spearman", "Kendall", *KEPT, "reading", title=title)
            for epoch in range(epochs.pop()):
                early = [curve[epoch]["valid_nll"] for curve in curves]
                reading = [curve[epoch]["valid_captcha_accuracy"] >= 0.1 for curve in curves]
                table.add_row(
                    str(epoch + 1),
                    f"{spearmanr(early, last).statistic:.2f}",
                    f"{kendalltau(early, last).statistic:.2f}",
                    *(f"{kept(early, last, share):.0%}" for share in KEPT.values()),
                    f"{sum(reading) / len(reading):.0%}",
                )
            Console(width=100).print(table)


if __name__ == "__main__":
    command_line(main)
