"""Schedules: a constant rate rises, stays and falls as asked, and each epoch is a finished one."""

from typing import Any

import numpy as np
import pytest

from captcha_models.architectures import config_class
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.training.fit import fit
from captcha_models.training.schedule import WARM_UP, constant

SMALL: dict[str, Any] = {
    "cut": 6, "pool_height": True, "map_to_seq_hidden": 32, "rnn_hidden_1": 64,
    "rnn_hidden_2": 0, "batch_size": 8, "ema": 0.98,
}  # fmt: skip


def config_of(**values: Any) -> Config:
    return config_class("crnn").parse({**SMALL, **values})


def test_the_rate_rises_stays_and_falls() -> None:
    steps = 1000
    rate = constant(config_of(schedule="constant", lr=1e-3, cooldown=0.2), steps)
    rates = np.array([rate(step / steps) for step in range(steps)])
    assert rates[0] == pytest.approx(1e-3 / WARM_UP)
    assert rates[WARM_UP - 1 : 800] == pytest.approx(1e-3)
    assert (np.diff(rates[:WARM_UP]) > 0).all()
    assert (np.diff(rates[801:]) < 0).all()
    assert rates[900] == pytest.approx(0.5e-3)
    assert rates[-1] == pytest.approx(1e-3 / 200)


def test_without_a_cooldown_the_rate_stays() -> None:
    rate = constant(config_of(schedule="constant", lr=1e-3), 1000)
    assert rate(0.999) == rate(0.5) == 1e-3


def losses(images: LabelledImages, config: Config) -> list[float]:
    rows = np.arange(32)
    split = Split(train=rows, valid=rows[:8], test=rows[:0], fold=0, folds=5, seed=0)
    found: list[float] = []
    fit(
        config, images, split, seed=1, device="cpu",
        on_epoch=lambda metrics, state: found.append(metrics.train_loss),
    )  # fmt: skip
    return found


@pytest.mark.slow
def test_a_training_of_more_epochs_begins_as_one_of_fewer(drawn: LabelledImages) -> None:
    """What a rung has seen is what a training of so many epochs would have come to."""
    short, longer = (
        losses(drawn, config_of(schedule="constant", lr=1e-3, epochs=epochs)) for epochs in (1, 2)
    )
    assert longer[:1] == short


@pytest.mark.slow
def test_one_cycle_depends_on_its_length(drawn: LabelledImages) -> None:
    short, longer = (losses(drawn, config_of(lr=1e-3, epochs=epochs)) for epochs in (1, 2))
    assert longer[:1] != short
