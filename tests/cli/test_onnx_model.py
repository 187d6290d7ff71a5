"""`captcha_models.predict` with an ONNX file that `captcha_models.export` wrote."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from captcha_models.data.geometry import Geometry
from captcha_models.errors import InputError
from captcha_models.inference.predictor import load
from tests.cli.conftest import Done
from tests.cli.test_predict import model_in, pictures, rows

__all__ = ["pictures"]  # a fixture


@pytest.mark.slow
def test_an_exported_file_predicts_what_the_model_predicts(
    tmp_path: Path, pictures: Path, called: Callable[..., Done]
) -> None:
    """Other architectures: test_predict.py, where each is exported anyway."""
    model_in(tmp_path, "crnn", Geometry(height=40, width=320, keep_aspect=True))
    assert called("captcha_models.export", tmp_path).returncode == 0
    exported = tmp_path / "export" / "model.onnx"
    ours, theirs = (
        rows(called("captcha_models.predict", place, pictures, "--nbest", 3, "--json"))
        for place in (tmp_path, exported)
    )
    assert len({row["label"] for row in ours}) > 1
    for one, other in zip(ours, theirs, strict=True):
        assert one["size"] == other["size"]
        for a, b in zip(one["nbest"], other["nbest"], strict=True):  # type: ignore[call-overload]
            assert a["label"] == b["label"]
            assert a["confidence"] == pytest.approx(b["confidence"], rel=2e-2)
    assert load(exported, device="cpu").card == load(tmp_path).card.without_paths()


def test_what_is_no_export_is_one_line(
    tmp_path: Path, pictures: Path, called: Callable[..., Done]
) -> None:
    import onnx
    from onnx import TensorProto, helper

    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "empty.onnx").write_bytes(b"")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(other, tmp_path / "other.onnx")
    helper.set_model_props(other, {"model_card": json.dumps({"model": {"arch": "crnn"}})})
    onnx.save(other, tmp_path / "later.onnx")
    for name, text in (
        ("gone.onnx", "cannot be read: No such file or directory"),
        ("text.onnx", "is no ONNX file that captcha_models.export wrote"),
        ("empty.onnx", "is no ONNX file that captcha_models.export wrote"),
        ("other.onnx", "is no ONNX file that captcha_models.export wrote"),
        ("later.onnx", "is no export of this version: config ="),
    ):
        done = called("captcha_models.predict", tmp_path / name, pictures)
        assert done.returncode == 2
        assert text in done.stderr
        assert done.stderr.count("\n") == 1
    with pytest.raises(InputError, match="--device cuda:0: an ONNX file runs on cpu alone"):
        load(tmp_path / "other.onnx", device="cuda:0")


def test_without_onnxruntime_one_line_says_what_to_install(
    tmp_path: Path, pictures: Path, called: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captcha_models.inference.onnx_export.find_spec", lambda name: None)
    done = called("captcha_models.predict", tmp_path / "model.onnx", pictures)
    assert (done.returncode, done.stderr) == (
        2,
        "error: ONNX needs onnxruntime: pip install 'captcha-search[export]' brings them\n",
    )
