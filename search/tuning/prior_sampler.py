"""Sampler for few trials: draws near the priors, changes the best so far, leaves a share to chance.

It is the default of spaces that have priors (`samplers.sampler_of`).

A search of a small recogniser affords ten to sixty trainings, too few for a model of the objective
over many parameters. What is known before, where good values lie and how far from there it is worth
looking, stands in the space; what is learned by the search is which of its trials are best.

Source: the mixture of prior, mutation and chance is that of PriorBand (Mallik et al. 2023,
arXiv:2306.12370); the priors' weight falls with the trials seen.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from spaces.prior import Prior, drawn
from spaces.space import Space

CHANCE = 0.1
"""Share of the proposals that are drawn from the whole space."""
ELITE = 3
"""So many of the best trials are changed, the better ones more often."""
LEAST = 2
"""Trials that have reported before one of them is changed."""
CHANGED = 0.4
"""Share of the parameters that a change touches."""
AGAIN = 20
"""Times that a point which was tried is drawn anew, at most."""
REACH = 0.15
"""Standard deviation of a change, as a share of the range."""


class PriorSampler(BaseSampler):
    """Proposes the points of one space.

    A proposal depends on the seed, the trial's number and what the study holds, and on nothing else
    that was proposed: a search that goes on after a kill proposes what it would have.

    Args:
        space: with the priors.
        seed: of the search.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._independent = RandomSampler(seed)

    def reseed_rng(self) -> None:
        """Nothing: every trial has a generator of its own."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All parameters: they are drawn together."""
        return dict(self._space.parameters)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A point of the space, by the parameters' names; one that was tried is drawn again."""
        rng = np.random.default_rng([self._seed, trial.number])
        ranked = best_first(study)
        tried = [one.params for one in study.get_trials(deepcopy=False)]
        point = self._point(rng, ranked, search_space)
        for _ in range(AGAIN):  # Of few choices all may have been tried.
            if point not in tried:
                break
            point = self._point(rng, ranked, search_space)
        return point

    def _point(
        self,
        rng: np.random.Generator,
        ranked: Sequence[Mapping[str, Any]],
        search_space: Mapping[str, BaseDistribution],
    ) -> dict[str, Any]:
        kind = rng.random()
        if kind < CHANCE:
            return {k: drawn(rng, among, None) for k, among in search_space.items()}
        share = len(ranked) / (len(ranked) + 2 * ELITE)
        if len(ranked) < LEAST or kind >= CHANCE + (1 - CHANCE) * share:
            priors = self._space.priors
            return {k: drawn(rng, among, priors.get(k)) for k, among in search_space.items()}
        return self._changed(rng, ranked, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value of a parameter that the space does not have, by chance."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _changed(
        self,
        rng: np.random.Generator,
        ranked: Sequence[Mapping[str, Any]],
        search_space: Mapping[str, BaseDistribution],
    ) -> dict[str, Any]:
        """A good point, with some values of another good one and some moved."""
        elite = ranked[:ELITE]
        weights = np.array([0.5**i for i in range(len(elite))])
        parent, other = rng.choice(len(elite), 2, p=weights / weights.sum())
        own, priors = elite[parent], self._space.priors
        found: dict[str, Any] = {}
        for name, among in search_space.items():
            value = elite[other].get(name) if rng.random() < 0.3 else own.get(name)
            if value is None:
                value = own.get(name)
            if value is None:
                found[name] = drawn(rng, among, priors.get(name))
            elif rng.random() < CHANGED:
                found[name] = drawn(rng, among, Prior(value, REACH))
            else:
                found[name] = value
        return found


def best_first(study: Study) -> list[dict[str, Any]]:
    """Parameters of the trials that have reported, the best first, unfinished ones among them.

    Of several objectives a trial is the better the fewer others are better in all of them;
    unfinished ones, of which only one objective is known, are then left out.
    """
    signs = [1.0 if one == StudyDirection.MINIMIZE else -1.0 for one in study.directions]
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.FAIL:
            continue
        values = trial.values if trial.state == TrialState.COMPLETE else None
        if values is None and trial.intermediate_values and len(signs) == 1:
            values = [trial.intermediate_values[max(trial.intermediate_values)]]
        if values is not None and all(map(math.isfinite, values)):
            infeasible = sum(max(0.0, v) for v in (trial.constraints or {}).values())
            costs = [sign * value for sign, value in zip(signs, values, strict=True)]
            found.append((infeasible, costs, trial))

    def order(entry: tuple[float, list[float], FrozenTrial]) -> tuple[float, float, int]:
        infeasible, costs, trial = entry
        rank = costs[0] if len(costs) == 1 else sum(_dominates(o, costs) for _, o, _ in found)
        return infeasible, rank, trial.number

    return [trial.params for *_, trial in sorted(found, key=order)]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
