"""Adapted configurations: trained on other images with as little changed as that takes."""

import pytest

from captcha_models.adapt import adapted
from captcha_models.architectures import check, config_class
from captcha_models.config import SHIPPED, Config, read_values
from captcha_models.data.images import LabelledImages
from captcha_models.data.sources import synthetic
from captcha_models.errors import InputError
from tests.labelled import CHINESE, DIGITS, halved, plain, texts

CONFIGS = [path.stem.rsplit("-", 1) for path in sorted(SHIPPED.glob("*.toml"))]


def shipped(name: str, arch: str = "crnn") -> Config:
    return config_class(arch).parse(read_values(name, arch))


@pytest.mark.parametrize(("name", "arch"), CONFIGS)
def test_images_of_its_own_kind_change_nothing(name: str, arch: str, drawn: LabelledImages) -> None:
    config = shipped(name, arch)
    assert adapted(config, drawn, halved(drawn)) == (config, ())


@pytest.mark.parametrize("name", [name for name, arch in CONFIGS if arch == "crnn"])
@pytest.mark.parametrize(
    "labels",
    [
        texts(100, DIGITS, (3, 8)),
        texts(12, CHINESE, (4,)),
        texts(60, DIGITS, (20,)),
        texts(60, DIGITS, (1, 30)),
        ["00000000000", *texts(40, "01", (9,))],
    ],
    ids=len,
)
def test_what_is_adapted_can_be_trained(name: str, labels: list[str]) -> None:
    images = plain(labels)
    split = halved(images)
    config, notes = adapted(shipped(name), images, split)
    check(config, images, split)
    assert bool(notes) == (config != shipped(name))
    assert adapted(config, images, split) == (config, ())


def test_it_says_what_it_changed_and_why() -> None:
    images = plain(["0" * 14, *texts(23, DIGITS, (3, 14))])
    config, notes = adapted(shipped("recommended"), images, halved(images))
    assert notes == (
        "batch_size 16 -> 9 (18 training images)",
        "cut 6 -> 5 (cut = 6 leaves 25 steps of a 200 px wide image, but label "
        "'00000000000000' needs 27)",
        "fixed_length true -> false (labels have 3 to 14 characters)",
    )
    assert (config.splice, config.synthetic_share) == (0.5, 0.5)


def test_what_no_face_has_is_not_generated() -> None:
    images = plain(texts(60, CHINESE, (4,)))
    config, notes = adapted(shipped("recommended"), images, halved(images))
    assert notes[-1] == (
        "no generated images (the generator has no face with all these symbols, to be set side by "
        "side)"
    )
    assert config.synthetic_share == 0.0


def test_what_was_asked_for_stays_or_is_refused() -> None:
    images = plain(texts(24, DIGITS, (14,)))
    split = halved(images)
    asked = shipped("recommended").changed(cut=7)
    with pytest.raises(InputError, match="cut = 7 leaves 13 steps"):
        adapted(asked, images, split, keep=("cut",))
    asked = shipped("recommended").changed(fixed_length=True)
    mixed = plain(texts(24, DIGITS, (3, 4)))
    with pytest.raises(InputError, match="fixed_length = true: labels have 3 to 4 characters"):
        adapted(asked, mixed, halved(mixed), keep=("fixed_length",))


def test_generated_images_of_another_preset_keep_the_generator() -> None:
    hard = synthetic(120, 1, "hard")
    config = shipped("quick")
    assert adapted(config, hard, halved(hard)) == (config, ())
