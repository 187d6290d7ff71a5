"""Whole space of the classifier without pooling; the baseline is the source's configuration."""

from optuna.distributions import IntDistribution as Int

from spaces import classifier
from spaces.space import Space, Value

BASELINE: dict[str, Value] = {**classifier.BASELINE, "head_size": 1000, "dropout_1": 0.5}

QUICK: dict[str, Value] = {**BASELINE, **classifier.QUICK, "cut": 6, "head_size": 400}

SPACE = Space(
    name="spatial-wide",
    arch="spatial",
    parameters={**classifier.PARAMETERS, "head_size": Int(200, 1400, step=200)},
    conditions=classifier.CONDITIONS,
    baseline=BASELINE,
    known=(QUICK,),
)
