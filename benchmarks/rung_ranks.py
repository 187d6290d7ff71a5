"""How truly an early epoch ranks trials: rank correlation with the end, on recorded runs.

    python -m benchmarks.rung_ranks RUN [RUN…]

Only trials that had their full budget count, so the run has to be one without early stopping
(`--objective pareto`), or what was stopped would be missing. For each epoch: Spearman's and
Kendall's correlation of the validation NLL with that of the last epoch, over the trials of a space,
and how many of the best third at the end stand in the best third then: what ASHA would have kept.
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
from search.settings import REDUCTION


def completed(records: Records, space: str) -> dict[str, list[dict[str, Any]]]:
    """The epochs of each trial that had its full budget, in order."""
    return {
        name: [row for _, row in sorted(records.epochs[name].items())]
        for name, trial in records.trials.items()
        if trial["space"] == space and trial["state"] == "completed"
    }


def kept(early: list[float], last: list[float]) -> float:
    """Share of the best third at the end that is in the best third early."""
    third = max(1, len(last) // REDUCTION)
    best, then = (set(sorted(range(len(v)), key=v.__getitem__)[:third]) for v in (last, early))
    return len(best & then) / third


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(runs: tuple[Path, ...]) -> None:
    """Rank correlation of each epoch with the last one, for every space of every run."""
    for path in runs:
        records = read_run(path)
        for space in records.run["spaces"]:
            curves = list(completed(records, space).values())
            epochs = {len(curve) for curve in curves}
            if len(curves) < 2 * REDUCTION or len(epochs) != 1:
                raise InputError(
                    f"{path}, {space}: {len(curves)} completed trials of {sorted(epochs)} epochs; "
                    f"at least {2 * REDUCTION} of one length are needed"
                )
            last = [curve[-1]["valid_nll"] for curve in curves]
            title = f"{path.name}, {space}: {len(curves)} trials"
            table = Table("epoch", "Spearman", "Kendall", "best third kept", "reading", title=title)
            for epoch in range(epochs.pop()):
                early = [curve[epoch]["valid_nll"] for curve in curves]
                reading = [curve[epoch]["valid_captcha_accuracy"] >= 0.1 for curve in curves]
                table.add_row(
                    str(epoch + 1),
                    f"{spearmanr(early, last).statistic:.2f}",
                    f"{kendalltau(early, last).statistic:.2f}",
                    f"{kept(early, last):.0%}",
                    f"{sum(reading) / len(reading):.0%}",
                )
            Console(width=100).print(table)


if __name__ == "__main__":
    command_line(main)
