"""Trials of a list: what makes two the same, which images they train on, how they go on."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import is_locked
from captcha_models.errors import InputError
from captcha_models.training.fit import fit as train_fit
from captcha_models.training.metrics import EpochMetrics
from search.store.listed import ListedTrial
from search.tuning.task import Data, Savable, Task, train

FIT = ListedTrial("a", "crnn", config_class("crnn")().model_dump(), seed=1, fold=0, folds=5)


def test_the_key_is_of_all_but_the_name() -> None:
    same = FIT.key("d")
    assert replace(FIT, name="b").key("d") == replace(FIT, keep=True).key("d") == same
    changes: list[dict[str, Any]] = [
        {"seed": 2}, {"fold": 1}, {"fold": None}, {"folds": 6}, {"split_seed": 1},
        {"limit_train": 50}, {"all_images": True}, {"scored": False},
        {"config": {**FIT.config, "lr": 1e-3}},
        {"arch": "pooled", "config": {}},
    ]  # fmt: skip
    keys = [replace(FIT, **change).key("d") for change in changes]
    assert len({same, FIT.key("e"), *keys}) == len(changes) + 2


def test_a_field_at_its_default_leaves_the_key() -> None:
    assert replace(FIT, config={"lr": 3e-3}).key("d") == FIT.key("d")


def test_parts(drawn: LabelledImages) -> None:
    names = drawn.names
    fold = FIT.split(drawn)
    assert not any(is_locked(names[i]) for i in (*fold.train, *fold.valid))
    test = replace(FIT, fold=None).split(drawn)
    assert len(test.valid) == 0
    assert {names[i] for i in test.test} == {name for name in names if is_locked(name)}
    limited = replace(FIT, limit_train=20, seed=4).split(drawn)
    assert len(limited.train) == 20
    assert limited.valid.tolist() == fold.valid.tolist()
    folds = [replace(FIT, all_images=True, fold=i).split(drawn) for i in range(5)]
    held = [i for split in folds for i in split.valid.tolist()]
    assert sorted(held) == list(range(len(names)))
    assert all(len(split.test) == 0 for split in folds)


@pytest.mark.slow
def test_a_listed_trial_goes_on_from_its_checkpoint(drawn: LabelledImages, tmp_path: Path) -> None:
    config = config_class("crnn").parse({"cut": 5, "batch_size": 16, "epochs": 2})
    listed = replace(FIT, config=config.model_dump(), fold=None)
    data = Data(drawn, listed.split(drawn))

    def trained(resume: Path | None, **changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def on_epoch(metrics: EpochMetrics, state: Savable) -> None:
            if metrics.epoch == 1:
                assert state.predictions() is None
                state.save_checkpoint(tmp_path)
            else:
                found.update(state.predictions() or {}, epochs=metrics.epoch)

        spec = replace(listed, **changes).spec
        train(Task("crnn", config.model_dump(), listed.seed, split=spec), data, on_epoch, resume)
        return found

    whole = trained(None)
    assert whole["epochs"] == 2
    locked = {name for name in drawn.names if is_locked(name)}
    assert set(whole["images"]) == locked
    assert trained(tmp_path) == whole
    with pytest.raises(InputError, match="limit = 5000"):
        trained(None, limit_train=5000)
    # A checkpoint that cannot be gone on from is left alone, and the training begun afresh.
    (tmp_path / "checkpoint.safetensors").write_bytes(b"nothing")
    assert trained(tmp_path) == whole


@pytest.mark.slow
def test_scoring_the_last_epoch_alone_changes_nothing_in_it(drawn: LabelledImages) -> None:
    config = config_class("crnn").parse(
        {"cut": 5, "batch_size": 16, "epochs": 2, "ema": 0.9, "calibrate": True}
    )
    found: dict[bool, list[EpochMetrics]] = {True: [], False: []}
    for every, seen in found.items():
        train_fit(
            config,
            drawn,
            FIT.split(drawn),
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
