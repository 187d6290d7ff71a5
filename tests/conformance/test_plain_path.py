"""The training loop takes the course of a plain one, written out: no fastai, nothing fused."""

import math

import numpy as np
import pytest
import torch

from captcha_models.architectures import build, config_class, names
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.training.device import multiplies_bf16, seed_everything
from captcha_models.training.evaluation import evaluate
from captcha_models.training.fit import fit
from captcha_models.training.metrics import EpochMetrics

SMALL = {
    "crnn": {"cut": 5, "map_to_seq_hidden": 16, "rnn_hidden_1": 16, "dropout": 0.0, "clip": 5.0,
             "aux_weight": 1.0, "joint_weight": 1.0},
    "pooled": {"head_size": 32, "dropout_1": 0.0, "dropout_2": 0.0},
    "spatial": {"head_size": 32, "dropout_1": 0.0, "dropout_2": 0.0},
}  # fmt: skip
ROWS = np.arange(24)
SPLIT = Split(train=ROWS, valid=ROWS[:8], test=ROWS[:0], fold=0, folds=5, seed=0)
SEED = 4


def configuration(arch: str, **values: object) -> Config:
    shared = {"epochs": 3, "batch_size": 8, "augment": 0.0, "lr": 1e-4}
    return config_class(arch).parse({**SMALL.get(arch, {}), **shared, **values})


def one_cycle(share: float, low: float, high: float, last: float) -> float:
    """A value after that share of all steps: up by a cosine over a quarter, then down."""
    if share < 0.25:
        return low + (high - low) * (1 - math.cos(math.pi * share / 0.25)) / 2
    return high + (last - high) * (1 - math.cos(math.pi * (share - 0.25) / 0.75)) / 2


def plain(config: Config, images: LabelledImages) -> list[tuple[float, float]]:
    """Smoothed training loss and validation NLL after each epoch."""
    seed_everything(SEED, 0)
    model = build(config, images.charset, 5).to(memory_format=torch.contiguous_format)
    model.train()
    decayed, exempt = [], []
    for module in model.modules():
        norm = isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        for name, parameter in module.named_parameters(recurse=False):
            (exempt if norm or name == "bias" else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": 0.01},
        {"params": exempt, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, eps=1e-5, foreach=False, fused=False)
    pixels = torch.from_numpy(images.pixels[ROWS])
    targets = torch.from_numpy(images.charset.encode(images.labels))[ROWS]
    steps, number, smooth, seen = config.epochs * len(ROWS) // 8, 0, 0.0, []
    for epoch in range(config.epochs):
        seed_everything(SEED, epoch + 1)
        for chunk in torch.randperm(len(ROWS)).split(8):  # type: ignore[no-untyped-call]
            share = number / steps
            for group in optimiser.param_groups:
                group["lr"] = one_cycle(share, config.lr / 25, config.lr, config.lr / 1e5)
                group["betas"] = (one_cycle(share, 0.95, 0.85, 0.95), 0.99)
            loss = model.training_loss(pixels[chunk].float() / 255, targets[chunk])
            loss.backward()  # type: ignore[no-untyped-call]
            if config.clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimiser.step()
            optimiser.zero_grad()
            number += 1
            smooth = 0.98 * smooth + 0.02 * loss.item()
        valid = evaluate(model, pixels[:8], images.labels[:8])
        seen.append((smooth / (1 - 0.98**number), valid.nll))
    return seen


def ours(config: Config, images: LabelledImages) -> list[tuple[float, float]]:
    seen: list[EpochMetrics] = []
    fit(config, images, SPLIT, seed=SEED, device="cpu", on_epoch=lambda m, s: seen.append(m))
    return [(m.train_loss, m.valid_nll) for m in seen]


@pytest.mark.parametrize("arch", [pytest.param(a, marks=() if a == "crnn" else pytest.mark.slow)
                                  for a in names()])  # fmt: skip
def test_losses_are_the_plain_loops(arch: str, drawn: LabelledImages) -> None:
    config = configuration(arch)
    for fast, slow in zip(ours(config, drawn), plain(config, drawn), strict=True):
        # Sums in another order, which Adam enlarges where a gradient is all but zero: 1 %.
        assert fast == pytest.approx(slow, rel=1e-2)


@pytest.mark.skipif(not multiplies_bf16(torch.device("cpu")), reason="no bfloat16 on this machine")
def test_bfloat16_takes_the_same_course(drawn: LabelledImages) -> None:
    config = configuration("crnn")
    halved = ours(config.changed(bf16=True), drawn)
    for fast, slow in zip(halved, plain(config, drawn), strict=True):
        # Eight bits of precision: 2 % of the losses.
        assert fast == pytest.approx(slow, rel=2e-2)
    assert halved != ours(config, drawn)
