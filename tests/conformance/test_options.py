"""Options of one architecture or two."""

import pytest
import torch

from captcha_models.architectures import config_class, model_class
from captcha_models.architectures._heads import body_shape
from captcha_models.checks import check
from captcha_models.errors import InputError
from captcha_models.images import HEIGHT, WIDTH, LabelledImages
from tests.conformance.test_architectures import SMALL, fresh, pixels, split_of


def test_a_cut_that_leaves_too_few_steps_names_the_label(drawn: LabelledImages) -> None:
    config = config_class("crnn").parse({"cut": 8})
    images = LabelledImages(
        names=("8cccc.png",), labels=("8cccc",), pixels=drawn.pixels[:1], source="test"
    )
    with pytest.raises(InputError, match=r"leaves 7 steps .* label '8cccc' needs 8"):
        check(config, images, split_of(images, 8))
    check(config.changed(cut=7), images, split_of(images, 8))


def test_a_fixed_length_is_read_and_labels_of_another_are_refused(drawn: LabelledImages) -> None:
    model = fresh("crnn", **SMALL["crnn"], fixed_length=True).eval()
    with torch.no_grad():
        read = model.read(model(pixels(6)), n_best=2)
    assert {len(hypothesis.ids) for best in read for hypothesis in best} == {5}
    config = config_class("crnn").parse({**SMALL["crnn"], "fixed_length": True})
    with pytest.raises(InputError, match="fixed_length = true: labels have 4 to 5 characters"):
        model_class(config).check(config, ["abcd", "abcde"], (HEIGHT, WIDTH))
    with pytest.raises(InputError, match="labels have 4 to 5 characters"):
        model_class(config).check(config, ["abcd"], (HEIGHT, WIDTH), length=5)


@pytest.mark.parametrize("arch", ["pooled", "spatial"])
@pytest.mark.parametrize(("cut", "columns"), [(5, 50), (6, 25), (7, 13), (8, 7)])
def test_an_earlier_cut_leaves_a_classifier_more_columns(arch: str, cut: int, columns: int) -> None:
    model = fresh(arch, **SMALL[arch], cut=cut).eval()
    body = model.body if arch == "spatial" else model.layers[0]
    assert body_shape(body, (HEIGHT, WIDTH))[3] == columns
    with torch.no_grad():
        assert model(pixels(2)).shape == (2, 5, model.charset.num_classes)


@pytest.mark.parametrize("arch", ["pooled", "spatial"])
def test_coordinates_stand_beside_the_image(arch: str) -> None:
    images = pixels(2)
    assert torch.equal(fresh(arch, **SMALL[arch]).prepare(images), images.expand(-1, 3, -1, -1))
    grey, x, y = fresh(arch, **SMALL[arch], coordinates=True).prepare(images).unbind(dim=1)
    torch.testing.assert_close(grey, images[:, 0])
    assert torch.equal(x, torch.linspace(-1, 1, WIDTH).expand_as(x))
    assert torch.equal(y, torch.linspace(-1, 1, HEIGHT)[:, None].expand_as(y))
