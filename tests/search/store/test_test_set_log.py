"""The locked test set is looked at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import is_locked
from captcha_models.errors import InputError
from search.store.test_set_log import Ledger, locked_digest


def test_a_second_look_is_refused_and_a_forced_one_recorded(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "runs", "d" * 64)
    ledger.assert_free("one", force=False)
    ledger.take("one", "runs/a", force=False)
    ledger.finish("one")
    for plan in ("one", "other"):
        with pytest.raises(InputError, match=r"looked at on 20.* by runs/a \(1 evaluation"):
            ledger.take(plan, "runs/b", force=False)
    assert len(ledger.looks()) == 1
    ledger.take("other", "runs/b", force=True, spaces=["crnn"])
    assert [(look["run"], look["forced"]) for look in ledger.looks()] == [
        ("runs/a", False),
        ("runs/b", True),
    ]


def test_a_look_that_was_begun_goes_on_and_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "d" * 64)
    for _ in range(2):
        ledger.take("one", "runs/a", force=False)
    with pytest.raises(InputError):
        ledger.take("other", "runs/a", force=False)
    assert len(ledger.looks()) == 1


def test_another_test_set_is_free(tmp_path: Path) -> None:
    Ledger(tmp_path, "d" * 64).take("one", "runs/a", force=False)
    Ledger(tmp_path, "e" * 64).take("one", "runs/b", force=False)
    assert len(Ledger(tmp_path, "e" * 64).looks()) == 1


def test_the_digest_is_of_the_locked_images_alone(drawn: LabelledImages) -> None:
    locked = np.array([is_locked(name) for name in drawn.names])
    noise = np.random.default_rng(0).integers(0, 256, drawn.pixels.shape, dtype=np.uint8)

    def digest(where: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> str:
        pixels = np.where(where[:, None, None, None], noise, drawn.pixels)
        return locked_digest(replace(drawn, pixels=pixels))

    assert digest(~locked) == locked_digest(drawn)
    assert digest(locked) != locked_digest(drawn)
