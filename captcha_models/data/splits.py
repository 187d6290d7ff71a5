"""Splits: a locked test set by name alone, folds by names and seed, or a split of one's own."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captcha_models.errors import InputError
from captcha_models.words import counted

TEST_PERCENT = 10
MOST_OF_ALL = 5
"""A unit that holds more than one image in so many is not locked."""


class Divided(Protocol):
    """Images that can be divided: see `LabelledImages`."""

    @property
    def units(self) -> tuple[str, ...]: ...
    @property
    def parts(self) -> tuple[str, ...] | None: ...


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
        own: the images brought what validates with them.
    """

    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    test: NDArray[np.intp]
    fold: int | None
    folds: int
    seed: int
    limit: int | None = None
    limit_seed: int = 0
    own: bool = False

    def describe(self) -> str:
        """One line for the person: the size of each part."""
        if not len(self.test):
            return f"split: all {counted(len(self.train), 'image')} train, nothing is held out"
        fold = "" if self.fold is None else f" (fold {self.fold} of {self.folds})"
        fold = " (as the images say)" if self.own else fold
        return (
            f"split: {len(self.train)} images train, {len(self.valid)} validate{fold}, "
            f"{len(self.test)} are the locked test set"
        )


def is_locked(unit: str) -> bool:
    """Whether an image's name, or its group's, puts it into the locked test set."""
    return int(_rank(unit, "locked-test").hex(), 16) % 100 < TEST_PERCENT


def locked(units: Sequence[str], parts: Sequence[str] | None = None) -> NDArray[np.bool_]:
    """(N,) which images are the locked test set, whatever the seed.

    The part `test`, if the images have one; else about one unit in ten, by its name alone and none
    that validates or holds more than a fifth of all images.

    Args:
        units: for each image what it shares with those it must not be parted from: `units.units`.
        parts: of the person's own split, for each image.
    """
    if parts and "test" in parts:
        return np.array([part == "test" for part in parts], dtype=bool)
    sizes = Counter(units)
    apart = {unit for unit, part in zip(units, parts or (), strict=bool(parts)) if part == "valid"}
    may = [u for u, size in sizes.items() if u not in apart and size <= len(units) / MOST_OF_ALL]
    chosen = {unit for unit in may if is_locked(unit)}
    if not chosen and len(may) > MOST_OF_ALL:
        chosen = {min(may, key=lambda unit: _rank(unit, "locked-test"))}
    return np.array([unit in chosen for unit in units], dtype=bool)


def make_split(
    units: Sequence[str],
    parts: Sequence[str] | None = None,
    *,
    fold: int | None = 0,
    folds: int = 5,
    seed: int = 0,
    limit: int | None = None,
    limit_seed: int = 0,
) -> Split:
    """Divide images by their names; the order of the names does not matter.

    Args:
        units: for each image its name or, if it must not be parted from others, what they share.
        parts: of the person's own split, for each image: `test` is the locked test set, and
            `valid`, if there is one, validates whatever the fold.
        fold: which fold validates, 0..folds-1; None: none does, all that are not locked train.
        folds: parts the images outside the test set are divided into, at least 2.
        seed: shuffles the units among the folds.
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
    test = locked(units, parts)
    rest = np.flatnonzero(~test)
    own = np.array([part == "valid" for part in parts or ()], dtype=bool)
    needed = 1 if own.any() else folds
    if not test.any() or len({units[i] for i in rest.tolist()}) < needed:
        alike, remedy = "", ""
        if len(set(units)) < len(units):
            alike = f" in {len(set(units))} groups"
            remedy = "; leave the column of the groups out, or give a split of your own"
        raise InputError(
            f"too few images: of {len(units)}{alike}, {int(test.sum())} fall into the locked test "
            f"set (about {TEST_PERCENT} %) and {len(rest)} remain for {folds} folds; "
            f"each part needs at least one{remedy}"
        )
    if own.any():
        validates = own[rest] & (fold is not None)
    else:
        validates = _folds(rest, units, f"fold:{seed}", folds) == (-1 if fold is None else fold)
    train = rest[~validates]
    if limit is not None:
        if not 1 <= limit <= len(train):
            raise InputError(f"limit = {limit}: must lie in 1..{len(train)}, the training images")
        train = _ranked(train, units, f"limit:{limit_seed}")[:limit]
    if not len(train):
        raise InputError("no image trains: the split of the images has no part train")
    return Split(
        train=np.sort(train),
        valid=np.sort(rest[validates]),
        test=np.flatnonzero(test),
        fold=fold,
        folds=folds,
        seed=seed,
        limit=limit,
        limit_seed=limit_seed,
        own=bool(own.any()),
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
        scored: whether the trial is scored at all; a model that is only to be used is not.
    """

    fold: int | None
    folds: int
    seed: int = 0
    limit: int | None = None
    limit_seed: int = 0
    all_images: bool = False
    scored: bool = True

    def of(self, images: Divided) -> Split:
        """The split of these images.

        Raises:
            InputError: no such fold, or too few images.
        """
        units = images.units
        if not self.all_images:
            return make_split(
                units, images.parts, fold=self.fold, folds=self.folds, seed=self.seed,
                limit=self.limit, limit_seed=self.limit_seed,
            )  # fmt: skip
        if self.fold is None or not 0 <= self.fold < self.folds <= len(set(units)) or self.limit:
            raise InputError("folds of all images: fold must lie in 0..folds-1, and no limit")
        rows = np.arange(len(units))
        held = _folds(rows, units, f"all:{self.seed}", self.folds) == self.fold
        none = np.array([], dtype=np.intp)
        return Split(rows[~held], rows[held], none, self.fold, self.folds, self.seed)


def everything(names: Sequence[str]) -> Split:
    """All images train; for a model to be used, after its configuration has been judged."""
    none = np.array([], dtype=np.intp)
    return Split(np.arange(len(names)), none, none, fold=None, folds=0, seed=0)


def _folds(rows: NDArray[np.intp], units: Sequence[str], salt: str, folds: int) -> NDArray[np.intp]:
    """The fold of each row: units in an order by chance, each into the fold with fewest images."""
    sizes = Counter(units[i] for i in rows.tolist())
    held, fold_of = [0] * folds, {}
    for unit in sorted(sizes, key=lambda unit: _rank(unit, salt)):
        fold_of[unit] = held.index(min(held))
        held[fold_of[unit]] += sizes[unit]
    return np.array([fold_of[units[i]] for i in rows.tolist()], dtype=np.intp)


def _ranked(rows: NDArray[np.intp], units: Sequence[str], salt: str) -> NDArray[np.intp]:
    """The rows in an order that depends on their units and the salt alone."""
    keys = {i: _rank(units[i], salt) for i in rows.tolist()}
    return np.array(sorted(keys, key=keys.__getitem__), dtype=np.intp)


def _rank(unit: str, salt: str) -> bytes:
    return hashlib.sha256(f"{salt}:{unit}".encode()).digest()
