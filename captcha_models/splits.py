"""Which image is for what: a locked test set by name alone, folds by name and seed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captcha_models.errors import InputError

TEST_PERCENT = 10


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of the images of each part; the parts are disjoint and cover all.

    Attributes:
        train: what is learned from.
        valid: what chooses.
        test: the locked test set, which only judges, once.
        fold: the fold that validates.
        folds: how many there are.
        seed: what the folds were drawn with.
    """

    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    test: NDArray[np.intp]
    fold: int
    folds: int
    seed: int

    def describe(self) -> str:
        """One line for the person: the size of each part."""
        return (
            f"split: {len(self.train)} images train, {len(self.valid)} validate (fold {self.fold} "
            f"of {self.folds}), {len(self.test)} are the locked test set"
        )


def is_locked(name: str) -> bool:
    """Whether the file name puts an image into the locked test set, whatever the seed."""
    digest = hashlib.sha256(f"locked-test:{name}".encode()).hexdigest()
    return int(digest, 16) % 100 < TEST_PERCENT


def make_split(names: Sequence[str], *, fold: int = 0, folds: int = 5, seed: int = 0) -> Split:
    """Divide images by their names; the order of the names does not matter.

    Args:
        names: base names of the files, all different.
        fold: which fold validates, 0..folds-1.
        folds: parts the images outside the test set are divided into, at least 2.
        seed: shuffles the images among the folds.

    Raises:
        InputError: a fold that does not exist, or too few images for every part to have some.
    """
    if folds < 2:
        raise InputError(f"folds = {folds}: at least 2 are needed")
    if not 0 <= fold < folds:
        raise InputError(f"fold = {fold}: must lie in 0..{folds - 1}")
    locked = np.array([is_locked(name) for name in names], dtype=bool)
    open_to_all = [i for i, is_test in enumerate(locked) if not is_test]
    if not locked.any() or len(open_to_all) < folds:
        raise InputError(
            f"too few images: of {len(names)}, {int(locked.sum())} fall into the locked test set "
            f"(about {TEST_PERCENT} %) and {len(open_to_all)} remain for {folds} folds; "
            "each part needs at least one"
        )
    ranked = sorted(
        open_to_all, key=lambda i: hashlib.sha256(f"fold:{seed}:{names[i]}".encode()).digest()
    )
    in_fold = np.arange(len(ranked)) % folds == fold
    positions = np.array(ranked, dtype=np.intp)
    return Split(
        train=np.sort(positions[~in_fold]),
        valid=np.sort(positions[in_fold]),
        test=np.flatnonzero(locked),
        fold=fold,
        folds=folds,
        seed=seed,
    )
