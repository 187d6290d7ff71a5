"""Means against the gap that every architecture can take; the baselines have none but rotation."""

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces.space import Value

MEANS: dict[str, BaseDistribution] = {
    "augment_rotate": Choice([True, False]),
    "augment_shape": Choice([False, True]),
    "augment_elastic": Choice([False, True]),
    "augment_blur": Choice([False, True]),
    "augment_noise": Choice([False, True]),
    "augment_erase": Choice([False, True]),
    "splice": Float(0.0, 0.8),
    "synthetic_share": Float(0.0, 1.0),
    "synthetic_steps": Int(0, 300, step=50),
    "clip": Choice([0.0, 5.0]),
    "ema": Choice([0.0, 0.9, 0.98]),
    "calibrate": Choice([False, True]),
    "normalize": Choice([False, True]),
    "bf16": Choice([True, False]),
}

OFF: dict[str, Value] = {
    "augment_rotate": True,
    "augment_shape": False,
    "augment_elastic": False,
    "augment_blur": False,
    "augment_noise": False,
    "augment_erase": False,
    "splice": 0.0,
    "synthetic_share": 0.0,
    "synthetic_steps": 0,
    "clip": 0.0,
    "ema": 0.0,
    "calibrate": False,
    "normalize": False,
    "bf16": False,
}
