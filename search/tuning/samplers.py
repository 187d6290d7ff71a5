"""Samplers by their names: what proposes the points after the starting points."""

import numpy as np
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

from search.tuning.names import SamplerName
from search.tuning.prior_sampler import PriorSampler
from spaces.space import Space


def sampler_of(
    name: SamplerName | None, space: Space, seed: int, begun: int, trials: int
) -> BaseSampler:
    """A sampler for a space.

    Args:
        name: `prior` draws near the priors and near the best; `tpe`, `gp`, `qmc` and `random` are
            Optuna's. By default `prior` for a space that has priors, `tpe` for all others.
        space: what varies.
        seed: of the search.
        begun: trials so far; a resumed search would otherwise draw the same points again.
        trials: of the search; a model of few cannot spend ten of them on chance alone.
    """
    name = name or ("prior" if space.priors else "tpe")
    if name == "prior":
        return PriorSampler(space, seed)  # Each trial has a seed of its own.
    mixed = int(np.random.SeedSequence([seed, begun]).generate_state(1)[0])
    by_chance = min(10, 2 + trials // 4)
    if name == "tpe":
        return TPESampler(multivariate=True, group=True, seed=mixed, n_startup_trials=by_chance)
    if name == "gp":
        return GPSampler(seed=mixed, n_startup_trials=by_chance)
    # Unscrambled every seed would give the same points.
    return QMCSampler(scramble=True, seed=mixed) if name == "qmc" else RandomSampler(seed=mixed)
