"""Splits: a locked test set by name alone, folds by names and seed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captcha_models.errors import InputError

TEST_PERCENT = 10


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of the images of each part; the parts are disjoint.

    Attributes:
        train: what is learned from.
        valid: what chooses; empty if nothing does.
        test: the locked test set, which only judges, once; empty if all images train.
        fold: the fold that validates; None if all that are not locked train.
        folds: how many there are.
        seed: what the folds were drawn with.
        limit: training images that were kept; None is all.
        limit_seed: what chose them.
    """

    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    test: NDArray[np.intp]
    fold: int | None
    folds: int
    seed: int
    limit: int | None = None
    limit_seed: int = 0

    def describe(self) -> str:
        """One line for the person: the size of each part."""
        if not len(self.test):
            return f"split: all {len(self.train)} images train, nothing is held out"
        fold = "" if self.fold is None else f" (fold {self.fold} of {self.folds})"
        return (
            f"split: {len(self.train)} images train, {len(self.valid)} validate{fold}, "
            f"{len(self.test)} are the locked test set"
        )


def is_locked(name: str) -> bool:
    """Whether the file name puts an image into the locked test set, whatever the seed."""
    digest = hashlib.sha256(f"locked-test:{name}".encode()).hexdigest()
    return int(digest, 16) % 100 < TEST_PERCENT


def make_split(
    names: Sequence[str],
    *,
    fold: int | None = 0,
    folds: int = 5,
    seed: int = 0,
    limit: int | None = None,
    limit_seed: int = 0,
) -> Split:
    """Divide images by their names; the order of the names does not matter.

    Args:
        names: base names of the files, all different.
        fold: which fold validates, 0..folds-1; None: none does, all that are not locked train.
        folds: parts the images outside the test set are divided into, at least 2.
        seed: shuffles the images among the folds.
        limit: train on so many images only; those of a lower limit are among those of a higher.
        limit_seed: chooses them.

    Raises:
        InputError: a fold that does not exist, a limit above what there is, or too few images for
            every part to have some.
    """
    if folds < 2:
        raise InputError(f"folds = {folds}: at least 2 are needed")
    if fold is not None and not 0 <= fold < folds:
        raise InputError(f"fold = {fold}: must lie in 0..{folds - 1}")
    locked = np.array([is_locked(name) for name in names], dtype=bool)
    open_to_all = np.flatnonzero(~locked)
    if not locked.any() or len(open_to_all) < folds:
        raise InputError(
            f"too few images: of {len(names)}, {int(locked.sum())} fall into the locked test set "
            f"(about {TEST_PERCENT} %) and {len(open_to_all)} remain for {folds} folds; "
            "each part needs at least one"
        )
    ranked = _ranked(open_to_all, names, f"fold:{seed}")
    validates = np.arange(len(ranked)) % folds == (-1 if fold is None else fold)
    train = ranked[~validates]
    if limit is not None:
        if not 1 <= limit <= len(train):
            raise InputError(f"limit = {limit}: must lie in 1..{len(train)}, the training images")
        train = _ranked(train, names, f"limit:{limit_seed}")[:limit]
    return Split(
        train=np.sort(train),
        valid=np.sort(ranked[validates]),
        test=np.flatnonzero(locked),
        fold=fold,
        folds=folds,
        seed=seed,
        limit=limit,
        limit_seed=limit_seed,
    )


@dataclass(frozen=True)
class SplitSpec:
    """How a trial divides the images, as its record says.

    Attributes:
        fold: which fold is held out and scored; None trains on all that are not locked and scores
            the locked test set.
        folds: how many there are.
        seed: what the folds were drawn with.
        limit: train on so many images only; None is all.
        limit_seed: chooses them.
        all_images: the folds are of all images, the locked ones too.
    """

    fold: int | None
    folds: int
    seed: int = 0
    limit: int | None = None
    limit_seed: int = 0
    all_images: bool = False

    def of(self, names: Sequence[str]) -> Split:
        """The split of these images.

        Raises:
            InputError: no such fold, or too few images.
        """
        if not self.all_images:
            return make_split(
                names, fold=self.fold, folds=self.folds, seed=self.seed, limit=self.limit,
                limit_seed=self.limit_seed,
            )  # fmt: skip
        if self.fold is None or not 0 <= self.fold < self.folds <= len(names) or self.limit:
            raise InputError("folds of all images: fold must lie in 0..folds-1, and no limit")
        rows = _ranked(np.arange(len(names)), names, f"all:{self.seed}")
        held = np.arange(len(rows)) % self.folds == self.fold
        none = np.array([], dtype=np.intp)
        return Split(
            np.sort(rows[~held]), np.sort(rows[held]), none, self.fold, self.folds, self.seed
        )


def everything(names: Sequence[str]) -> Split:
    """All images train; for a model to be used, after its configuration has been judged."""
    none = np.array([], dtype=np.intp)
    return Split(np.arange(len(names)), none, none, fold=None, folds=0, seed=0)


def _ranked(rows: NDArray[np.intp], names: Sequence[str], salt: str) -> NDArray[np.intp]:
    """The rows in an order that depends on their names and the salt alone."""
    keys = {i: hashlib.sha256(f"{salt}:{names[i]}".encode()).digest() for i in rows.tolist()}
    return np.array(sorted(keys, key=keys.__getitem__), dtype=np.intp)
