"""Schedules: how the learning rate and the momentum go over one training.

One cycle is the article's. Its rate is still high when most of the epochs are over, so that what a
trial is worth shows only near its end. At a constant rate with averaged weights every epoch ends
with a finished model, and what comes later changes nothing of what came before: a training of more
epochs begins as one of fewer.

Source: one cycle, Smith 2018 (arXiv:1803.09820) by fastai; a constant rate with averaged weights,
Hägele et al. 2024 (arXiv:2405.18392).
"""

from collections.abc import Callable

from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner

from captcha_models.config import Config

WARM_UP = 100
"""Steps over which a constant rate rises from nearly nothing."""
MOMENTUM = 0.9
"""At a constant rate; one cycle's goes from 0.95 to 0.85 and back."""


def train(learner: Learner, config: Config, start_epoch: int) -> None:
    """Run a learner's epochs by the configuration's schedule.

    Args:
        learner: ready to train.
        config: says the schedule, the peak of the rate and the epochs.
        start_epoch: so many epochs are over already.
    """
    if config.schedule == "one_cycle":
        learner.fit_one_cycle(config.epochs, config.lr, start_epoch=start_epoch)
        return
    steps = config.epochs * len(learner.dls.train)
    rates = ParamScheduler({"lr": constant(config, steps), "mom": lambda share: MOMENTUM})
    learner.fit(config.epochs, config.lr, cbs=[rates], start_epoch=start_epoch)


def constant(config: Config, steps: int) -> Callable[[float], float]:
    """The rate after a share of all steps, in [0, 1): rising, staying, falling if asked.

    Args:
        config: says the peak, and the share of the steps over which it falls to 0.
        steps: of the whole training.
    """

    def rate(share: float) -> float:
        rising = min(1.0, (share * steps + 1) / WARM_UP)
        falling = min(1.0, (1 - share) / config.cooldown) if config.cooldown else 1.0
        return config.lr * min(rising, falling)

    return rate
