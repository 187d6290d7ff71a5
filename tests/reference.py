"""Slow but obvious reference implementations that tests and benchmarks compare with."""

from dataclasses import dataclass, field
from functools import cache
from itertools import groupby, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Labelling = tuple[int, ...]


def collapse(path: tuple[int, ...]) -> Labelling:
    """The labelling that an alignment spells: runs become one symbol, blanks (0) go."""
    return tuple(symbol for symbol, _ in groupby(path) if symbol != 0)


@dataclass
class AllPaths:
    """Every alignment of T steps over K classes, grouped by the labelling it spells.

    Attributes:
        labellings: all of them, in the order of the columns of `log_probabilities`.
    """

    num_steps: int
    num_classes: int
    labellings: list[Labelling] = field(init=False)

    def __post_init__(self) -> None:
        paths = sorted(product(range(self.num_classes), repeat=self.num_steps), key=collapse)
        spelled = [collapse(path) for path in paths]
        starts = [i for i, label in enumerate(spelled) if i == 0 or label != spelled[i - 1]]
        self.labellings = [spelled[i] for i in starts]
        self._paths, self._starts = np.array(paths), starts

    def log_probabilities(self, log_probs: NDArray[np.floating]) -> NDArray[np.float64]:
        """ln p(labelling) in nats: (N, number of labellings) for log-softmax outputs (T, N, K)."""
        steps = log_probs.astype(np.float64)
        per_path = sum(steps[t][:, self._paths[:, t]] for t in range(self.num_steps))
        with np.errstate(divide="ignore"):
            total = np.log(np.add.reduceat(np.exp(per_path), self._starts, axis=1))
        return np.asarray(total, dtype=np.float64)

    def table(self, log_probs: NDArray[np.floating]) -> list[dict[Labelling, float]]:
        """For each of N images, ln p of every labelling."""
        rows = self.log_probabilities(log_probs)
        return [dict(zip(self.labellings, row.tolist(), strict=True)) for row in rows]


@cache
def all_paths(num_steps: int, num_classes: int) -> AllPaths:
    """The same object for every test of one size."""
    return AllPaths(num_steps, num_classes)


def emissions(seed: int, steps: int, batch: int, classes: int, sharp: float = 1.0) -> Tensor:
    """(T, N, K) log-softmax of normal logits with standard deviation `sharp`."""
    logits = torch.randn(steps, batch, classes, generator=torch.Generator().manual_seed(seed))
    return (sharp * logits).log_softmax(dim=2)


@cache
def edit_distance(a: str, b: str) -> int:
    """Fewest insertions, deletions and replacements from one text to the other, by definition."""
    if not a or not b:
        return len(a) + len(b)
    replaced = edit_distance(a[1:], b[1:]) + (a[0] != b[0])
    return min(replaced, edit_distance(a[1:], b) + 1, edit_distance(a, b[1:]) + 1)
