"""Space of the pooled classifier, for few trials; the baseline is the recommended configuration."""

from optuna.distributions import IntDistribution as Int

from spaces import classifier
from spaces.space import Prior, Space, Value

# Thirteen columns say too coarsely where symbols meet: nothing is spliced.
BASELINE: dict[str, Value] = {
    **classifier.RECOMMENDED,
    "cut": 7,
    "lr": 4e-3,
    "dropout_1": 0.1,
    "dropout_2": 0.1,
    "head_size": 512,
}

SPACE = Space(
    name="pooled",
    parameters={**classifier.DECISIVE, "head_size": Int(128, 1024, step=128)},
    priors={**classifier.PRIORS, "cut": Prior(7, 0.3), "head_size": Prior(512, 0.25)},
    fixed=classifier.FIXED,
    baseline=BASELINE,
    known=({**BASELINE, "cut": 8},),
)
