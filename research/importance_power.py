"""Power of the page's importances: how often they name the one parameter that decides.

    python -m research.importance_power [--repeats 20]

Simulated studies of thirty parameters, of which one opens a cliff as CTC has it, and studies whose
results are chance alone. Told is a study of which some parameter is called important; right is one
whose first such parameter is the decisive one.
"""

import warnings
from typing import Any

import click
import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from benchmarks._lists import print_table
from search.report.parameters import against_chance
from spaces.space import Space

SIZE = 30
TRIALS = (8, 20, 40)
SPACE = Space(
    name="simulated",
    parameters={f"p{i}": FloatDistribution(0.0, 1.0) for i in range(SIZE)},
    baseline={f"p{i}": 0.5 for i in range(SIZE)},
)


def sampler_of(name: str, seed: int) -> BaseSampler:
    """A sampler of Optuna's."""
    if name == "random":
        return RandomSampler(seed)
    return TPESampler(multivariate=True, group=True, seed=seed, n_startup_trials=10)


def study(
    sampler: BaseSampler, seed: int, trials: int, decisive: bool
) -> tuple[list[dict[str, Any]], list[float], str]:
    """Points and values of a study, and the parameter that decides it, if one does."""
    rng = np.random.default_rng(seed)
    name = f"p{rng.integers(SIZE)}"
    found = optuna.create_study(sampler=sampler)
    for _ in range(trials):
        trial = found.ask(dict(SPACE.parameters))
        at, noise = trial.params[name], rng.normal()
        cliff = 0.9 if at < 0.35 else 0.2 + 0.3 * abs(at - 0.7)
        found.tell(trial, cliff + 0.05 * noise if decisive else noise)
    return [t.params for t in found.trials], [float(t.value or 0.0) for t in found.trials], name


@click.command()
@click.option("--repeats", type=click.IntRange(1), default=20, show_default=True)
def main(repeats: int) -> None:
    """Print how often the decisive parameter is named, and how often one of chance."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines = []
    for name in ("random", "TPE"):
        for trials in TRIALS:
            counts = []
            for decisive in (True, False):
                told = right = 0
                for seed in range(repeats):
                    sampler = sampler_of(name, seed)
                    points, values, parameter = study(sampler, seed, trials, decisive)
                    shares, chance = against_chance(SPACE, points, values)
                    telling = [key for key, share in shares.items() if share > chance]
                    told += bool(telling)
                    right += telling[:1] == [parameter]
                counts += [f"{right if decisive else told} of {repeats}"]
            lines.append([name, str(trials), *counts])
    print_table(
        "studies of thirty parameters", ["sampler", "trials", "right", "told by chance"], lines
    )


if __name__ == "__main__":
    main()
