"""Conformance of every architecture found, and the training loop around it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

from captcha_models.architectures import build, config_class, model_class, names, resolve
from captcha_models.architectures.base import Recogniser
from captcha_models.charset import Charset
from captcha_models.conformance import QUICK, SLOW, Case, gradients_everywhere
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split, make_split
from captcha_models.errors import InputError, NonFiniteLossError
from captcha_models.training.checkpoint import (
    CHECKPOINT_FILE,
    load_model,
    read_tensors,
    write_tensors,
)
from captcha_models.training.evaluation import TEMPERATURES, evaluate
from captcha_models.training.fit import fit
from captcha_models.training.metrics import doubt

SYMBOLS = "2345678bcdefgmnpwxy"
LABELS = ("by5y3", "efb3f", "76y6f", "e2d66")
SOURCE_PARAMETERS = {"pooled": 21_882_464, "spatial": 28_575_004, "crnn": 9_557_908}
SMALL = {
    "crnn": {"cut": 5, "map_to_seq_hidden": 16, "rnn_hidden_1": 16, "rnn_hidden_2": 0},
    "pooled": {"head_size": 32},
    "spatial": {"head_size": 32},
}
CLASSIFIER = {"dropout_1": 0.2, "joint_weight": 1.0, "cut": 7, "splice": 0.5}
MORE: dict[str, dict[str, dict[str, object]]] = {
    "crnn": {
        # What is averaged and fitted has to come back from a checkpoint too.
        "seeds_repeat": {"dropout": 0.2, "ema": 0.9, "calibrate": True, "splice": 0.5},
        "learns_by_heart": {
            "cut": 6, "pool_height": True, "aux_weight": 1.0, "joint_weight": 1.0,
            "shortcut": True, "orthogonal": True, "clip": 5, "map_to_seq_hidden": 64,
            "rnn_hidden_1": 64, "epochs": 50,
        },
    },
    "pooled": {
        "seeds_repeat": CLASSIFIER,
        "learns_by_heart": {"cut": 6, "coordinates": True, "joint_weight": 1.0, "epochs": 60},
    },
    "spatial": {"seeds_repeat": CLASSIFIER, "learns_by_heart": {"cut": 6, "epochs": 60}},
}  # fmt: skip
"""Configurations that put more of an architecture through a check."""
for _more in MORE.values():
    _more["learns_mixed_lengths"] = {**_more["learns_by_heart"], "epochs": 75}


def fresh(arch: str, seed: int = 0, **values: object) -> Recogniser:
    torch.manual_seed(seed)
    return build(config_class(arch).parse(values), Charset(SYMBOLS), 5)


def pixels(count: int) -> Tensor:
    return torch.rand(count, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=names())
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    "check", [*QUICK, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)],
    ids=lambda one: one.__name__,
)  # fmt: skip
@pytest.mark.timeout(600)
def test_every_architecture_conforms(
    arch: str, check: Callable[[Case], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Splices from the first step on, where the configuration splices.
    monkeypatch.setattr("captcha_models.data.segmentation.TRUSTED", float("inf"))
    more = MORE.get(arch, {}).get(check.__name__, {})
    check(Case(resolve(arch), {**SMALL.get(arch, {}), **more}))


@pytest.mark.parametrize("arch", SOURCE_PARAMETERS)
def test_the_source_values_give_the_source_parameter_count(arch: str) -> None:
    assert sum(p.numel() for p in fresh(arch).parameters()) == SOURCE_PARAMETERS[arch]


@pytest.mark.parametrize("arch", SMALL)
def test_the_gradient_reaches_every_parameter_of_the_second_heads(arch: str) -> None:
    more = {"pool_height": True, "aux_weight": 0.5}
    if arch != "crnn":
        more = {"normalize": True, "coordinates": True, "joint_weight": 1.0, "cut": 7}
    gradients_everywhere(Case(resolve(arch), {**SMALL.get(arch, {}), **more}))


@pytest.mark.parametrize("arch", SMALL)
def test_labels_of_mixed_length_are_read(arch: str) -> None:
    config = config_class(arch)()
    model_class(config).check(config, ["ab", "abc"], (50, 200))
    if arch != "crnn":
        with pytest.raises(InputError, match=f"'abc' has 3 characters: this {arch} was built for"):
            model_class(config).check(config, ["ab", "abc"], (50, 200), length=2)


def test_calibration_finds_the_most_probable_temperature(arch: str) -> None:
    model = fresh(arch, **SMALL.get(arch, {}))
    images = (pixels(6) * 255).to(torch.uint8)
    labels = (*LABELS, "n8g2x", "cc4dm")
    found = evaluate(model, images, labels, search=False, calibrate=True)
    same = fresh(arch, **SMALL.get(arch, {}))
    assert found.nll_raw == pytest.approx(evaluate(same, images, labels, search=False).nll)
    fitted = evaluate(model, images, labels, search=False).nll
    least = len(labels) * fitted + doubt(float(model.temperature))
    for temperature in map(float, np.geomspace(*TEMPERATURES, 8)):
        same.temperature.fill_(temperature)
        nll = evaluate(same, images, labels, search=False).nll
        assert len(labels) * nll + doubt(temperature) > least * (1 - 1e-3)
    # What is reported was fitted to other images than those it is of.
    assert found.nll >= fitted * (1 - 1e-3)
    assert model.training


def test_what_is_said_of_an_image_does_not_calibrate_it(drawn: LabelledImages) -> None:
    images = torch.from_numpy(drawn.pixels[:10])
    model = fresh("pooled", **SMALL["pooled"]).eval()
    # Mostly what it reads, so that the best temperature lies between the bounds.
    labels = [*evaluate(model, images, drawn.labels[:10]).predictions[:8], *drawn.labels[8:10]]
    nlls = [
        evaluate(model, images, [first, *labels[1:]], calibrate=True).nlls
        for first in (labels[0], drawn.labels[0])
    ]
    # Images 0 and 5 share a part: the label of 0 changes nothing for 5, but for all others.
    assert nlls[0][5] == nlls[1][5]
    assert all(nlls[0][i] != nlls[1][i] for i in (1, 2, 3, 4, 6, 7, 8, 9))


def split_of(images: LabelledImages, count: int) -> Split:
    rows = np.arange(count)
    return Split(train=rows, valid=rows, test=rows[:0], fold=0, folds=5, seed=0)


def test_averaged_weights_are_the_average_of_the_steps(drawn: LabelledImages) -> None:
    config = config_class("crnn").parse(
        {**SMALL["crnn"], "epochs": 1, "batch_size": 8, "ema": 0.3, "lr": 1e-3}
    )
    steps: list[tuple[Tensor, ...]] = []

    def watched(model: nn.Module) -> tuple[Tensor, ...]:
        norm = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
        found = model.dense[-1].weight, norm.running_mean, norm.running_var
        return tuple(one.detach().clone() for one in found)

    class Watch(Callback):  # type: ignore[misc]
        def before_fit(self) -> None:
            steps.append(watched(self.learn.recogniser))

        def after_batch(self) -> None:
            steps.append(watched(self.learn.recogniser))

    last = fit(config, drawn, split_of(drawn, 40), seed=0, on_epoch=lambda m, s: None,
               callbacks=[Watch()], device="cpu")  # fmt: skip
    assert len(steps) == 6
    for found, first, *later in zip(watched(last.model), *steps, strict=True):
        expected = first
        for number, value in enumerate(later):
            decay = min(0.3, (1 + number) / (10 + number))
            expected = decay * expected + (1 - decay) * value
        torch.testing.assert_close(found, expected)
        assert not torch.equal(expected, later[-1])


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_refused(
    arch: str, drawn: LabelledImages, tmp_path: Path
) -> None:
    config = config_class(arch).parse({**SMALL.get(arch, {}), "epochs": 1, "batch_size": 8})
    split = split_of(drawn, 8)
    fit(config, drawn, split, seed=1, on_epoch=lambda m, s: s.save_checkpoint(tmp_path) and None)
    with pytest.raises(InputError, match="seed is 1, not 2"):
        fit(config, drawn, split, seed=2, on_epoch=lambda m, s: None, resume=tmp_path)
    with pytest.raises(InputError, match=r"its lr is 0\.003, not 0\.5"):
        other = config.changed(lr=0.5)
        fit(other, drawn, split, seed=1, on_epoch=lambda m, s: None, resume=tmp_path)
    # One of a version that knew fewer fields is none of another training.
    tensors, header = read_tensors(tmp_path / CHECKPOINT_FILE)
    del header["config"]["clip"]
    write_tensors(tmp_path / CHECKPOINT_FILE, tensors, header)
    again = fit(config, drawn, split, seed=1, on_epoch=lambda m, s: None, resume=tmp_path)
    assert again.metrics.epoch == 1


def test_a_saved_model_says_what_it_is(drawn: LabelledImages, tmp_path: Path) -> None:
    config = config_class("crnn").parse({**SMALL["crnn"], "epochs": 1, "batch_size": 8})
    last = fit(config, drawn, split_of(drawn, 8), seed=1, on_epoch=lambda m, s: None, device="cpu")
    card = load_model(last.save_model(tmp_path).parent).card
    assert card.arch == "crnn"
    assert card.parsed_config() == config
    assert card.data.digest == drawn.digest
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_too_few_images_for_a_batch(arch: str, drawn: LabelledImages) -> None:
    config = config_class(arch).parse({**SMALL.get(arch, {}), "epochs": 1, "batch_size": 64})
    with pytest.raises(InputError, match="only 16 training images"):
        fit(config, drawn, split_of(drawn, 16), seed=0, on_epoch=lambda m, s: None)


def test_a_loss_that_is_not_finite_is_raised_in_our_words(drawn: LabelledImages) -> None:
    config = config_class("crnn").parse({**SMALL["crnn"], "epochs": 1, "batch_size": 8, "lr": 1.0})
    split = split_of(drawn, 16)

    class Spoil(Callback):  # type: ignore[misc]
        def before_batch(self) -> None:
            torch.nn.init.constant_(next(self.model.parameters()), float("nan"))

    with pytest.raises(NonFiniteLossError, match=r"^the training loss is nan in epoch 1; lr = 1"):
        fit(config, drawn, split, seed=0, on_epoch=lambda m, s: None, callbacks=[Spoil()])


def test_unknown_architectures_fields_and_values() -> None:
    with pytest.raises(InputError, match="unknown architecture 'cnn': choose one of crnn"):
        config_class("cnn")
    with pytest.raises(InputError, match=r"unknown option 'cutt'; crnn knows: .*cut"):
        config_class("crnn").parse({"cutt": 5})
    with pytest.raises(InputError, match="cut = 9: must be less than or equal to 8"):
        config_class("crnn").parse({"cut": 9})
    with pytest.raises(InputError, match="publishes no weights for xresnet34"):
        pretrained = config_class("pooled").parse({"pretrained": True})
        model_class(pretrained).check(pretrained, LABELS, (HEIGHT, WIDTH))


def test_split_sizes_of_drawn_images(drawn: LabelledImages) -> None:
    split = make_split(drawn.names)
    assert len(split.train) + len(split.valid) + len(split.test) == len(drawn)
