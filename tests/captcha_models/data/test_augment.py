"""Augmentation of batches: what it may change, and what not."""

import pytest
import torch
from torch import Tensor

from captcha_models.architectures import config_class
from captcha_models.data.augment import KINDS, augmentations

SWITCHES = {f"augment_{kind}": True for kind in KINDS}


def batch() -> Tensor:
    return torch.rand(6, 1, 50, 200, generator=torch.Generator().manual_seed(2)).round()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_changes_each_image_on_its_own_within_black_and_white(kind: str) -> None:
    torch.manual_seed(0)
    images = batch()[:1].repeat(6, 1, 1, 1)
    changed = KINDS[kind](images, 1.0)
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert changed.min() >= 0
    assert changed.max() <= 1
    differences = (changed - images).abs().flatten(1).mean(dim=1)
    assert (differences > 0).all()
    assert len(set(differences.tolist())) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_grows_with_the_strength_and_vanishes_without(kind: str) -> None:
    change = []
    for strength in (0.0, 0.3, 1.0):
        torch.manual_seed(1)
        change.append(float((KINDS[kind](batch(), strength) - batch()).abs().mean()))
    assert change[0] == pytest.approx(0, abs=1e-3)
    assert change[0] < change[1] < change[2]


@pytest.mark.parametrize("kind", ["shape", "elastic"])
def test_a_warp_moves_what_it_shows_and_no_further_than_it_says(kind: str) -> None:
    torch.manual_seed(3)
    ramp = torch.linspace(0, 1, 200).expand(64, 1, 50, 200)
    moved = (KINDS[kind](ramp, 1.0) - ramp)[:, :, 15:35, 50:150].abs().amax(dim=(1, 2, 3))
    # Of the width: scale and shear a tenth of what is left or right of the middle, shift 0.05.
    assert 0.005 < moved.median() < 0.1
    assert moved.max() < 0.25


def test_switches_are_the_kinds_and_by_default_the_articles() -> None:
    for arch in ("crnn", "pooled", "spatial"):
        config = config_class(arch)()
        assert config.augment_kinds == ("rotate", "light")
        assert config.changed(**SWITCHES).augment_kinds == ("rotate", "light", *KINDS)
        assert config.changed(augment_rotate=False, augment_light=False).augment_kinds == ()
    assert len(augmentations(1.0)) == 3
    assert len(augmentations(1.0, ("light", *KINDS))) == 2 + len(KINDS)
    assert len(augmentations(1.0, ("rotate",))) == 1
    assert augmentations(0.0, tuple(KINDS)) == []
