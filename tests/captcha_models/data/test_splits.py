import hashlib
import random

import numpy as np
import pytest

from captcha_models.data.splits import everything, is_locked, make_split
from captcha_models.errors import InputError

NAMES = [f"{i:05d}.png" for i in range(500)]


def test_parts_are_disjoint_and_cover_all() -> None:
    split = make_split(NAMES, fold=2, seed=7)
    rows = np.concatenate([split.train, split.valid, split.test])
    assert sorted(rows.tolist()) == list(range(len(NAMES)))


def test_the_locked_test_set_is_decided_by_the_name_alone() -> None:
    locked = {
        name
        for name in NAMES
        if int.from_bytes(hashlib.sha256(b"locked-test:" + name.encode()).digest(), "big") % 100
        < 10
    }
    assert 25 < len(locked) < 75
    for fold, folds, seed in ((0, 5, 0), (3, 5, 1), (6, 10, 2)):
        split = make_split(NAMES, fold=fold, folds=folds, seed=seed)
        assert {NAMES[i] for i in split.test} == locked
    assert {name for name in NAMES if is_locked(name)} == locked


def test_the_order_of_names_does_not_matter() -> None:
    shuffled = NAMES.copy()
    random.Random(1).shuffle(shuffled)
    one, other = make_split(NAMES), make_split(shuffled)
    assert {NAMES[i] for i in one.valid} == {shuffled[i] for i in other.valid}
    assert {NAMES[i] for i in one.train} == {shuffled[i] for i in other.train}


def test_folds_cover_the_rest_evenly_and_follow_the_seed() -> None:
    folds = [set(make_split(NAMES, fold=fold).valid.tolist()) for fold in range(5)]
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    assert len(set.union(*folds)) == sum(map(len, folds))
    assert folds[0] != set(make_split(NAMES, fold=0, seed=1).valid.tolist())


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_images(count: int) -> None:
    with pytest.raises(InputError, match="too few images"):
        make_split(NAMES[:count])


@pytest.mark.parametrize(("fold", "folds"), [(5, 5), (-1, 5), (0, 1)])
def test_folds_that_do_not_exist(fold: int, folds: int) -> None:
    with pytest.raises(InputError, match="fold"):
        make_split(NAMES, fold=fold, folds=folds)


def test_without_a_validating_fold_all_that_is_not_locked_trains() -> None:
    folds, none = make_split(NAMES), make_split(NAMES, fold=None)
    assert none.train.tolist() == sorted([*folds.train, *folds.valid])
    assert none.test.tolist() == folds.test.tolist()
    assert not len(none.valid)
    assert everything(NAMES).train.tolist() == list(range(len(NAMES)))


def test_a_limit_keeps_some_training_images_the_same_ones_in_any_order() -> None:
    whole = make_split(NAMES)
    few, more = (make_split(NAMES, limit=n, limit_seed=4) for n in (20, 50))
    assert (len(few.train), len(more.train)) == (20, 50)
    assert set(few.train) < set(more.train) < set(whole.train)
    assert few.valid.tolist() == whole.valid.tolist()
    turned = make_split(NAMES[::-1], limit=20, limit_seed=4)
    assert {NAMES[::-1][i] for i in turned.train} == {NAMES[i] for i in few.train}
    assert set(make_split(NAMES, limit=20, limit_seed=5).train) != set(few.train)


@pytest.mark.parametrize("limit", [0, 401, 10_000])
def test_a_limit_beyond_the_training_images_is_refused(limit: int) -> None:
    with pytest.raises(InputError, match=f"limit = {limit}: must lie in 1..3"):
        make_split(NAMES, limit=limit)


def test_a_unit_stays_on_one_side_and_folds_are_of_like_size() -> None:
    rng = np.random.default_rng(0)
    units = [f"group {i}" for i in rng.integers(0, 60, 900)]
    for fold in range(5):
        split = make_split(units, fold=fold)
        sides = [{units[i] for i in part} for part in (split.train, split.valid, split.test)]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        assert sum(map(len, (split.train, split.valid, split.test))) == 900
        left = 900 - len(split.test)
        assert abs(len(split.valid) - left / 5) < 20
    # A group that holds much of all is not locked.
    large = ["group 1"] * 300 + [f"group {i}" for i in range(2, 90)]
    assert not any(large[i] == "group 1" for i in make_split(large).test)


def test_some_image_is_locked_however_few_there_are() -> None:
    names = [name for name in NAMES if not is_locked(name)][:12]
    split = make_split(names)
    assert len(split.test) == 1
    assert len(split.train) + len(split.valid) == 11
    assert set(make_split(names, fold=3).test) == set(split.test)


def test_a_split_of_ones_own_is_kept_to() -> None:
    parts = ["train"] * 60 + ["valid"] * 20 + ["test"] * 20
    for fold in (0, 3):
        split = make_split(NAMES[:100], parts, fold=fold)
        assert split.train.tolist() == list(range(60))
        assert split.valid.tolist() == list(range(60, 80))
        assert split.test.tolist() == list(range(80, 100))
        assert "as the images say" in split.describe()
    assert make_split(NAMES[:100], parts, fold=None).train.tolist() == list(range(80))


def test_what_ones_own_split_lacks_is_drawn() -> None:
    only_test = make_split(NAMES[:100], ["train"] * 80 + ["test"] * 20)
    assert only_test.test.tolist() == list(range(80, 100))
    assert len(only_test.valid) == 16
    only_valid = make_split(NAMES[:100], ["train"] * 80 + ["valid"] * 20)
    assert only_valid.valid.tolist() == list(range(80, 100))
    assert 0 < len(only_valid.test) < 20
    assert max(only_valid.test) < 80
