"""Whole space of the pooled classifier; the baseline is the source's configuration."""

from optuna.distributions import IntDistribution as Int

from spaces import classifier
from spaces.space import Space, Value

BASELINE: dict[str, Value] = {**classifier.BASELINE, "head_size": 512, "dropout_1": 0.25}

# Thirteen columns say too coarsely where symbols meet: nothing is spliced.
QUICK: dict[str, Value] = {
    **BASELINE,
    **classifier.QUICK,
    "cut": 7,
    "lr": 4e-3,
    "splice": 0.0,
}

SPACE = Space(
    name="pooled-wide",
    arch="pooled",
    parameters={**classifier.PARAMETERS, "head_size": Int(128, 1024, step=128)},
    conditions=classifier.CONDITIONS,
    baseline=BASELINE,
    known=(QUICK,),
)
