"""Fits: what makes two the same, which images they train on, what their rows say together."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import is_locked
from captcha_models.training.fit import fit as train
from captcha_models.training.metrics import EpochMetrics
from captcha_models.training.state import Snapshot
from search.confirmation import summary as scores
from search.confirmation.fits import Fit, run_fit

FIT = Fit("a", "crnn", config_class("crnn")().model_dump(), seed=1, fold=0, folds=5)


def test_the_key_is_of_all_but_the_name() -> None:
    same = FIT.key("d")
    assert replace(FIT, name="b").key("d") == same
    changes: list[dict[str, Any]] = [
        {"seed": 2}, {"fold": 1}, {"fold": None}, {"folds": 6}, {"split_seed": 1},
        {"limit_train": 50}, {"all_images": True}, {"config": {**FIT.config, "lr": 1e-3}},
        {"arch": "pooled", "config": {}},
    ]  # fmt: skip
    keys = [replace(FIT, **change).key("d") for change in changes]
    assert len({same, FIT.key("e"), *keys}) == len(changes) + 2


def test_a_field_at_its_default_leaves_the_key() -> None:
    assert replace(FIT, config={"lr": 3e-3}).key("d") == FIT.key("d")


def test_parts(drawn: LabelledImages) -> None:
    names = drawn.names
    fold = FIT.split(names)
    assert not any(is_locked(names[i]) for i in (*fold.train, *fold.valid))
    test = replace(FIT, fold=None).split(names)
    assert len(test.valid) == 0
    assert {names[i] for i in test.test} == {name for name in names if is_locked(name)}
    limited = replace(FIT, limit_train=20, seed=4).split(names)
    assert len(limited.train) == 20
    assert limited.valid.tolist() == fold.valid.tolist()
    folds = [replace(FIT, all_images=True, fold=i).split(names) for i in range(5)]
    held = [i for split in folds for i in split.valid.tolist()]
    assert sorted(held) == list(range(len(names)))
    assert all(len(split.test) == 0 for split in folds)


def row(seed: int, fold: int, nlls: dict[str, float], read: dict[str, str]) -> dict[str, Any]:
    labels = list(nlls)
    return {
        "fold": fold, "folds": 2, "split_seed": 0, "seed": seed, "limit_train": None,
        "images": [f"{label}.png" for label in labels], "labels": labels,
        "nlls": list(nlls.values()), "read": [read.get(label, label) for label in labels],
        "train_nll": 0.5, "nll_raw": 1.0, "images_seen": 100, "seconds": 2.0, "temperature": 1.0,
        "parameters": 7,
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
    assert (found["num_images"], found["num_fits"], found["num_misread"]) == (2, 2, 2)
    assert scores.misread(rows) == [{"label": "cd", "wrong": 2, "scored": 2, "read": ["ce", ""]}]
    worse = [row(0, 0, {"ab": 1.5, "cd": 2.5}, {"cd": "ce"})]
    assert scores.difference(worse, rows)["nll"]["mean"] == 0.5


@pytest.mark.slow
def test_a_fit_goes_on_from_its_checkpoint(drawn: LabelledImages, tmp_path: Path) -> None:
    config = config_class("crnn").parse({"cut": 5, "batch_size": 16, "epochs": 2})
    fit = replace(FIT, config=config.model_dump(), fold=None)
    whole = run_fit(fit, drawn, 1, 0.0, tmp_path / "none")

    def keep_the_first(metrics: EpochMetrics, snapshot: Snapshot) -> None:
        if metrics.epoch == 1:
            snapshot.save_checkpoint(tmp_path / "begun")

    split = fit.split(drawn.names)
    first = {"on_epoch": keep_the_first, "every_epoch": False}
    train(config, drawn, split, seed=fit.seed, device="cpu", **first)
    resumed = run_fit(fit, drawn, 1, 0.0, tmp_path / "begun")
    assert whole["error"] is None
    assert resumed["epochs"] == 2
    clocks = ("seconds", "ended")
    assert {k: v for k, v in resumed.items() if k not in clocks} == {
        k: v for k, v in whole.items() if k not in clocks
    }
    broken = run_fit(replace(fit, limit_train=5000), drawn, 1, 0.0, tmp_path / "none")
    assert broken["error"].startswith("InputError: limit = 5000")


@pytest.mark.slow
def test_scoring_the_last_epoch_alone_changes_nothing_in_it(drawn: LabelledImages) -> None:
    config = config_class("crnn").parse(
        {"cut": 5, "batch_size": 16, "epochs": 2, "ema": 0.9, "calibrate": True}
    )
    found: dict[bool, list[EpochMetrics]] = {True: [], False: []}
    for every, seen in found.items():
        train(
            config,
            drawn,
            FIT.split(drawn.names),
            seed=0,
            on_epoch=lambda metrics, snapshot, seen=seen: seen.append(metrics),  # type: ignore[misc]
            device="cpu",
            every_epoch=every,
        )
    (first, last), (unscored, alone) = found[True], found[False]
    assert math.isnan(unscored.valid_nll) and math.isnan(unscored.train_nll)
    assert unscored.train_loss == first.train_loss
    clocks = {"seconds": 0.0, "images_per_s": 0.0}
    assert replace(alone, **clocks) == replace(last, **clocks)


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
