"""One temperature for the models of several folds, fitted without the images it is judged on.

A model that is trained on all images has none left to fit a temperature to: it takes the one that
models of the same configuration needed on images they had not seen. How well that works is what
confirmation and cross-validation have to tell, so each fold is scored at the temperature that
suits the other folds; the fold's own temperature would need misread images of its own, and a fold
of a hundred images often has none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from captcha_models.training.metrics import GRID, doubt

Row = dict[str, Any]
OVER_GRID = "nlls_over_grid"
"""(G, N) of a row: each image's nats at each temperature of the grid."""


def across_folds(rows: Sequence[Row]) -> list[Row]:
    """The rows of one configuration, each at the temperature of the other folds.

    A row whose configuration is not to be calibrated, or which has no other folds beside it, stays
    as it is. `nlls`, `nll`, `train_nll`, `gap` and `temperature` are replaced.
    """
    return [_at(row, [other for other in rows if other["fold"] != row["fold"]]) for row in rows]


def shared_temperature(rows: Sequence[Row]) -> float | None:
    """The most probable of the grid, given all rows; None if they are not calibrated."""
    best = _best(rows)
    return None if best is None else float(GRID[best])


def _at(row: Row, others: Sequence[Row]) -> Row:
    best = _best(others) if OVER_GRID in row else None
    if best is None:
        return row
    nlls, seen = row[OVER_GRID][best], row["train_nll_over_grid"][best]
    nll = float(np.mean(nlls))
    return {
        **row,
        "nlls": nlls,
        "nll": nll,
        "train_nll": seen,
        "gap": nll - seen,
        "temperature": float(GRID[best]),
    }


def _best(rows: Sequence[Row]) -> int | None:
    """Which temperature of the grid is the most probable."""
    found = [np.asarray(row[OVER_GRID]).sum(axis=1) for row in rows if OVER_GRID in row]
    before = [doubt(temperature) for temperature in GRID]
    return int(np.argmin(np.sum(found, axis=0) + before)) if found else None
