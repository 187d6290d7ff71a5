"""What may vary in the classifier without pooling; the baseline is the source's configuration."""

from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces._means import MEANS, OFF
from spaces._space import Space

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
    baseline={
        "lr": 3e-3,
        "head_size": 1000,
        "dropout_1": 0.5,
        "dropout_2": 0.5,
        "label_smoothing": 0.1,
        "weight_decay": 0.01,
        "batch_size": 8,
        "augment": 1.0,
        **OFF,
    },
)
