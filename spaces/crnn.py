"""Space of the CRNN: what decides, near what has been good; all else is fixed.

Of what is fixed, the curves of `crnn-wide` say that it decides and which value is better on three
sets of images, or they tell no difference: docs/results, learning curves. The baseline is the
recommended configuration.
"""

from spaces import crnn_wide
from spaces.crnn_wide import SPLICED
from spaces.space import Prior, Space, Value

DECISIVE = (
    "lr", "cut", "batch_size", "rnn_hidden_1", "pool_height", "dropout", "augment", "augment_shape",
    "augment_elastic", "splice", "synthetic_share", "fixed_length",
)  # fmt: skip
"""What a search of few trials varies."""

FIXED = (
    "map_to_seq_hidden", "rnn_hidden_2", "orthogonal", "aux_weight", "joint_weight", "shortcut",
    "clip", "ema", "calibrate", "normalize", "bf16", "weight_decay",
)  # fmt: skip
"""What keeps the value of the recommended configuration."""

BASELINE: dict[str, Value] = {name: SPLICED[name] for name in DECISIVE}

GENTLE: dict[str, Value] = {**BASELINE, "splice": 0.0, "augment": 0.5}
"""Captchas as they are, without symbols of others."""

BENT: dict[str, Value] = {
    **BASELINE,
    "augment": 0.7,
    "augment_shape": True,
    "splice": 0.0,
    "synthetic_share": 0.75,
}
"""Mostly generated images, and all of them bent: for few images of many symbols."""

STRONG: dict[str, Value] = {
    **BASELINE,
    "lr": 2.6e-3,
    "cut": 5,
    "batch_size": 8,
    "pool_height": False,
    "dropout": 0.3,
    "augment": 1.0,
    "augment_elastic": True,
    "splice": 0.75,
    "synthetic_share": 0.0,
}
"""A body that sees less at a time, and much that changes; nothing is generated, for where that does
not help: the best random one on receipts."""

SPACE = Space(
    name="crnn",
    parameters={name: crnn_wide.SPACE.parameters[name] for name in DECISIVE},
    priors={
        "lr": Prior(1.5e-3, 0.22),
        "cut": Prior(6, 0.35),
        "batch_size": Prior(8, 0.3),
        "rnn_hidden_1": Prior(256, 0.3),
        "pool_height": Prior(True, 0.8),
        "dropout": Prior(0.2, 0.25),
        "augment": Prior(0.6, 0.25),
        "splice": Prior(0.5, 0.25),
        "synthetic_share": Prior(0.5, 0.3),
        "fixed_length": Prior(True, 0.1),
    },
    fixed={name: SPLICED[name] for name in FIXED},
    baseline=BASELINE,
    known=(GENTLE, BENT, STRONG),
)
