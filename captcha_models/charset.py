"""Labels and class ids: the alphabet, the blank, and every rule about length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from captcha_models.errors import InputError

SHOWN = 70
"""Symbols of an alphabet that are shown to a person."""
BLANK = 0
"""Class 0: CTC's blank, and 'unknown' for the classifiers; also pads short rows of targets."""


@dataclass(frozen=True)
class Charset:
    """The symbols a recogniser can read, in class order: symbol i has class id i + 1.

    Attributes:
        symbols: distinct characters, sorted.
    """

    symbols: str

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols):
            raise InputError(f"the alphabet {self.symbols!r} repeats a symbol")
        if len(self.symbols) < 2:
            raise InputError(
                f"the alphabet is {self.symbols!r}: at least 2 different symbols are needed"
            )

    @classmethod
    def of(cls, labels: Iterable[str]) -> Self:
        """The alphabet that occurs in the labels."""
        return cls("".join(sorted(set().union(*labels))))

    def describe(self) -> str:
        """The symbols, for the person: as they are, or how many and the first."""
        shown = self.symbols[:SHOWN]
        shown = repr(shown) if shown != shown.strip() or not shown.isprintable() else shown
        if len(self.symbols) <= SHOWN:
            return shown
        return f"{len(self.symbols):,} symbols ({shown}...)"

    @property
    def num_classes(self) -> int:
        """K: one class per symbol and the blank."""
        return len(self.symbols) + 1

    def encode(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """(N, L) class ids in 1..K-1, rows of shorter labels padded with the blank.

        Raises:
            InputError: a symbol outside the alphabet, named with its label.
        """
        ids = {symbol: i + 1 for i, symbol in enumerate(self.symbols)}
        rows = np.full((len(labels), max(map(len, labels), default=0)), BLANK, dtype=np.int64)
        for row, label in zip(rows, labels, strict=True):
            for i, symbol in enumerate(label):
                if symbol not in ids:
                    raise InputError(
                        f"label {label!r}: symbol {symbol!r} is not in the alphabet {self.symbols}"
                    )
                row[i] = ids[symbol]
        return rows

    def decode(self, ids: Iterable[int]) -> str:
        """The text of class ids; blanks are left out."""
        return "".join(self.symbols[i - 1] for i in ids if i != BLANK)


def min_steps(label: str) -> int:
    """Fewest CTC time steps that can emit the label: its length plus its equal neighbours."""
    return len(label) + sum(a == b for a, b in pairwise(label))
