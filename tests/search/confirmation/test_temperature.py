"""One temperature for the models of several folds."""

from typing import Any

import numpy as np
import pytest
import torch

from captcha_models.architectures import build, config_class
from captcha_models.data.images import LabelledImages
from captcha_models.training.evaluation import evaluate, nlls_over_grid
from captcha_models.training.metrics import GRID
from search.confirmation import summary as scores
from search.confirmation import temperature as calibration


def row(fold: int, needs: int) -> dict[str, Any]:
    """A row of one image whose NLL is least at temperature number `needs`, where it is 0."""
    over = [10.0 * abs(k - needs) for k in range(len(GRID))]
    return {
        "fold": fold, "folds": 3, "split_seed": 0, "seed": fold, "limit_train": None,
        "images": [f"{fold}.png"], "labels": ["ab"], "read": ["ab"], "nlls": [9.0], "nll": 9.0,
        "nll_raw": 9.0, "train_nll": 5.0, "gap": 4.0, "temperature": 1.0, "images_seen": 1,
        "seconds": 1.0, "parameters": 1, "nlls_over_grid": [[one] for one in over],
        "train_nll_over_grid": [one / 10 for one in over],
    }  # fmt: skip


def test_each_fold_is_scored_at_the_temperature_of_the_others() -> None:
    rows = [row(0, 2), row(1, 5), row(2, 5)]
    found = calibration.across_folds(rows)
    # The others of fold 0 need number 5, three steps from its own; those of the rest lie between
    # 2 and 5, where all are alike and the first is taken.
    assert [one["nll"] for one in found] == [30.0, 30.0, 30.0]
    assert found[0]["temperature"] == GRID[5]
    assert found[0]["train_nll"] == pytest.approx(3.0)
    assert found[0]["gap"] == pytest.approx(27.0)
    assert rows[0]["nll"] == 9.0
    assert scores.summarise(found)["temperature"] == GRID[5]
    assert scores.summarise(found)["nll"]["mean"] == 30.0


def test_without_other_folds_or_calibration_rows_stay() -> None:
    same = [row(0, 2), {**row(0, 5), "seed": 1}]
    assert calibration.across_folds(same) == same
    plain = [{k: v for k, v in row(i, 3).items() if "grid" not in k} for i in range(2)]
    assert calibration.across_folds(plain) == plain
    assert calibration.shared_temperature(plain) is None
    assert scores.summarise(plain)["temperature"] == 1.0


def test_images_that_are_all_read_leave_the_temperature_where_it_was() -> None:
    sure = [{**row(i, 0), "nlls_over_grid": [[1e-4 * t] for t in GRID]} for i in range(2)]
    assert calibration.shared_temperature(sure) == 1.0
    wrong = {**row(2, 0), "nlls_over_grid": [[20 / t] for t in GRID]}
    assert calibration.shared_temperature([*sure, wrong]) > 2
    assert calibration.across_folds([*sure, wrong])[2]["nll"] == 20.0


def test_the_grid_holds_what_evaluation_says(drawn: LabelledImages) -> None:
    torch.manual_seed(0)
    config = config_class("crnn").parse({"cut": 5})
    model = build(config, drawn.charset, 5)
    pixels, labels = torch.from_numpy(drawn.pixels[:6]), drawn.labels[:6]
    found = nlls_over_grid(model, pixels, labels)
    assert found.shape == (len(GRID), 6)
    for place in (GRID.index(1.0), len(GRID) - 1):
        model.temperature.fill_(GRID[place])
        expected = evaluate(model, pixels, labels).nlls
        np.testing.assert_allclose(found[place], expected, rtol=1e-4)
