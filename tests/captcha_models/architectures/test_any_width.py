"""Images of different widths: what a CRNN makes of them, and of the paper on their right."""

from typing import Any

import pytest
import torch
from fastai.torch_core import TensorImage
from torch import Tensor

from captcha_models.architectures import build, config_class, model_class
from captcha_models.architectures.base import Recogniser, content_statistics
from captcha_models.charset import Charset
from captcha_models.data.augment import augmentations

SMALL = {
    "cut": 5, "map_to_seq_hidden": 16, "rnn_hidden_1": 16, "rnn_hidden_2": 0, "aux_weight": 1.0,
    "joint_weight": 1.0, "splice": 0.5, "pool_height": True, "normalize": True,
}  # fmt: skip
TARGETS = torch.tensor([[1, 2, 3, 1, 1, 2, 3, 3], [1, 0, 0, 0, 0, 0, 0, 0]])


def crnn(**values: Any) -> Recogniser:
    torch.manual_seed(0)
    config = config_class("crnn").parse({**SMALL, **values})
    return build(config, Charset("abc"), 8, (50, 640), mixed=True, keep_aspect=True)


def noise(width: int) -> Tensor:
    return torch.rand(2, 1, 50, width, generator=torch.Generator().manual_seed(width))


@pytest.mark.parametrize("width", [80, 160, 400, 640])
def test_a_batch_of_any_width_trains_and_reads(width: int) -> None:
    model = crnn()
    targets = TARGETS if width > 80 else TARGETS.flip(0)[:1].repeat(2, 1)
    loss = model.training_loss(noise(width), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    with torch.no_grad():
        logits = model(noise(width))
    config: Any = model.config
    assert logits.shape == (model_class(config).num_steps(config, (50, width)), 2, 4)  # type: ignore[attr-defined]
    assert len(model.read(logits)) == 2


def test_classifiers_need_one_width_and_the_crnn_does_not() -> None:
    found = {name: model_class(config_class(name)()).any_width for name in ("crnn", "pooled")}
    assert found == {"crnn": True, "pooled": False}


@pytest.mark.parametrize("paper", [0.0, 0.6, 1.0])
def test_paper_on_the_right_changes_no_brightness(paper: float) -> None:
    model, images = crnn(), noise(80)
    padded = torch.nn.functional.pad(images, (0, 560), value=paper)
    wide = model.prepare(padded)[..., :80]
    torch.testing.assert_close(wide, model.prepare(images), atol=1e-4, rtol=1e-4)
    mean, deviation = content_statistics(images)
    torch.testing.assert_close(mean, images.mean(dim=(1, 2, 3), keepdim=True))
    torch.testing.assert_close(deviation, images.std(dim=(1, 2, 3), keepdim=True))


def test_an_image_without_content_stays_finite() -> None:
    found = crnn().prepare(torch.full((1, 1, 50, 64), 0.3))
    assert found.abs().max() < 1e-4


def test_colours_of_the_paper_are_no_content() -> None:
    images = torch.zeros(1, 3, 50, 64)
    images[:, 0], images[:, :, 10:20, 5:9] = 0.9, 0.5
    mean, _ = content_statistics(images)
    expected = images[..., 5:9].mean()
    assert float(mean) == pytest.approx(float(expected))


@pytest.mark.parametrize("kind", ["noise", "erase"])
def test_no_change_in_training_hides_what_is_paper(kind: str) -> None:
    images = torch.nn.functional.pad(0.8 * noise(80), (0, 560), value=0.9)
    [change] = augmentations(1.0, {kind}, filled=True)
    for seed in range(6):
        torch.manual_seed(seed)
        changed = torch.Tensor(change(TensorImage(images), split_idx=0))
        assert torch.equal(changed[..., 80:], images[..., 80:])
    torch.manual_seed(3)
    [anywhere] = augmentations(1.0, {kind})
    assert not torch.equal(anywhere(TensorImage(images), split_idx=0)[..., 80:], images[..., 80:])
