"""Which parameters decided who is among the best: PED-ANOVA, on a study made from the records."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from search.report.loader import Run

LEAST = 5
"""With fewer trials nothing is said."""


def importance(run: Run, space: str, board: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How much each parameter's values among the best differ from those among all trials.

    Judged by the place in the leaderboard, so that trials stopped early count as what they are,
    behind; failed ones are left out. The best are a tenth, or five trials if that is more, though
    never above a half.

    Args:
        run: what is known.
        space: its name.
        board: its leaderboard, best first.

    Returns:
        `shares` by parameter, largest first, adding up to 1, or empty; `num_trials`, `num_best`;
        `note`, why nothing is said, or None.

    Source: Watanabe et al. 2023 (arXiv:2304.10255), as Optuna has it.
    """
    from optuna import create_study, create_trial
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.logging import ERROR, set_verbosity

    from spaces.space import Space

    set_verbosity(ERROR)
    rows = [row for row in board if row["state"] != "failed" and row["epochs"]]
    best = min(max(math.ceil(len(rows) / 10), 5), len(rows) // 2)
    told: dict[str, Any] = {"shares": {}, "num_trials": len(rows), "num_best": best, "note": None}
    if len(rows) < LEAST:
        return {**told, "note": f"{len(rows)} trials are too few to tell; {LEAST} are needed"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Space.from_json(run.about["spaces"][space]["space"])
            study = create_study()
            for place, row in enumerate(rows):
                values = table.active({**table.fixed, **row["config"]})
                params = {k: v for k, v in values.items() if k in table.parameters}
                among = {k: table.parameters[k] for k in params}
                trial = create_trial(params=params, distributions=among, value=float(place))
                study.add_trial(trial)
            judge = PedAnovaImportanceEvaluator(target_quantile=best / len(rows))
            shares = get_param_importances(study, evaluator=judge)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        return {**told, "note": f"cannot be told of these records ({error})"}
    return {**told, "shares": {k: float(v) for k, v in shares.items() if math.isfinite(v)}}
