"""Space of the CRNN: what decides, near what has been good; all else is fixed.

Of what is fixed, the curves of `crnn-wide` say that it decides and which value is better on three
sets of images, or they tell no difference: docs/results, learning curves. The baseline is the
recommended configuration.
"""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces.space import Prior, Space, Value

FIXED: dict[str, Value] = {
    "map_to_seq_hidden": 128,
    "rnn_hidden_2": 0,
    "orthogonal": True,
    "aux_weight": 1.0,
    "joint_weight": 1.0,
    "shortcut": True,
    "clip": 5.0,
    "ema": 0.98,
    "calibrate": True,
    "normalize": True,
    "bf16": True,
}

BASELINE: dict[str, Value] = {
    "lr": 2e-3,
    "cut": 6,
    "batch_size": 16,
    "rnn_hidden_1": 128,
    "pool_height": True,
    "dropout": 0.1,
    "weight_decay": 0.01,
    "augment": 0.2,
    "augment_elastic": False,
    "splice": 0.5,
    "synthetic_share": 0.5,
    "fixed_length": True,
}

GENTLE: dict[str, Value] = {**BASELINE, "splice": 0.0, "augment": 0.5}
"""Captchas as they are, without symbols of others."""

SLOW: dict[str, Value] = {
    **BASELINE,
    "lr": 5e-4,
    "batch_size": 8,
    "rnn_hidden_1": 384,
    "weight_decay": 1e-4,
    "augment": 0.8,
    "splice": 0.7,
}
"""More and smaller steps: the random configuration that was good on all three sets."""

STRONG: dict[str, Value] = {
    **BASELINE,
    "lr": 2.6e-3,
    "cut": 5,
    "batch_size": 8,
    "pool_height": False,
    "dropout": 0.3,
    "weight_decay": 1e-3,
    "augment": 1.0,
    "augment_elastic": True,
    "splice": 0.75,
}
"""A body that sees less at a time, and much that changes: the best random one on receipts."""

SPACE = Space(
    name="crnn",
    parameters={
        "lr": Float(3e-4, 1e-2, log=True),
        "cut": Int(5, 7),
        "batch_size": Int(8, 32, step=8),
        "rnn_hidden_1": Int(64, 384, step=64),
        "pool_height": Choice([False, True]),
        "dropout": Float(0.0, 0.5),
        "weight_decay": Float(1e-4, 0.3, log=True),
        "augment": Float(0.0, 1.5),
        "augment_elastic": Choice([False, True]),
        "splice": Float(0.0, 0.8),
        "synthetic_share": Float(0.0, 1.0),
        "fixed_length": Choice([False, True]),
    },
    priors={
        "lr": Prior(1.5e-3, 0.22),
        "cut": Prior(6, 0.35),
        "batch_size": Prior(8, 0.3),
        "rnn_hidden_1": Prior(256, 0.3),
        "pool_height": Prior(True, 0.8),
        "dropout": Prior(0.2, 0.25),
        "weight_decay": Prior(0.01, 0.3),
        "augment": Prior(0.6, 0.25),
        "splice": Prior(0.5, 0.25),
        "synthetic_share": Prior(0.5, 0.3),
        "fixed_length": Prior(True, 0.1),
    },
    fixed=FIXED,
    baseline=BASELINE,
    known=(GENTLE, STRONG, SLOW),
)
