from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captcha_models.data.geometry import (
    HEIGHT,
    STEP,
    WIDTH,
    Geometry,
    chosen,
    filled,
    paper,
    read_size,
)
from captcha_models.errors import InputError


def test_images_of_one_size_are_squeezed_to_it() -> None:
    geometry = chosen([(50, 200)] * 9, ["abcde"] * 9)
    assert geometry == Geometry(height=HEIGHT, width=WIDTH)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 200)).astype(np.uint8)
    assert (geometry.fit(pixels)[0] == pixels).all()


def test_the_width_follows_the_proportions() -> None:
    assert chosen([(30, 70)] * 9, ["1234"] * 9).width == 120
    assert chosen([(60, 140)] * 9, ["1234"] * 9).width == 120


def test_close_labels_get_more_room() -> None:
    close = chosen([(50, 100)] * 9, ["1234567890"] * 9)
    assert close.stretch == pytest.approx(1.6)
    assert close.width == 160
    # Equal neighbours need a step more between them.
    assert chosen([(50, 100)] * 9, ["11111"] * 9).stretch > 1
    assert chosen([(50, 100)] * 9, ["12345"] * 9).stretch == 1


def test_images_of_other_proportions_keep_them() -> None:
    sizes = [(30, 24), (33, 110), (33, 421)] * 40
    geometry = chosen(sizes, ["1", "12345", "123456789012"] * 40)
    assert geometry.keep_aspect
    widths = [geometry.fit(np.zeros(size, np.uint8)).shape for size in sizes[:3]]
    assert [shape[2] % STEP for shape in widths] == [0, 0, 0]
    narrow, middle, wide = (shape[2] for shape in widths)
    assert narrow < middle < wide <= geometry.width
    assert middle == pytest.approx(110 * 50 / 33 * geometry.stretch, abs=STEP)


def test_one_odd_image_does_not_widen_all() -> None:
    assert not chosen([(50, 200)] * 200 + [(50, 900)], ["abcd"] * 201).keep_aspect
    long = chosen([(50, 40 + i) for i in range(200)] + [(10, 5000)], ["ab"] * 201)
    assert long.width < 1500


def test_what_an_image_lacks_is_its_own_paper() -> None:
    picture = np.full((1, 50, 40), 230, np.uint8)
    picture[:, 20:30, 10:30] = 5
    found = filled(picture, 96)
    assert (found[:, :, :40] == picture).all()
    assert (found[:, :, 40:] == 230).all()
    assert paper(255 - picture).tolist() == [25]


def test_an_image_is_noted_only_if_its_proportions_change() -> None:
    assert Geometry().suits(200, 50)
    assert Geometry().suits(400, 100)
    assert not Geometry().suits(400, 60)
    kept = Geometry(height=50, width=320, keep_aspect=True)
    assert kept.suits(40, 50)
    assert not kept.suits(900, 50)


@pytest.mark.parametrize("text", ["", "50x", "x200", "5x200", "50 x 200", "50x99999", "big"])
def test_a_wrong_size_is_told(text: str) -> None:
    with pytest.raises(InputError, match="--size"):
        read_size(text)


def test_a_size_is_kept_to() -> None:
    sizes = [(30, 24), (33, 421)] * 9
    assert chosen(sizes, ["1"] * 18, "32x100") == Geometry(height=32, width=100)
    kept = chosen(sizes, ["1"] * 18, "32")
    assert kept.keep_aspect
    assert kept.height == 32
    assert chosen([(50, 200)] * 9, ["abcd"] * 9, "32").keep_aspect


def test_a_pillow_image_is_fitted_as_its_array(tmp_path: Path) -> None:
    picture = Image.effect_noise((421, 33), 60)
    geometry = chosen([(33, 421), (33, 40)], ["1", "2"])
    assert geometry.fit(np.asarray(picture)).shape[1] == HEIGHT
