"""Whole space of the CRNN; the baseline is the source article's configuration.

The means from `pool_height` on are not the article's and off in the baseline. The known points are
what read best in a few epochs so far: RESULTS.md. The table of `crnn` is the part of this one that
is worth searching with few trials.
"""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces.regularisation import MEANS, OFF
from spaces.space import Condition, Space, Value

BASELINE: dict[str, Value] = {
    "lr": 3e-3,
    "cut": 7,
    "map_to_seq_hidden": 64,
    "rnn_hidden_1": 256,
    "rnn_hidden_2": 128,
    "dropout": 0.1,
    "rnn_dropout": 0.0,
    "beam_width": 10,
    "weight_decay": 0.01,
    "batch_size": 8,
    "augment": 1.0,
    "pool_height": False,
    "orthogonal": False,
    "aux_weight": 0.0,
    "aux_prior": 0.0,
    "joint_weight": 0.0,
    "shortcut": False,
    "ctc_smoothing": 0.0,
    "fixed_length": False,
    **OFF,
}

QUICK: dict[str, Value] = {
    **BASELINE,
    "lr": 2e-3,
    "cut": 6,
    "map_to_seq_hidden": 128,
    "rnn_hidden_1": 128,
    "rnn_hidden_2": 0,
    "batch_size": 16,
    "augment": 0.5,
    "pool_height": True,
    "orthogonal": True,
    "aux_weight": 1.0,
    "joint_weight": 1.0,
    "shortcut": True,
    "clip": 5.0,
    "ema": 0.98,
    "normalize": True,
    "bf16": True,
}

MIXED: dict[str, Value] = {**QUICK, "synthetic_share": 0.5}

# New captchas out of old ones, seen through a body that sees two symbols at a time and not five.
SPLICED: dict[str, Value] = {
    **MIXED,
    "augment": 0.2,
    "splice": 0.5,
    "fixed_length": True,
    "calibrate": True,
}
NARROW: dict[str, Value] = {**SPLICED, "cut": 5}

SPACE = Space(
    name="crnn-wide",
    arch="crnn",
    parameters={
        "lr": Float(3e-4, 1e-2, log=True),
        "cut": Int(5, 7),
        "map_to_seq_hidden": Int(32, 256, step=32),
        "rnn_hidden_1": Int(64, 384, step=64),
        "rnn_hidden_2": Int(0, 256, step=64),
        "dropout": Float(0.0, 0.5),
        "rnn_dropout": Float(0.0, 0.5),
        "beam_width": Int(1, 25, log=True),
        "weight_decay": Float(1e-4, 0.3, log=True),
        "batch_size": Int(8, 32, step=8),
        "augment": Float(0.0, 1.5),
        "pool_height": Choice([False, True]),
        "orthogonal": Choice([False, True]),
        "aux_weight": Choice([0.0, 0.3, 1.0]),
        "aux_prior": Float(0.0, 1.0),
        "joint_weight": Choice([0.0, 0.3, 1.0]),
        "shortcut": Choice([False, True]),
        "ctc_smoothing": Float(0.0, 0.2),
        "fixed_length": Choice([False, True]),
        **MEANS,
    },
    conditions={
        # There is nothing between the recurrent layers when there is only one.
        "rnn_dropout": Condition("rnn_hidden_2", (64, 128, 192, 256)),
        "aux_prior": Condition("aux_weight", (0.3, 1.0)),
    },
    baseline=BASELINE,
    known=(SPLICED, NARROW, MIXED),
)
