"""Images of differing widths: what a model sees of them, in training and where it is scored."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from captcha_models.architectures import build, check, config_class
from captcha_models.data.geometry import chosen
from captcha_models.data.images import LabelledImages, stacked
from captcha_models.data.loaders import make_loaders
from captcha_models.data.splits import make_split
from captcha_models.errors import InputError
from captcha_models.inference.predictions import predictions_of
from captcha_models.inference.predictor import predict_images
from captcha_models.training.evaluation import evaluate
from captcha_models.training.fit import fit
from captcha_models.training.metrics import IMPOSSIBLE, EpochMetrics

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def ragged() -> LabelledImages:
    """60 numbers of 1 to 9 digits, each image as wide as its number is long."""
    rng = np.random.default_rng(3)
    labels = ["".join(rng.choice(list("0123456789"), rng.integers(1, 10))) for _ in range(60)]
    pictures = []
    for label in labels:
        picture = Image.new("L", (8 + 12 * len(label), 24), 235)
        ImageDraw.Draw(picture).text((4, 2), label, fill=20, font_size=18)
        pictures.append(np.asarray(picture))
    geometry = chosen([picture.shape for picture in pictures], labels)
    scaled = [geometry.fit(picture) for picture in pictures]
    return LabelledImages(
        names=tuple(f"{i:03}.png" for i in range(60)),
        labels=tuple(labels),
        pixels=stacked(scaled, geometry.width),
        source="drawn numbers",
        geometry=geometry,
        widths=np.array([one.shape[2] for one in scaled]),
    )


def test_a_batch_is_as_wide_as_its_widest_image(ragged: LabelledImages) -> None:
    config = config_class("crnn")(batch_size=8, augment=0.0)
    split = make_split(ragged.units)
    loaders = make_loaders(ragged, split, config, device=CPU, any_width=True)
    torch.manual_seed(0)
    batches = [(images.shape[3], targets) for images, targets in loaders.train]
    assert len(batches) == len(split.train) // 8
    of_label = dict(zip(ragged.labels, ragged.widths.tolist(), strict=True))
    for width, targets in batches:
        labels = [ragged.charset.decode(row.tolist()) for row in targets]
        assert width == max(of_label[label] for label in labels)
    assert len({width for width, _ in batches}) > 2
    one_size = make_loaders(ragged, split, config, device=CPU)
    assert {images.shape[3] for images, _ in one_size.train} == {ragged.geometry.width}


def test_another_device_has_the_same_batches(ragged: LabelledImages) -> None:
    """The device `meta` keeps no numbers, as a GPU's are not there for the CPU."""
    config = config_class("crnn")(batch_size=8, augment=0.0)
    found = []
    for device in (CPU, torch.device("meta")):
        torch.manual_seed(0)
        loaders = make_loaders(
            ragged, make_split(ragged.units), config, device=device, any_width=True
        )
        found.append([images.shape for images, _ in loaders.train])
    assert found[0] == found[1]


def test_what_is_read_of_an_image_depends_on_no_other(ragged: LabelledImages) -> None:
    torch.manual_seed(1)
    config = config_class("crnn")(cut=5, joint_weight=1.0)
    model = build(config, ragged.charset, 9, ragged.size).eval()
    pixels = torch.from_numpy(ragged.pixels)
    together = evaluate(model, pixels, ragged.labels, ragged.widths)
    for i in (0, 17, 59):
        alone = evaluate(model, pixels[i : i + 1], [ragged.labels[i]], ragged.widths[i : i + 1])
        assert alone.nlls[0] == pytest.approx(together.nlls[i], rel=1e-4)
        assert alone.predictions[0] == together.predictions[i]
    predicted = predict_images(model, pixels, 1, ragged.widths)
    assert tuple(best[0].label for best in predicted) == together.predictions


@pytest.mark.slow
def test_numbers_of_any_width_are_learned(ragged: LabelledImages) -> None:
    values = {
        "cut": 6, "batch_size": 4, "epochs": 8, "lr": 4e-3, "pool_height": True, "clip": 5.0,
        "joint_weight": 1.0, "aux_weight": 1.0, "shortcut": True, "rnn_hidden_2": 0,
        "rnn_hidden_1": 64, "augment": 0.2, "normalize": True, "orthogonal": True, "ema": 0.9,
    }  # fmt: skip
    found: list[EpochMetrics] = []
    fit(
        config_class("crnn").parse(values), ragged, make_split(ragged.units), seed=0,
        on_epoch=lambda metrics, _: found.append(metrics), device="cpu",
    )  # fmt: skip
    assert found[-1].train_nll < 0.75 * found[0].train_nll


def test_the_odd_label_without_room_stops_nothing(ragged: LabelledImages) -> None:
    labels = ("1234567890" * 3, *ragged.labels[1:])
    many = replace(
        ragged,
        names=tuple(f"{i:04}.png" for i in range(600)),
        labels=(*labels, *ragged.labels * 9),
        pixels=np.concatenate([ragged.pixels] * 10),
        widths=np.concatenate([ragged.widths] * 10),
    )
    assert many.crowded == {0}
    split = make_split(many.names)
    config = config_class("crnn").parse({"cut": 6, "epochs": 1, "batch_size": 60})
    check(config, many, split)
    with pytest.raises(InputError, match="leaves"):
        check(config, replace(many, labels=(*labels[:1] * 20, *many.labels[20:])), split)
    torch.manual_seed(0)
    model = build(config, many.charset, 30, many.size).eval()
    narrow = torch.rand(2, 1, 50, 64)
    targets = torch.from_numpy(many.charset.encode(["1234567890" * 3, "12"]))
    with torch.no_grad():
        alone = model.loss(model(narrow)[:, 1:], targets[1:])
        both = model.loss(model(narrow), targets)
    assert float(both) == pytest.approx(float(alone) / 2, rel=1e-4)
    scores = evaluate(model, torch.from_numpy(many.pixels[:8]), labels[:8], many.widths[:8])
    assert scores.num_unreadable == 1
    kept = predictions_of(model, scores, labels[:8])
    assert kept["nlls"][0] == IMPOSSIBLE
    assert "0" in kept["wrong"]
