"""The int8 form of an exported model, as `captcha_models.export` writes it."""

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch

from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from captcha_models.inference.int8 import Compared, divided
from captcha_models.inference.onnx_model import OnnxModel
from captcha_models.inference.predictor import load
from captcha_models.training.checkpoint import load_model
from tests.cli.conftest import Done
from tests.cli.test_predict import model_in

INT8 = ("--format", "onnx-int8", "--data", "synthetic:40")


@pytest.mark.slow
def test_int8_is_written_compared_and_read(
    tmp_path: Path, drawn: LabelledImages, called: Callable[..., Done]
) -> None:
    """Fresh weights read no label, so both forms read as many; what they put out is compared."""
    # At a higher temperature, for fresh weights are far from sure.
    model_in(tmp_path, "crnn", temperature=1.0)
    done = called("captcha_models.export", tmp_path, *INT8, "--json")
    assert done.returncode == 0, done.stderr
    assert "int8 reads 0 of 20 labels, float32 0; " in done.stderr
    card = json.loads(done.stdout)["card"]
    assert card["int8"].items() >= {"num_ranges": 20, "num_images": 20, "read": 0}.items()
    file = tmp_path / "export" / "model.int8.onnx"
    text = (file.parent / "MODEL_CARD.md").read_text()
    assert "convolutions in int8; of 20 images it reads 0 labels, float32 0" in text
    assert 'InferenceSession("model.int8.onnx")' in text
    assert [path.name for path in file.parent.glob("*.onnx")] == ["model.int8.onnx"]

    graph = onnx.load(str(file))
    embedded = {entry.key: entry.value for entry in graph.metadata_props}
    assert json.loads(embedded["model_card"]) == card
    weights = {one.name: one.data_type for one in graph.graph.initializer}
    made = {node.output[0]: node for node in graph.graph.node}
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    quantised = [made[node.input[1]] for node in convolutions if node.input[1] in made]
    assert len(quantised) == len(convolutions) > 10
    assert {weights[node.input[0]] for node in quantised} == {onnx.TensorProto.INT8}

    model = load_model(tmp_path)
    assert file.stat().st_size < 0.5 * model.path.stat().st_size
    images = torch.from_numpy(drawn.pixels[:8])
    ours = OnnxModel(file).outputs(images)
    with torch.no_grad():
        theirs = model.model.tempered(model.model(images / 255)).log_softmax(dim=2)
    assert ours.shape == theirs.shape
    difference = (ours - theirs).abs().mean()
    assert 0 < difference < 0.1, difference
    assert load(file).predict(list(drawn.pixels[:1]))[0].confidence > 0


def test_options_that_do_not_go_together_are_one_line(
    tmp_path: Path, called: Callable[..., Done]
) -> None:
    model_in(tmp_path, "crnn")
    for options, text in (
        (INT8[:2], "error: --format onnx-int8 needs --data, labelled images: "),
        (INT8[2:], "error: --data and its like are for --format onnx-int8; leave them out"),
        (("--skip-bad",), "error: --data and its like are for --format onnx-int8; leave them out"),
    ):
        done = called("captcha_models.export", tmp_path, *options)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith(text)
    assert not (tmp_path / "export").exists()


def test_a_form_that_reads_too_few_is_refused() -> None:
    Compared(1000, 989, 990, 1).check()
    Compared(100, 91, 90, 7).check()
    with pytest.raises(InputError, match=r"int8 reads 988 of 1,000 labels, float32 990; .*0\.20%"):
        Compared(1000, 988, 990, 4).check()
    with pytest.raises(InputError, match="nothing was written"):
        Compared(100, 89, 90, 1).check()


def test_the_ranges_are_of_other_images_than_those_compared_and_none_is_locked() -> None:
    parts = ["train"] * 300 + ["locked", "left out"] * 30 + ["valid"] * 50 + ["new"] * 10
    ranges, others = divided(parts, "x.zip")
    assert len(ranges) == len(set(ranges)) == 128
    assert {parts[i] for i in ranges} == {"train"}
    assert {parts[i] for i in others} == {"train", "valid", "new"}
    assert sorted([*ranges, *others]) == [
        i for i, part in enumerate(parts) if part not in ("locked", "left out")
    ]
    ranges, others = divided(["new"] * 9, "x.zip")
    assert (len(ranges), len(others)) == (4, 5)
    with pytest.raises(InputError, match=r"--data x\.zip: 1 image outside the locked test set"):
        divided(["locked", "new"], "x.zip")
