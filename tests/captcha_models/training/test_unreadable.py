"""Unreadable labels: they count as misread, are said, and change nothing for the others."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from captcha_models.architectures import build, config_class
from captcha_models.architectures.base import Recogniser
from captcha_models.data.images import LabelledImages
from captcha_models.inference.predictions import predictions_of
from captcha_models.training.evaluation import evaluate

FOREIGN = {"crnn": ("éa", "2" * 60), "pooled": ("éaaaa", "222222")}


def model_of(arch: str, images: LabelledImages) -> Recogniser:
    torch.manual_seed(0)
    return build(config_class(arch)(), images.charset, 5)


@pytest.mark.parametrize("arch", ["crnn", "pooled"])
def test_unreadable_labels_count_as_misread_and_leave_the_others_alone(
    arch: str, drawn: LabelledImages
) -> None:
    model = model_of(arch, drawn)
    pixels, labels = torch.from_numpy(drawn.pixels[:6]), list(drawn.labels[:6])
    plain = evaluate(model, pixels[[0, 2, 3, 5]], [labels[i] for i in (0, 2, 3, 5)])
    labels[1], labels[4] = FOREIGN[arch]
    scores = evaluate(model, pixels, labels)
    assert (scores.num_images, scores.num_unreadable) == (6, 2)
    assert [math.isnan(nll) for nll in scores.nlls] == [False, True, False, False, True, False]
    assert scores.nll == pytest.approx(plain.nll) and scores.loss == pytest.approx(plain.loss)
    assert [scores.predictions[i] for i in (0, 2, 3, 5)] == list(plain.predictions)
    # Each in its own place, the unreadable ones too.
    whole = evaluate(model, pixels, drawn.labels[:6])
    assert scores.predictions == whole.predictions
    assert scores.confidences == pytest.approx(whole.confidences, rel=1e-4)
    assert scores.exact_match <= 4 / 6
    assert scores.cer > 0
    beams = predictions_of(model, scores, labels)["beams"]
    assert beams["greedy"] == scores.exact_match_greedy


@pytest.mark.parametrize("arch", ["crnn", "pooled"])
def test_without_any_readable_label_there_is_no_nll(arch: str, drawn: LabelledImages) -> None:
    model = model_of(arch, drawn)
    before = float(model.temperature)
    scores = evaluate(model, torch.from_numpy(drawn.pixels[:2]), ["éaaaa", "aaaaé"], calibrate=True)
    assert math.isnan(scores.nll) and math.isnan(scores.loss) and scores.figures()["nll"] is None
    assert scores.exact_match == 0 and scores.num_unreadable == 2
    assert float(model.temperature) == before


def test_a_label_of_another_length_is_beyond_a_fixed_one(drawn: LabelledImages) -> None:
    model = build(config_class("crnn").parse({"fixed_length": True}), drawn.charset, 5)
    assert model.readable([drawn.labels[0], drawn.labels[0][:4]], (50, 200)) == [True, False]


@pytest.mark.parametrize("arch", ["crnn", "pooled"])
def test_a_model_file_says_which_labels_it_cannot_give(
    arch: str, drawn: LabelledImages, tmp_path: Path
) -> None:
    from captcha_models.data.splits import Split
    from captcha_models.training.checkpoint import load_model
    from captcha_models.training.fit import fit

    rows = np.arange(8)
    split = Split(train=rows, valid=rows, test=rows[:0], fold=0, folds=5, seed=0)
    config = config_class(arch).parse({"epochs": 1, "batch_size": 8})
    last = fit(
        config, drawn, split, seed=0, device="cpu",
        on_epoch=lambda metrics, state: None,
    )  # fmt: skip
    loaded = load_model(last.save_model(tmp_path))
    assert loaded.unreadable(drawn.labels) == ()
    lines = loaded.unreadable([*drawn.labels[:3], "éa", "aé", FOREIGN[arch][1]])
    assert lines[0] == (
        "2 of 6 labels have symbols that the model does not know "
        f"({', '.join(sorted({'é', 'a'} - set(drawn.charset.symbols)))}): they count as misread"
    )
    assert lines[1].startswith("1 of 6 labels have a length that the model cannot read (22")
