"""Metrics: edits, positions, what is not a number, records of an older version."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captcha_models.architectures import build, config_class
from captcha_models.charset import Charset
from captcha_models.data.images import LabelledImages
from captcha_models.training.evaluation import evaluate
from captcha_models.training.metrics import EpochMetrics, char_matches, edits
from tests.reference import edit_distance

SHORT = st.text("abc", max_size=6)


@given(SHORT, SHORT)
def test_edits_are_the_fewest_that_there_are(prediction: str, label: str) -> None:
    assert edits(prediction, label) == edit_distance(prediction, label)


@given(SHORT, SHORT, SHORT)
def test_edits_are_a_distance(a: str, b: str, c: str) -> None:
    assert edits(a, b) == edits(b, a)
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
    assert abs(len(a) - len(b)) <= edits(a, b) <= max(len(a), len(b))


def test_a_lost_first_letter_is_one_edit() -> None:
    assert edits("bcde", "abcde") == 1
    assert char_matches(["bcde"], ["abcde"]) == (0, 5)


@pytest.mark.parametrize("arch", ["crnn", "pooled"])
def test_errors_are_pooled_over_all_characters(arch: str, drawn: LabelledImages) -> None:
    torch.manual_seed(0)
    model = build(config_class(arch)(), Charset(drawn.charset.symbols), 5)
    labels = drawn.labels[:12]
    scores = evaluate(model, torch.from_numpy(drawn.pixels[:12]), labels)
    wrong = sum(edit_distance(a, b) for a, b in zip(scores.predictions, labels, strict=True))
    assert scores.cer == wrong / 60
    # Positions mean nothing where one lost letter shifts all that follow.
    assert math.isnan(scores.position_accuracy) == (arch == "crnn")
    assert (scores.figures()["position_accuracy"] is None) == (arch == "crnn")
    assert scores.figures()["cer"] == scores.cer


def test_metrics_of_a_version_without_cer_are_read() -> None:
    old = {
        "epoch": 1, "passes": 8, "lr": 0.1, "train_loss": 1.0, "valid_loss": None,
        "train_nll": 1.0, "valid_nll": 2.0, "gap": 1.0, "train_nll_raw": 1.0, "valid_nll_raw": 2.0,
        "temperature": 1.0, "valid_captcha_accuracy": 0.5, "valid_captcha_accuracy_greedy": 0.5,
        "valid_char_accuracy": 0.75, "images_per_s": 10.0, "seconds": 1.0, "device": "cpu",
    }  # fmt: skip
    read = EpochMetrics.from_dict(old)
    assert math.isnan(read.valid_cer)
    assert math.isnan(read.valid_loss)
    assert (read.images_seen, read.valid_position_accuracy) == (8, 0.75)
    assert read.as_dict()["valid_cer"] is None
    again = EpochMetrics.from_dict({**read.as_dict(), "valid_cer": 0.25, "younger": 3})
    assert again.valid_cer == 0.25


@pytest.mark.parametrize(
    ("prediction", "right", "total"),
    [
        ("abcde", 5, 5),
        ("abcd", 4, 5),
        ("abcdef", 5, 6),
        ("", 0, 5),
        ("bcdea", 0, 5),
        ("abxde", 4, 5),
        ("aabcde", 1, 6),
    ],
)
def test_characters_are_counted_position_by_position(
    prediction: str, right: int, total: int
) -> None:
    assert char_matches([prediction], ["abcde"]) == (right, total)
    assert char_matches([prediction, "xy"], ["abcde", "xy"]) == (right + 2, total + 2)
