"""Likeness: the generator stands in for images of its own kind alone."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from captcha_models.data import likeness
from captcha_models.data.images import LabelledImages
from captcha_models.data.likeness import cannot_draw, draws_another_kind, no_captchas
from captcha_models.data.sources import open_images, synthetic
from captcha_models.generator.style import PRESETS
from captcha_models.generator.text import FONTS
from tests.labelled import CHINESE, DIGITS, halved, plain, texts


def given(images: LabelledImages) -> LabelledImages:
    """The same images as if a person had brought them."""
    return replace(images, source="folder labelled", preset="default")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("count", [16, 300])
def test_images_of_every_preset_are_of_its_kind(preset: str, count: int) -> None:
    drawn = synthetic(count, 4, preset)
    assert no_captchas(drawn, halved(drawn)) is None
    assert draws_another_kind(given(drawn), halved(drawn)) is None


def test_the_articles_images_are_of_its_kind(real_images: Path) -> None:
    images = open_images(str(real_images))
    split = halved(images)
    assert no_captchas(images, split) is None
    grey, ink = likeness.distances(images, split)
    assert grey < 1, grey
    assert ink < 0.01, ink


@pytest.mark.parametrize("ink", [0, 90, 150])
@pytest.mark.parametrize("font", ["Go-Bold.ttf", "DejaVuSansMono-Bold.ttf"])
def test_text_on_plain_paper_is_of_another_kind(ink: int, font: str) -> None:
    labels = texts(300, "2345678bcdefgmnpwxy", (5,))
    images = plain(labels)
    for i, label in enumerate(labels):
        image = Image.new("L", (200, 50), 225)
        face = ImageFont.truetype(FONTS / font, 38)
        ImageDraw.Draw(image).text((28, 2), label, ink, face)
        images.pixels[i, 0] = image
    reason = no_captchas(images, halved(images))
    assert reason is not None
    assert "look otherwise" in reason


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (texts(60, CHINESE, (4,)), "alphabet"),
        (texts(60, DIGITS + " ", (5,)), "it lacks ' '"),
        (texts(60, DIGITS, (5, 14)), "to hold 14 symbols"),
        (texts(60, "ab", (3,)), "must be at most"),
    ],
)
def test_labels_that_it_cannot_draw(labels: list[str], text: str) -> None:
    images = plain(labels)
    reason = cannot_draw(images, halved(images), 32)
    assert reason is not None
    assert reason.startswith("the generator cannot draw labels like these: ")
    assert text in reason


def test_images_of_another_size() -> None:
    images = plain(texts(60, DIGITS, (5,)), size=(120, 40))
    assert "these images are 120 x 40 px" in str(cannot_draw(images, halved(images), 1))


def test_it_takes_less_than_a_second(drawn: LabelledImages) -> None:
    images = given(synthetic(1000, 0))
    began = time.process_time()
    draws_another_kind(images, halved(images))
    assert time.process_time() - began < 1
