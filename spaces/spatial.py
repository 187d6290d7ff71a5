"""What may vary in the classifier without pooling; the baseline is the source's configuration."""

from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces._means import MEANS, OFF
from spaces._space import Space, Value

BASELINE: dict[str, Value] = {
    "lr": 3e-3,
    "head_size": 1000,
    "dropout_1": 0.5,
    "dropout_2": 0.5,
    "label_smoothing": 0.1,
    "weight_decay": 0.01,
    "batch_size": 8,
    "augment": 1.0,
    **OFF,
}

QUICK: dict[str, Value] = {
    **BASELINE,
    "lr": 2e-3,
    "dropout_1": 0.2,
    "dropout_2": 0.2,
    "label_smoothing": 0.05,
    "weight_decay": 0.05,
    "batch_size": 16,
    "augment": 0.5,
    "synthetic_share": 0.5,
    "clip": 5.0,
    "ema": 0.98,
    "calibrate": True,
    "normalize": True,
    "bf16": True,
}

SPACE = Space(
    name="spatial",
    parameters={
        "lr": Float(3e-4, 1e-2, log=True),
        "head_size": Int(200, 1400, step=200),
        "dropout_1": Float(0.0, 0.7),
        "dropout_2": Float(0.0, 0.7),
        "label_smoothing": Float(0.0, 0.3),
        "weight_decay": Float(1e-4, 0.3, log=True),
        "batch_size": Int(8, 32, step=8),
        "augment": Float(0.0, 1.5),
        **MEANS,
    },
    baseline=BASELINE,
    known=(QUICK,),
)
