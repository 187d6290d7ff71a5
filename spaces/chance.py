"""Chance: a suggester that knows nothing and draws every value alike."""

import random
from typing import Any


class Uniform(random.Random):
    """A suggester that draws every value alike, in the logarithm where the distribution says so."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None, log: bool
    ) -> float:
        """A number from low to high."""
        if step is not None:
            return low + step * self.randint(0, round((high - low) / step))
        return low * (high / low) ** self.random() if log else self.uniform(low, high)

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """A whole number from low to high."""
        if log:
            return min(high, int(low * ((high + 1) / low) ** self.random()))
        return self.randrange(low, high + 1, step)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of the choices."""
        return self.choice(choices)
