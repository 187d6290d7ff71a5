"""Parameters, early epochs and seeds: which of them decide a training, by the recorded curves.

    python -m benchmarks.curves.decides [--curves results/curves]

For each table: how much worse trees predict the last epoch's nats of configurations that they have
not seen once a parameter's values are shuffled; how well each epoch ranks configurations as the
last one does; and the share of the variance that another seed makes.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.inspection import permutation_importance
from sklearn.model_selection import KFold

from benchmarks._lists import print_table
from benchmarks.curves.surrogate import Surrogate, trees
from benchmarks.search_replay import sets_of
from captcha_models.cli import command_line

FOLDS, SHUFFLES = 10, 10
READS = 0.5
"""Share of labels from which on a configuration counts as one that reads."""


def importances(surrogate: Surrogate) -> dict[str, tuple[float, float]]:
    """What shuffling a parameter costs, in shares of the variance of log nats that is explained.

    Returns:
        By parameter, the mean over folds and its standard error; the greatest first.
    """
    features, last = surrogate.table()
    drops = []
    for kept, out in KFold(FOLDS, shuffle=True, random_state=0).split(features):
        model = trees().fit(features[kept], last[kept])
        found = permutation_importance(
            model, features[out], last[out], n_repeats=SHUFFLES, random_state=0,
            scoring="neg_mean_squared_error",
        )  # fmt: skip
        drops.append(found.importances_mean / last.var())
    means, errors = np.mean(drops, axis=0), np.std(drops, axis=0) / np.sqrt(FOLDS)
    order = np.argsort(-means)
    names = list(surrogate.space.parameters)
    return {names[i]: (float(means[i]), float(errors[i])) for i in order}


def epoch_ranks(nlls: NDArray[np.float64]) -> list[float]:
    """Spearman's correlation of each epoch with the last one, of (N, E) nats."""
    return [float(spearmanr(column, nlls[:, -1]).statistic) for column in nlls.T]


def seed_share(pairs: Sequence[tuple[float, float]], every: NDArray[np.float64]) -> float:
    """Share of the variance of log nats that is between two seeds of one configuration."""
    differences = np.array([a - b for a, b in pairs])
    return float((differences**2).mean() / 2 / every.var())


@click.command()
@click.option("--curves", type=click.Path(path_type=Path), default=Path("results/curves"))
@click.option("--sets", default="", help="Names of tables, with commas; all by default.")
@click.option("--top", type=click.IntRange(1), default=12, show_default=True)
def main(curves: Path, sets: str, top: int) -> None:
    """Print what decides in each table."""
    for name, surrogate in sets_of(curves, [s for s in sets.split(",") if s]).items():
        lines = [
            [parameter, f"{mean:+.3f}", f"{error:.3f}", "yes" if mean > 2 * error else ""]
            for parameter, (mean, error) in list(importances(surrogate).items())[:top]
        ]
        print_table(
            f"{name}: what shuffling a parameter costs, share of the variance",
            ["parameter", "mean", "standard error", "tells"], lines,
        )  # fmt: skip
        curves_of = surrogate.curves_of(0)
        nlls = np.array([c.valid_nll for c in curves_of if len(c.valid_nll) == surrogate.epochs])
        reads = np.array(
            [c.accuracy[-1] >= READS for c in curves_of if len(c.valid_nll) == surrogate.epochs]
        )
        ranks = {"all": nlls, f"read {READS:.0%} at the end": nlls[reads]}
        print_table(
            f"{name}: rank correlation of an epoch with the last",
            ["configurations", "number", *(str(e + 1) for e in range(surrogate.epochs))],
            [
                [of, str(len(part)), *(f"{rank:.2f}" for rank in epoch_ranks(part))]
                for of, part in ranks.items() if len(part) > 2
            ],
        )  # fmt: skip
        if pairs := surrogate.pairs():
            share = seed_share(pairs, surrogate.table()[1])
            click.echo(f"{name}: {len(pairs)} pairs of seeds; the seed makes {share:.1%} of it")


if __name__ == "__main__":
    command_line(main)
