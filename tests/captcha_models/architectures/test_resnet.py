"""The body of resnet34 is torchvision's: names, first weights, features, gradients."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import resnet34

from captcha_models.architectures.resnet import resnet34_body
from captcha_models.errors import InputError


@pytest.mark.parametrize("cut", [5, 6, 7, 8])
def test_a_seed_gives_torchvisions_model_to_the_last_bit(cut: int) -> None:
    torch.manual_seed(cut)
    ours, drawn = resnet34_body(cut), torch.rand(3)
    torch.manual_seed(cut)
    theirs = nn.Sequential(*list(resnet34(weights=None).children())[:cut])
    assert torch.equal(drawn, torch.rand(3))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    images = torch.rand(4, 3, 48, 96)
    for mode in (True, False):
        features = [body.train(mode)(images) for body in (ours, theirs)]
        assert torch.equal(*features)
        for one in features:
            one.square().mean().backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.equal(mine.grad, other.grad), name
    for name, buffer in theirs.named_buffers():
        assert torch.equal(ours.get_buffer(name), buffer), name


def test_pretrained_weights_come_from_torchs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    from torchvision.models import ResNet34_Weights

    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    model = resnet34(weights=None)
    torch.save(model.state_dict(), place / ResNet34_Weights.DEFAULT.url.rpartition("/")[2])
    # What is in the cache under that name is taken as it is, as torch does.
    body = resnet34_body(8, pretrained=True)
    for name, tensor in nn.Sequential(*list(model.children())[:8]).state_dict().items():
        assert torch.equal(body.state_dict()[name], tensor), name


def test_without_weights_or_network_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.download_url_to_file", _cut_off)
    monkeypatch.setenv("TORCH_HOME", "/nowhere/to/be/found")
    with pytest.raises(InputError, match="cannot be downloaded"):
        resnet34_body(8, pretrained=True)


def _cut_off(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_reading_loads_neither_torchvision_nor_fastai() -> None:
    code = (
        "import sys; from captcha_models.architectures import config_class;"
        "from captcha_models.inference import predictor;"
        "from captcha_models.architectures.crnn import Model, Config;"
        "from captcha_models.charset import Charset;"
        "Model(Config(), Charset('01'), 3, (50, 200));"
        "print([m for m in ('torchvision', 'fastai', 'ray', 'torch._dynamo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
