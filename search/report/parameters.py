"""Parameters of a space: their ranges, where values lie in them, and how much they matter."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from search.report.loader import Run, number

FEWEST = 5
"""With fewer trials no importance is computed."""


def parameters(run: Run, space: str) -> dict[str, dict[str, Any]]:
    """The saved ranges by name: `low`, `high`, `log`, or `choices`, and the `baseline`."""
    saved = run.about["spaces"][space]["space"]
    found = {}
    for name, one in saved["parameters"].items():
        ranges = one["attributes"]
        found[name] = {
            "low": number(ranges.get("low")),
            "high": number(ranges.get("high")),
            "log": bool(ranges.get("log")),
            "choices": ranges.get("choices"),
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
    """How far each parameter's values among the best trials are from those among all (PED-ANOVA).

    Computed from the rank in the leaderboard, so that trials stopped early count as what they are,
    behind; failed ones are left out. The best are a tenth, or five trials if that is more, but
    never more than half.

    Args:
        run: the run.
        space: name of the space.
        board: its leaderboard, best first.

    Returns:
        `shares` by parameter, largest first, adding up to 1, or empty; `num_trials`, `num_best`;
        `note`, why there is no result, or None.

    Source: Watanabe et al. 2023 (arXiv:2304.10255), as implemented in Optuna.
    """
    from optuna import create_study, create_trial
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.logging import ERROR, set_verbosity

    from spaces.space import Space

    set_verbosity(ERROR)
    rows = [row for row in board if row["state"] != "failed" and row["epochs"]]
    best = min(max(math.ceil(len(rows) / 10), 5), len(rows) // 2)
    result: dict[str, Any] = {"shares": {}, "num_trials": len(rows), "num_best": best, "note": None}
    if len(rows) < FEWEST:
        return {**result, "note": f"{len(rows)} trials are too few; at least {FEWEST} are needed"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Space.from_json(run.about["spaces"][space]["space"])
            study = create_study()
            for rank, row in enumerate(rows):
                values = table.active({**table.fixed, **row["config"]})
                params = {k: v for k, v in values.items() if k in table.parameters}
                ranges = {k: table.parameters[k] for k in params}
                trial = create_trial(params=params, distributions=ranges, value=float(rank))
                study.add_trial(trial)
            evaluator = PedAnovaImportanceEvaluator(target_quantile=best / len(rows))
            shares = get_param_importances(study, evaluator=evaluator)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        return {**result, "note": f"cannot be computed from these records ({error})"}
    return {**result, "shares": {k: float(v) for k, v in shares.items() if math.isfinite(v)}}
