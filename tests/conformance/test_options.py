"""Options of one architecture or two."""

import pytest
import torch
from torch.nn import functional as F

from captcha_models.architectures import config_class, model_class
from captcha_models.architectures._heads import body_shape, located_loss
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


@pytest.mark.parametrize("arch", ["pooled", "spatial"])
@pytest.mark.parametrize("cut", [6, 7])
def test_a_second_head_teaches_the_body_and_reads_nothing(arch: str, cut: int) -> None:
    images, targets = pixels(4), torch.randint(1, 20, (4, 5))
    plain = fresh(arch, **SMALL[arch], cut=cut)
    joint = fresh(arch, **SMALL[arch], cut=cut, joint_weight=1.0)
    assert plain.joint is None
    assert joint.joint is not None
    joint.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(joint.eval()(images), plain.eval()(images))
    joint.train()
    joint.label_smoothing = 0.0
    joint.zero_grad()
    joint.joint_weight = 1e6
    joint.training_loss(images, targets).backward()
    body = joint.body if arch == "spatial" else joint.layers[0]
    assert max(float(p.grad.abs().max()) for p in body.parameters() if p.grad is not None) > 1
    assert joint.joint.places.grad is not None


def test_the_positions_cross_entropy_is_that_of_the_columns_they_look_at() -> None:
    columns = torch.randn(3, 7, 10)
    targets = torch.randint(1, 7, (3, 2))
    # Each position looks at one column alone: 2 and 8.
    places = torch.full((2, 10), -50.0)
    places[0, 2] = places[1, 8] = 50.0
    expected = F.cross_entropy(columns[:, :, [2, 8]], targets)
    torch.testing.assert_close(located_loss(columns, places, targets), expected)


@pytest.mark.parametrize("arch", ["pooled", "spatial", "crnn"])
def test_every_architecture_splices_what_it_has_read(arch: str) -> None:
    more = {} if arch == "crnn" else {"joint_weight": 1.0, "cut": 6}
    model = fresh(arch, **{**SMALL[arch], **more}, splice=1.0)
    images, targets = pixels(4), torch.randint(1, 20, (4, 5))
    # A model that has read nothing yet has found no place to cut.
    kept, same = model.spliced(images, targets)
    assert torch.equal(kept, images)
    assert torch.equal(same, targets)
    assert model.training
    scores, stride = model.columns(images)
    assert scores.shape[1:] == (4, model.charset.num_classes)
    assert abs(len(scores) * stride - WIDTH) < stride


@pytest.mark.parametrize("arch", ["pooled", "spatial"])
def test_a_classifier_needs_its_second_head_to_splice_and_columns_to_have_one(
    arch: str, drawn: LabelledImages
) -> None:
    config = config_class(arch).parse({**SMALL[arch], "splice": 0.5})
    with pytest.raises(InputError, match=r"splice = 0\.5: .* give it one by joint_weight"):
        check(config, drawn, split_of(drawn, 8))
    config = config_class(arch).parse({**SMALL[arch], "joint_weight": 1.0, "cut": 8})
    with pytest.raises(InputError, match=r"cut = 8 leaves 7 steps .* choose a smaller cut"):
        model_class(config).check(config, ["8cccc"], (HEIGHT, WIDTH))
