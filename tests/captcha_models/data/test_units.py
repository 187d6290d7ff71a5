import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captcha_models.data.images import LabelledImages, content_digest
from captcha_models.data.units import duplicates, units


def planes(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.convert("L"))[None]


def again(image: NDArray[np.uint8], quality: int = 60, size: float = 1.0) -> NDArray[np.uint8]:
    """The picture saved as JPEG, or smaller."""
    file = io.BytesIO()
    picture = Image.fromarray(image[0])
    shape = (round(picture.width * size), round(picture.height * size))
    picture.resize(shape).save(file, "JPEG", quality=quality)
    return planes(Image.open(file))


def test_copies_are_found_and_other_pictures_are_none(drawn: LabelledImages) -> None:
    own = list(drawn.pixels[:40])
    copies = [own[3].copy(), again(own[5]), again(own[7], size=0.8)]
    pictures = [*own, *copies]
    digests = [content_digest(one) for one in pictures]
    assert duplicates(pictures, digests) == [(3, 40), (5, 41), (7, 42)]


def test_images_of_a_group_and_copies_share_a_key() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    assert units(names, None, []) == tuple(names)
    assert units(names, None, [(1, 4)]) == ("a", "b", "c", "d", "b", "f")
    grouped = units(names, ["1", "1", "", "2", "", ""], [(2, 4), (3, 5)])
    assert grouped == ("group 1", "group 1", "c", "group 2", "c", "group 2")
    # A copy in another group ties both together.
    assert set(units(names, ["1", "1", "2", "2", "", ""], [(0, 2)])) == {"group 1", "e", "f"}


def test_grey_is_known_whatever_its_channels(drawn: LabelledImages) -> None:
    grey = drawn.pixels[0]
    assert content_digest(grey) == content_digest(np.repeat(grey, 3, axis=0))
    assert content_digest(grey) != content_digest(drawn.pixels[1])
