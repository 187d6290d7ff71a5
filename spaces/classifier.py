"""Parameters of both classifiers; the baseline is the source's, each adds its own head's."""

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces.regularisation import MEANS, OFF
from spaces.space import Condition, Value

PARAMETERS: dict[str, BaseDistribution] = {
    "lr": Float(3e-4, 1e-2, log=True),
    "cut": Int(6, 8),
    "coordinates": Choice([False, True]),
    "dropout_1": Float(0.0, 0.7),
    "dropout_2": Float(0.0, 0.7),
    "label_smoothing": Float(0.0, 0.3),
    "joint_weight": Choice([0.0, 0.3, 1.0]),
    "weight_decay": Float(1e-4, 0.3, log=True),
    "batch_size": Int(8, 32, step=8),
    "augment": Float(0.0, 1.5),
    **MEANS,
}

CONDITIONS = {
    # The second head is what finds where to cut.
    "splice": Condition("joint_weight", (0.3, 1.0)),
}

BASELINE: dict[str, Value] = {
    "lr": 3e-3,
    "cut": 8,
    "coordinates": False,
    "dropout_2": 0.5,
    "label_smoothing": 0.1,
    "joint_weight": 0.0,
    "weight_decay": 0.01,
    "batch_size": 8,
    "augment": 1.0,
    **OFF,
}

QUICK: dict[str, Value] = {
    "coordinates": True,
    "dropout_1": 0.1,
    "dropout_2": 0.1,
    "label_smoothing": 0.0,
    "joint_weight": 1.0,
    "weight_decay": 0.05,
    "batch_size": 16,
    "augment": 0.2,
    "splice": 0.5,
    "synthetic_share": 0.8,
    "clip": 5.0,
    "ema": 0.98,
    "calibrate": True,
    "normalize": True,
    "bf16": True,
}
"""What reads in a few epochs: RESULTS.md."""
