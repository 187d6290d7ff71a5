"""What trials read of the validation images, kept in the run folder and read again."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from captcha_models.architectures import build, config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import make_split
from captcha_models.inference.predictions import BEAM_WIDTHS, predictions_of
from captcha_models.training.evaluation import evaluate
from search.store.predictions import keep_predictions, read_predictions
from search.tuning.task import Data

FOUND = {"wrong": {"1": "abc"}, "beams": {"greedy": 0.5}}


@pytest.mark.parametrize("arch", ["crnn", "pooled"])
def test_predictions_say_what_was_scored(arch: str, drawn: LabelledImages) -> None:
    labels = list(drawn.labels[:6])
    config = config_class(arch).parse({"beam_width": 3} if arch == "crnn" else {})
    model = build(config, drawn.charset, 5, (50, 200)).eval()
    scores = evaluate(model, torch.from_numpy(drawn.pixels[:6]), labels)
    found = predictions_of(model, scores, labels)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert len(found["wrong"]) == round(6 * (1 - scores.exact_match))
    assert len(found["confidences"]) == len(found["nlls"]) == 6
    assert all(0 <= value <= 1 for value in found["confidences"])
    assert found["beams"]["greedy"] == scores.exact_match_greedy
    if arch == "crnn":
        assert set(found["beams"]) == {"greedy", "3", *map(str, BEAM_WIDTHS)}
        assert found["beams"]["3"] == scores.exact_match
        assert model.beam_width == 3
    else:
        assert set(found["beams"]) == {"greedy"}


def test_a_confidence_is_the_probability_of_what_was_read(drawn: LabelledImages) -> None:
    model = build(config_class("pooled").parse({}), drawn.charset, 5, (50, 200)).eval()
    pixels = torch.from_numpy(drawn.pixels[:4])
    first = evaluate(model, pixels, drawn.labels[:4])
    # What was read as the label: then the NLL is of the same text.
    again = evaluate(model, pixels, first.predictions)
    for confidence, nll in zip(first.confidences, again.nlls, strict=True):
        assert confidence == pytest.approx(float(torch.tensor(-nll).exp()), rel=1e-4)


def test_what_is_kept_is_read_with_a_picture_of_each_misread_image(
    tmp_path: Path, drawn: LabelledImages
) -> None:
    data = Data(drawn, make_split(drawn.names))
    valid = data.split.valid.tolist()
    row = {"confidences": [0.5] * len(valid), "nlls": [0.25] * len(valid), **FOUND}
    keep_predictions(tmp_path, "crnn-000", 2, row, data)
    keep_predictions(tmp_path, "crnn-000", 3, row, data)
    found = read_predictions(tmp_path)
    assert found.images == tuple(drawn.names[i] for i in valid)
    assert found.labels == tuple(drawn.labels[i] for i in valid)
    assert found.trials == {"crnn-000": {"trial": "crnn-000", "epoch": 3, **row}}
    assert found.notes == ()
    assert [file.name for file in (tmp_path / "thumbnails").iterdir()] == ["1.png"]
    with Image.open(tmp_path / "thumbnails" / "1.png") as picture:
        assert picture.size == (140, 35)
    assert (tmp_path / "thumbnails" / "1.png").stat().st_size < 4000


def test_a_run_of_an_earlier_program_has_none(tmp_path: Path) -> None:
    found = read_predictions(tmp_path)
    assert (found.images, found.trials, found.notes) == ((), {}, ())


@pytest.mark.parametrize(
    "row",
    [
        {"trial": "a"},
        {"trial": "a", "epoch": 1, "confidences": [1], "nlls": [None], **FOUND},
        {"trial": "a", "epoch": 1, "confidences": [1], "nlls": [0], **FOUND},
        {"trial": "a", "epoch": 1, "confidences": [1, 1], "nlls": [0, 0], "wrong": [], "beams": {}},
    ],
)
def test_a_damaged_row_is_left_out_and_told(tmp_path: Path, row: dict[str, object]) -> None:
    good = {"confidences": [0.5, 0.5], "nlls": [0.1, 0.1], **FOUND}
    keep_predictions(tmp_path, "b", 1, good, None)
    with open(tmp_path / "predictions.jsonl", "a") as file:
        file.write(json.dumps(row) + "\n")
    (tmp_path / "valid.json").write_text('{"images": 7}')
    found = read_predictions(tmp_path)
    assert list(found.trials) == ["b"]
    assert len(found.notes) == 2
