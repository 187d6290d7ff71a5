"""Labels of mixed length in classifiers: an end of its own, proper probabilities, exact n-best."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from captcha_models.architectures import build, config_class
from captcha_models.architectures.heads import (
    PositionalRecogniser,
    best_ids,
    even_places,
    located_loss,
)
from captcha_models.charset import Charset
from captcha_models.inference.onnx_export import Portable
from captcha_models.training.evaluation import evaluate

SYMBOLS = "abc"
LENGTH = 4


class Still(PositionalRecogniser):
    """Answers with the logits that it is asked about."""

    def forward(self, images: Tensor) -> Tensor:
        return images


def still(length: int = LENGTH, mixed: bool = True, **values: Any) -> Still:
    config: Any = config_class("pooled").parse(values)
    model = Still(config, Charset(SYMBOLS), length)
    model.mixed = mixed
    return model


class Loud(Still):
    """Takes images (N, L, 1, K) for its logits, 20 times as sure."""

    def __init__(self) -> None:
        config: Any = config_class("pooled")()
        super().__init__(config, Charset(SYMBOLS), LENGTH)
        self.mixed = True
        self.sure = torch.nn.Parameter(torch.tensor(20.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.sure * images[:, :, 0]


def logits_of(seed: int, length: int = LENGTH, count: int = 3) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(count, length, len(SYMBOLS) + 1, generator=chance) * 2


def labels(length: int, least: int) -> list[tuple[int, ...]]:
    """All labels of so many symbols at most, by class ids."""
    return [ids for n in range(least, length + 1) for ids in product(range(1, 4), repeat=n)]


def of(ids: tuple[int, ...], row: Tensor) -> float:
    """ln p of a label by the definition, position by position; row is (L, K)."""
    log_probs = row.double().log_softmax(dim=1)
    ended = [0] if len(ids) < len(row) else []
    return float(sum(log_probs[place, k] for place, k in enumerate([*ids, *ended])))


@pytest.mark.parametrize("length", [1, 2, 4])
def test_the_probabilities_of_all_labels_add_up_to_one(length: int) -> None:
    model, logits = still(length), logits_of(0, length)
    total = torch.zeros(3)
    for ids in labels(length, 0):
        targets = torch.tensor([[*ids, *[0] * (length - len(ids))]] * 3, dtype=torch.int64)
        nll = model.nll(logits, targets)
        assert nll.tolist() == pytest.approx([-of(ids, row) for row in logits], abs=1e-4)
        total += (-nll).exp()
    assert total.tolist() == pytest.approx([1.0] * 3, abs=1e-5)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([1, 2, 3, 7, 200]))
def test_the_n_best_are_exact(seed: int, length: int, n_best: int) -> None:
    model, logits = still(length), logits_of(seed, length)
    for row, found in zip(logits, model.read(logits, n_best), strict=True):
        expected = sorted((of(ids, row) for ids in labels(length, 1)), reverse=True)
        given_ = [hypothesis.log_prob for hypothesis in found]
        # Of fewer prefixes than are asked for not all labels may follow, but n are always found.
        assert given_ == pytest.approx(expected[:n_best], abs=1e-4)
        assert len({hypothesis.ids for hypothesis in found}) == len(found)
        for ids, log_prob in found:
            assert of(ids, row) == pytest.approx(log_prob, abs=1e-4)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_the_portable_ids_are_the_best_label(seed: int, length: int, mixed: bool) -> None:
    model, logits = still(length, mixed), logits_of(seed, length)
    ids = best_ids(logits.log_softmax(dim=2), mixed)
    for row, [best] in zip(ids.tolist(), model.read(logits), strict=True):
        assert row == [*best.ids, *[0] * (length - len(best.ids))]


def test_what_a_position_after_the_end_says_does_not_count() -> None:
    model = still(label_smoothing=0.1)
    logits, targets = logits_of(1), torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0], [1, 1, 2, 3]])
    logits.requires_grad_()
    loss = model.loss(logits, targets)
    (gradient,) = torch.autograd.grad(loss, logits)
    counts = gradient.abs().sum(dim=2) > 0
    assert counts.tolist() == [[True] * 3 + [False], [True] * 2 + [False] * 2, [True] * 4]
    # The mean is over the 9 positions that count.
    log_probs = logits.detach().log_softmax(dim=2)
    smooth = 0.9 * F.one_hot(targets, 4) + 0.1 / 4
    expected = -(smooth * log_probs).sum(dim=2)[counts].sum() / 9
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    # Columns that hold nothing may be missing.
    rows = logits.detach()[:2]
    assert torch.equal(model.nll(rows, targets[:2]), model.nll(rows, targets[:2, :2]))


def test_labels_of_one_length_are_scored_and_read_as_ever() -> None:
    model, logits = still(mixed=False), logits_of(2)
    targets = torch.tensor([[1, 2, 3, 1], [3, 3, 3, 3], [1, 1, 2, 3]])
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=0.1)
    assert torch.equal(model.loss(logits, targets), plain)
    assert all(len(found[0].ids) == 4 for found in model.read(logits))
    assert model.readable(["abca", "abc"], (50, 200)) == [True, False]
    assert still().readable(["abca", "abc", "abcab"], (50, 200)) == [True, True, False]


def test_mixed_labels_score_as_texts_of_their_own_length() -> None:
    """Position accuracy counts the longer of label and reading, and CER their edits."""
    model = Loud()
    pixels = torch.zeros(3, LENGTH, 1, 4, dtype=torch.uint8)
    # 20 for each class that is to be read; images are the logits themselves.
    for image, ids in zip(pixels, [(1, 2), (3,), (1, 1, 2, 3)], strict=True):
        for place in range(LENGTH):
            image[place, 0, ids[place] if place < len(ids) else 0] = 255

    scores = evaluate(model, pixels, ["ab", "cb", "aabc"])
    assert scores.predictions == ("ab", "c", "aabc")
    assert scores.position_accuracy == 7 / 8 and scores.cer == 1 / 8
    assert scores.exact_match == scores.exact_match_greedy == pytest.approx(2 / 3)
    assert scores.nlls[0] == pytest.approx(3 * math.log1p(3 * math.exp(-20)), abs=1e-6)
    _, ids = Portable(model).forward(pixels)
    assert ids.tolist() == [[1, 2, 0, 0], [3, 0, 0, 0], [1, 1, 2, 3]]


@pytest.mark.parametrize("arch", ["pooled", "spatial"])
def test_the_second_head_takes_short_labels(arch: str) -> None:
    torch.manual_seed(0)
    values = {"head_size": 16, "joint_weight": 1.0, "cut": 5, "splice": 0.5}
    model = build(config_class(arch).parse(values), Charset(SYMBOLS), 5, mixed=True)
    images = torch.rand(4, 1, 50, 200)
    targets = torch.tensor([[1, 2, 0, 0, 0], [3, 0, 0, 0, 0], [1, 1, 2, 3, 1], [2, 2, 0, 0, 0]])
    loss = model.training_loss(images, targets)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    joint: Any = model.joint
    assert joint.places.grad.abs().sum(dim=1).gt(0).all()


def test_a_located_end_counts_as_far_as_its_place_lies_in_the_image() -> None:
    torch.manual_seed(0)
    places, columns = even_places(4, 20), torch.randn(2, 3, 20)
    targets = torch.tensor([[1, 2, 0, 0], [1, 1, 2, 1]])
    whole = torch.einsum("nkt,lt->nkl", columns, places.softmax(dim=1))
    assert torch.equal(located_loss(columns, places, targets), F.cross_entropy(whole, targets))
    short = torch.tensor([[1, 0], [2, 0]])
    padded = F.pad(short, (0, 2))
    full = located_loss(columns, places, padded)
    assert torch.equal(located_loss(columns, places, short), full)
    narrow = columns[:, :, :10].requires_grad_()
    (gradient,) = torch.autograd.grad(located_loss(narrow, places, padded), narrow)
    assert gradient.isfinite().all()
    # The last position looks at columns 15 to 20 of the widest image, the first at 0 to 5.
    last = located_loss(narrow, places[[0, 3]], torch.tensor([[1, 0]] * 2))
    first = located_loss(narrow, places[[0, 0]], torch.tensor([[1, 1]] * 2))
    assert last.item() == pytest.approx(first.item(), rel=0.1)
    assert places[3].softmax(dim=0)[:10].sum() < 0.1
