"""Parameters of both classifiers, all and the decisive ones; each adds its own head's."""

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces.regularisation import MEANS, OFF
from spaces.space import Condition, Prior, Value

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

DECISIVE: dict[str, BaseDistribution] = {
    name: PARAMETERS[name]
    for name in (
        "lr", "cut", "dropout_1", "dropout_2", "label_smoothing", "weight_decay", "batch_size",
        "augment", "synthetic_share",
    )
}  # fmt: skip
"""What a search of few trials varies."""

FIXED: dict[str, Value] = {
    "coordinates": True,
    "joint_weight": 1.0,
    "clip": 5.0,
    "ema": 0.98,
    "calibrate": True,
    "normalize": True,
    "bf16": True,
}

RECOMMENDED: dict[str, Value] = {
    "label_smoothing": 0.0,
    "weight_decay": 0.05,
    "batch_size": 16,
    "augment": 0.2,
    "synthetic_share": 0.8,
}
"""Values of both recommended configurations."""

PRIORS = {
    "lr": Prior(3e-3, 0.2),
    "dropout_1": Prior(0.2, 0.25),
    "dropout_2": Prior(0.2, 0.25),
    "label_smoothing": Prior(0.0, 0.2),
    "weight_decay": Prior(0.05, 0.25),
    "batch_size": Prior(16, 0.3),
    "augment": Prior(0.3, 0.25),
    "synthetic_share": Prior(0.8, 0.25),
}
