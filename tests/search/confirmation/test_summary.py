"""Rows of listed trials: what they say together."""

from typing import Any

import pytest

from search.confirmation import summary as scores


def row(seed: int, fold: int, nlls: dict[str, float], read: dict[str, str]) -> dict[str, Any]:
    labels = list(nlls)
    return {
        "fold": fold, "folds": 2, "split_seed": 0, "seed": seed, "limit_train": None,
        "images": [f"{label}.png" for label in labels], "labels": labels,
        "nlls": list(nlls.values()), "read": [read.get(label, label) for label in labels],
        "train_nll": 0.5, "nll_raw": 1.0, "images_seen": 100, "seconds": 2.0, "temperature": 1.0,
        "parameters": 7, "arch": "pooled", "position_accuracy": 0.5,
    }  # fmt: skip


def test_rows_together() -> None:
    rows = [
        row(0, 0, {"ab": 1.0, "cd": 2.0}, {"cd": "ce"}),
        row(1, 0, {"ab": 3.0, "cd": 2.0}, {"cd": ""}),
    ]
    found = scores.summarise(rows)
    assert found["nll"]["mean"] == 2.0
    assert found["gap"]["mean"] == 1.5
    assert found["exact_match"]["mean"] == 0.5
    assert found["position_accuracy"]["mean"] == pytest.approx(5 / 8)
    assert found["cer"]["mean"] == pytest.approx(3 / 8)  # One edit and two, of four labels of two.
    # Version 0.1 kept it for CTC too, where positions mean nothing.
    assert "position_accuracy" not in scores.summarise([{**row, "arch": "crnn"} for row in rows])
    assert (found["num_images"], found["num_fits"], found["num_misread"]) == (2, 2, 2)
    assert scores.misread(rows) == [{"label": "cd", "wrong": 2, "scored": 2, "read": ["ce", ""]}]
    worse = [row(0, 0, {"ab": 1.5, "cd": 2.5}, {"cd": "ce"})]
    assert scores.difference(worse, rows)["nll"]["mean"] == 0.5


def test_images_are_left_out_of_rows_with_all_that_is_known_of_them() -> None:
    row = {
        "images": ["a.png", "b.png"],
        "labels": ["a", "b"],
        "read": ["a", "c"],
        "nlls": [1.0, 9.0],
        "nll": 5.0,
        "num_images": 2,
        "nll_raw": 6.0,
        "nlls_over_grid": [[1.0, 9.0], [2.0, 8.0], [3.0, 9.0]],
        "train_nll": 0.5,
    }
    kept = {
        "images": ["a.png"],
        "labels": ["a"],
        "read": ["a"],
        "nlls": [1.0],
        "nll": 1.0,
        "num_images": 1,
        "nll_raw": 3.0,
        "nlls_over_grid": [[1.0], [2.0], [3.0]],
        "train_nll": 0.5,
    }
    assert scores.leaving_out([row], ["b"]) == [kept]
    assert scores.leaving_out([row], ["a", "b"]) == []
    assert scores.leaving_out([row], []) == [row]
