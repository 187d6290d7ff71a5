"""Options of one architecture or two."""

import pytest
import torch
from torch.nn import functional as F

from captcha_models.architectures import check, config_class, model_class
from captcha_models.architectures.heads import body_shape, located_loss
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
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
@pytest.mark.parametrize(("cut", "reads"), [(7, True), (8, False)])
def test_a_second_head_teaches_the_body_and_reads_nothing(arch: str, cut: int, reads: bool) -> None:
    images, targets = pixels(4), torch.randint(1, 20, (4, 5))
    plain = fresh(arch, **SMALL[arch], cut=cut)
    joint = fresh(arch, **SMALL[arch], cut=cut, joint_weight=1.0)
    assert plain.joint is None
    assert joint.joint is not None
    joint.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(joint.eval()(images), plain.eval()(images))

    def steepest(model: torch.nn.Module) -> float:
        model.train().training_loss(images, targets).backward()
        body = model.body if arch == "spatial" else model.layers[0]
        return max(float(p.grad.abs().max()) for p in body.parameters() if p.grad is not None)

    joint.joint_weight = 1e6
    assert steepest(joint) > 1e3 * steepest(plain)
    assert joint.joint.places.grad is not None
    # Seven columns hold no label of five equal symbols, so there the head does without CTC.
    assert joint.joint.reads == reads
    assert (joint.columns(images) is not None) == reads
    loss = joint.joint.loss(joint.features(images), torch.full((4, 5), 3))
    assert torch.isfinite(loss)


def test_the_positions_cross_entropy_is_that_of_the_columns_they_look_at() -> None:
    columns = torch.randn(3, 7, 10)
    targets = torch.randint(1, 7, (3, 2))
    # Each position looks at one column alone: 2 and 8.
    places = torch.full((2, 10), -50.0)
    places[0, 2] = places[1, 8] = 50.0
    expected = F.cross_entropy(columns[:, :, [2, 8]], targets)
    torch.testing.assert_close(located_loss(columns, places, targets), expected)


@pytest.mark.parametrize("arch", ["pooled", "spatial", "crnn"])
def test_every_architecture_splices_what_it_has_read(
    arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {} if arch == "crnn" else {"joint_weight": 1.0}
    model = fresh(arch, **{**SMALL[arch], **more, "cut": 6}, splice=1.0)
    images, targets = pixels(2), torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
    scores = model.columns(images)
    assert scores is not None
    assert scores.shape == (25, 2, model.charset.num_classes)
    assert model.stride * 25 == WIDTH
    # A model that has read nothing yet has found no place to cut.
    kept, same = model.spliced(images, targets)
    assert torch.equal(kept, images)
    assert torch.equal(same, targets)
    # One that has reads both images' symbols in the same columns; there is no ink between them.
    logits = torch.zeros_like(scores)
    logits[:, :, 0] = 10.0
    for row, steps in enumerate(targets):
        for place, symbol in enumerate(steps):
            logits[4 * place + 2, row, symbol] = 20.0
    for seam in range(32, 160, 32):
        images[..., seam - 8 : seam + 8] = 0.5
    monkeypatch.setattr(model, "columns", lambda images: logits)
    mixed, labels = model.spliced(images, targets)
    for row in range(2):
        theirs = labels[row] == targets[1 - row]
        assert theirs.any()
        assert torch.equal(labels[row], targets[1 - row].where(theirs, targets[row]))
        for place in range(1, 4):
            part = slice(32 * place, 32 * place + 32)
            source = images[1 - row if theirs[place] else row]
            assert torch.equal(mixed[row, ..., part], source[..., part])


def test_splicing_leaves_the_mode_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fresh("crnn", **SMALL["crnn"], splice=1.0)
    targets = torch.randint(1, 20, (4, 5))
    for mode in (True, False):
        model.train(mode).spliced(pixels(4), targets)
        assert model.training == mode

    def fails(images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no")

    monkeypatch.setattr(model, "columns", fails)
    model.train()
    with pytest.raises(RuntimeError, match="no"):
        model.spliced(pixels(4), targets)
    assert model.training


def test_a_classifier_without_columns_has_nothing_to_splice_with() -> None:
    images, targets = pixels(4), torch.randint(1, 20, (4, 5))
    for values in ({}, {"joint_weight": 1.0, "cut": 8}):
        model = fresh("pooled", **{**SMALL["pooled"], **values}, splice=1.0)
        assert model.spliced(images, targets) == (images, targets)


def test_a_cut_has_to_hold_the_labels_that_may_be_drawn(drawn: LabelledImages) -> None:
    images = LabelledImages(
        names=("abcde.png",) * 8, labels=("abcde",) * 8, pixels=drawn.pixels[:8], source="test"
    )
    config = config_class("crnn").parse({"cut": 8})
    check(config, images, split_of(images, 8))
    # Splicing makes no label that does not fit.
    check(config.changed(splice=0.5), images, split_of(images, 8))
    with pytest.raises(InputError, match=r"label 'aaaaa' needs 9"):
        check(config.changed(synthetic_share=0.5), images, split_of(images, 8))
