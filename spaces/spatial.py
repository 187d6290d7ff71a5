"""Space of the classifier without pooling, for few trials; the baseline is the recommended one."""

from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from spaces import classifier
from spaces.space import Prior, Space, Value

BASELINE: dict[str, Value] = {
    **classifier.RECOMMENDED,
    "cut": 6,
    "lr": 3e-3,
    "dropout_1": 0.5,
    "dropout_2": 0.3,
    "head_size": 400,
    "splice": 0.5,
}

SPACE = Space(
    name="spatial",
    parameters={
        **classifier.DECISIVE,
        "head_size": Int(200, 1400, step=200),
        "splice": Float(0.0, 0.8),
    },
    priors={
        **classifier.PRIORS,
        "cut": Prior(6, 0.3),
        "head_size": Prior(400, 0.25),
        "splice": Prior(0.5, 0.25),
    },
    fixed=classifier.FIXED,
    baseline=BASELINE,
    known=({**BASELINE, "splice": 0.0, "augment": 0.5},),
)
