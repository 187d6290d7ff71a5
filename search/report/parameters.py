"""Parameters of a space: their ranges, where values lie in them, and how much they matter."""

import math
import random
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from captcha_models.words import counted
from search.report.formats import share
from search.report.loader import Run, number
from search.store.leaderboard import objective_of

if TYPE_CHECKING:
    from spaces.space import Space

FEWEST = 5
"""With fewer trials no importance is computed."""
TREES = 16
SHUFFLES = 19
"""Greater than in all of so many is what chance does in one of twenty."""


def parameters(run: Run, space: str) -> dict[str, dict[str, Any]]:
    """The saved ranges by name: `low`, `high`, `log`, or `choices`, and the `baseline`.

    `whole` where all values are whole numbers; no comes before yes, in whatever order a space
    names them.
    """
    saved = run.about["spaces"][space]["space"]
    found = {}
    for name, one in saved["parameters"].items():
        ranges = one["attributes"]
        choices = ranges.get("choices")
        if choices and all(isinstance(choice, bool) for choice in choices):
            choices = sorted(choices)
        found[name] = {
            "low": number(ranges.get("low")),
            "high": number(ranges.get("high")),
            "log": bool(ranges.get("log")),
            "choices": choices,
            "whole": one["name"] == "IntDistribution",
            "baseline": saved["baseline"].get(name),
        }
    return found


def position(parameter: Mapping[str, Any], value: Any) -> float | None:
    """Where a value lies in a parameter's range, 0 to 1; None if it has no place there."""
    choices = parameter["choices"]
    if choices:
        same = [i for i, c in enumerate(choices) if c == value and type(c) is type(value)]
        return same[0] / max(1, len(choices) - 1) if same else None
    low, high, at = parameter["low"], parameter["high"], number(value)
    if at is None or low is None or high is None:
        return None
    if low == high:
        return 0.5
    if parameter["log"]:
        if min(low, at) <= 0:
            return None
        low, high, at = math.log(low), math.log(high), math.log(at)
    return float((at - low) / (high - low))


def importance(run: Run, space: str, board: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Which share of the differences between trials each parameter makes (fANOVA).

    Computed from the logarithm of the objective at each trial's last epoch; trials that failed or
    have not ended are left out, and so are parameters that do not appear in all trials. Trees
    find something in any trials; so a parameter counts only if its share is greater than the
    greatest of all in each of SHUFFLES tables whose results were dealt to the trials by chance.

    Args:
        run: the run.
        space: name of the space.
        board: its leaderboard, best first.

    Returns:
        `shares` of the variance by parameter, largest first, or empty; `telling`, the names of
        those that count; `chance`, the share that chance alone reaches; `num_trials`; `note`, why
        there is no result or nothing to be told from it, or None.

    Source: Hutter et al. 2014, as implemented in Optuna. PED-ANOVA, Optuna's default, found one
    decisive parameter of thirty in 2 of 30 studies of 40 trials by TPE, fANOVA in 28.
    """
    from spaces.space import Space

    metric = objective_of(run.records).metric
    rows = [
        row
        for row in board
        if row["state"] in ("completed", "stopped")
        and row["epochs"]
        and number(row.get(metric)) is not None
    ]
    result: dict[str, Any] = {
        "shares": {}, "telling": [], "chance": None, "num_trials": len(rows), "note": None,
    }  # fmt: skip
    if len(rows) < FEWEST:
        return {
            **result,
            "note": f"{counted(len(rows), 'trial is', 'trials are')} too few; at least {FEWEST} "
            "are needed",
        }
    try:
        table = Space.from_json(run.about["spaces"][space]["space"])
        points = [table.active({**table.fixed, **row["config"]}) for row in rows]
        shares, chance = against_chance(table, points, [_scaled(row[metric]) for row in rows])
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        return {**result, "note": f"cannot be computed from these records ({error})"}
    telling = [name for name, share in shares.items() if share > chance]
    note = (
        None
        if telling
        else (
            f"{len(rows)} trials cannot tell which parameter matters: none makes a greater share "
            f"of the differences than chance does ({share(chance, 0)})"
        )
    )
    return {**result, "shares": shares, "telling": telling, "chance": chance, "note": note}


def against_chance(
    table: "Space", points: Sequence[Mapping[str, Any]], values: Sequence[float]
) -> tuple[dict[str, float], float]:
    """Shares by parameter, the largest first; and the largest that shuffled values lead to."""
    found = _shares(table, points, values)
    rng = random.Random(0)
    shuffled = [rng.sample(values, len(values)) for _ in range(SHUFFLES)]
    most = [max(_shares(table, points, one).values(), default=0.0) for one in shuffled]
    return found, max(most)


def _shares(
    table: "Space", points: Sequence[Mapping[str, Any]], values: Sequence[float]
) -> dict[str, float]:
    from optuna import create_study, create_trial
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.logging import ERROR, set_verbosity

    set_verbosity(ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = create_study()
        for point, value in zip(points, values, strict=True):
            params = {k: v for k, v in point.items() if k in table.parameters}
            ranges = {k: table.parameters[k] for k in params}
            study.add_trial(create_trial(params=params, distributions=ranges, value=value))
        if len(set(values)) == 1:
            return {}
        shares = FanovaImportanceEvaluator(n_trees=TREES, seed=0).evaluate(study)
    return {k: float(v) for k, v in shares.items() if math.isfinite(v)}


def _scaled(value: float) -> float:
    """Nats and costs differ by factors; what can be 0 or less is taken as it is."""
    return math.log(value) if value > 0 else value
