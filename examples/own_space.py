"""Search space of the recogniser in own_architecture.py, for `search.run --space`.

python -m search.run --space examples/own_space.py:SPACE --data synthetic:400 --trials 4
"""

from pathlib import Path

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from captcha_models.architectures import resolve
from spaces.space import Space

# Makes the architecture known under its own name, "tiny".
TINY = resolve(f"{Path(__file__).with_name('own_architecture.py')}:Tiny")

SPACE = Space(
    name="tiny-first",
    arch=TINY.name,
    parameters={
        "lr": Float(1e-3, 3e-2, log=True),
        "batch_size": Int(8, 32, step=8),
        "channels": Int(16, 64, step=16),
        "normalize": Choice([False, True]),
        "augment": Float(0.0, 1.0),
    },
    baseline={"lr": 3e-3, "batch_size": 8, "channels": 32, "normalize": False, "augment": 1.0},
)
