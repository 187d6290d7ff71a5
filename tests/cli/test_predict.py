"""`captcha_models.predict` and `captcha_models.export` as a person calls them."""

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from captcha_models.architectures import build, config_class
from captcha_models.charset import Charset
from captcha_models.data.geometry import HEIGHT, WIDTH, Geometry
from captcha_models.data.images import LabelledImages, rescaled
from captcha_models.data.sources import synthetic
from captcha_models.errors import InputError
from captcha_models.inference.onnx_export import Portable, run_onnx
from captcha_models.inference.predictor import load, predict_images
from captcha_models.training.checkpoint import Card, DataCard, load_model, save_model
from captcha_models.training.evaluation import evaluate
from tests.cli.conftest import Done

SYMBOLS = "2345678bcdefgmnpwxy"
CONFIGS = {
    "crnn": {"cut": 6, "rnn_hidden_1": 16, "rnn_hidden_2": 8, "normalize": True, "shortcut": True},
    "pooled": {"head_size": 16, "normalize": True},
    "spatial": {"head_size": 16},
}
RECORDED = Path(__file__).parents[2] / "results" / "crnn-real"
SQUEEZED = Geometry()
SURE = 0.1
"""Temperature at which fresh weights are sure enough for answers to differ."""


def model_in(folder: Path, arch: str, geometry: Geometry = SQUEEZED, **values: object) -> Path:
    """A model file as a training leaves it, its weights random."""
    torch.manual_seed(1)
    config = config_class(arch).parse({**CONFIGS[arch], "temperature": SURE, **values})
    size = (geometry.height, geometry.width)
    model = build(config, Charset(SYMBOLS), 5, size, keep_aspect=geometry.keep_aspect)
    images = rescaled(synthetic(24, seed=5), geometry)
    with torch.no_grad():
        # Gives the normalisation layers their statistics, without which all images look alike.
        for _ in range(20):
            model(torch.from_numpy(images.pixels) / 255)
    card = Card(
        arch=arch, config=config.model_dump(), symbols=SYMBOLS, max_length=5, label_length=5,
        **geometry.model_dump(), split=None, seed=1, versions={"torch": torch.__version__},
        data=DataCard(source="folder /home/someone/images", digest="d" * 64, num_images=100,
                      num_train=80, num_valid=20),
        metrics={"valid_exact_match": 0.95, "valid_nll": 0.25, "temperature": SURE},
    )  # fmt: skip
    save_model(folder / "model.safetensors", model, card)
    return folder


@pytest.fixture(scope="module")
def crnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_in(tmp_path_factory.mktemp("crnn"), "crnn")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, drawn: LabelledImages) -> Path:
    """Six drawn images, one of them in a folder and one of another size, and a hidden file."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    for i, name in enumerate(["a.png", "b.png", "c.png", "d[1].png", "more/e.png", "wide.png"]):
        size = (400, 60) if name == "wide.png" else (WIDTH, HEIGHT)
        Image.fromarray(drawn.pixels[i, 0]).resize(size).save(folder / name)
    (folder / ".hidden.png").write_bytes(b"no image")
    return folder


def rows(done: Done) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_label_and_confidence_are_what_evaluating_finds(
    crnn: Path, pictures: Path, drawn: LabelledImages, called: Callable[..., Done]
) -> None:
    files = [pictures / name for name in ("a.png", "b.png", "c.png")]
    done = called("captcha_models.predict", crnn, *files, "--json", "--nbest", 3)
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(done)
    assert [row["image"] for row in found] == list(map(str, files))
    loaded = load_model(crnn)
    labels = [str(row["label"]) for row in found]
    assert all(labels)
    scores = evaluate(loaded.model, torch.from_numpy(drawn.pixels[:3]), labels)
    assert scores.predictions == tuple(labels)
    for row, nll in zip(found, scores.nlls, strict=True):
        assert row["confidence"] == pytest.approx(np.exp(-nll), rel=1e-3)
        ranked = [(n["confidence"], n["label"]) for n in row["nbest"]]  # type: ignore[attr-defined]
        assert ranked == sorted(ranked, reverse=True)
        assert ranked[0] == (row["confidence"], row["label"])
        assert 1 < len(ranked) <= 3
        assert sum(p for p, _ in ranked) <= 1 + 1e-6
    plain = called("captcha_models.predict", crnn, *files).stdout.splitlines()
    told = [f"{r['image']}\t{r['label']}\t{100 * float(str(r['confidence'])):.2f} %" for r in found]
    assert plain == told


def test_folders_patterns_and_standard_input_name_the_same_images(
    crnn: Path, pictures: Path, called: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = rows(called("captcha_models.predict", crnn, pictures, "--json"))
    names = ["a.png", "b.png", "c.png", "d[1].png", "more/e.png", "wide.png"]
    assert [row["image"] for row in every] == [str(pictures / name) for name in names]
    assert [row["size"] for row in every][-1] == [400, 60]
    pattern = called("captcha_models.predict", crnn, pictures / "**" / "*.png", "--json")
    assert rows(pattern) == every

    def given(data: bytes) -> list[dict[str, object]]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return rows(called("captcha_models.predict", crnn, "-", "--json"))

    lines = "\n".join(str(pictures / name) for name in names) + "\n\n"
    assert given(lines.encode()) == every
    assert given(str(pictures).encode()) == every
    for kind in ("png", "jpeg", "bmp", "gif", "tiff", "webp"):
        data = io.BytesIO()
        Image.open(pictures / "a.png").save(
            data, kind, **({"quality": 95} if kind == "jpeg" else {})
        )
        [one] = given(data.getvalue())
        assert one["image"] == "-"
        if kind in ("png", "bmp"):
            assert one["label"] == every[0]["label"]
    assert (
        given(b"\n")[0]["error"] == "standard input is empty: give an image, or paths, one a line"
    )


def test_what_cannot_be_read_has_its_line_and_the_others_are_read(
    crnn: Path, pictures: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "none.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    places = [tmp_path / name for name in ("text.png", "none.png", "empty", "gone.png", "*.jpg")]
    done = called("captcha_models.predict", crnn, *places, pictures / "wide.png")
    assert done.returncode == 2
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [
        str(pictures / "wide.png")
    ]
    ends = ["is no readable image", "is empty (0 bytes)", "holds no file",
            "cannot be read: No such file or directory", "matches no file"]  # fmt: skip
    *errors, note = done.stderr.splitlines()
    for line, place, end in zip(errors, places, ends, strict=True):
        assert line.startswith(f"error: {place} ")
        assert line.endswith(end)
    assert note == f"{pictures / 'wide.png'} has 400 x 60 px; squeezed to the model's 200 x 50 px"
    again = called("captcha_models.predict", crnn, *places, pictures / "wide.png", "--json")
    assert again.returncode == 2
    assert [f"error: {row['error']}" for row in rows(again)[:-1]] == errors


def test_a_model_that_is_none_is_one_line(
    crnn: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    for name in ("one", "two"):
        copytree(crnn, tmp_path / "best" / name)
    for place, text in (
        (tmp_path / "gone", "no model at"),
        (tmp_path / "best", "holds no model.safetensors"),
        (tmp_path, f"holds several best models: choose one of {tmp_path / 'best' / 'one'}"),
    ):
        for module in ("captcha_models.predict", "captcha_models.export"):
            done = called(module, place, *(["x.png"] if "predict" in module else []))
            assert done.returncode == 2
            assert text in done.stderr
            assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("arch", CONFIGS)
def test_an_exported_model_gives_the_same_answers(
    arch: str, tmp_path: Path, drawn: LabelledImages, called: Callable[..., Done]
) -> None:
    model_in(tmp_path, arch)
    model = load_model(tmp_path).model
    grey = torch.from_numpy(drawn.pixels[:40])
    pixels = grey.expand(-1, 3, -1, -1).contiguous()
    with torch.no_grad():
        expected, ids = Portable(model)(pixels)
    done = called("captcha_models.export", tmp_path)
    assert done.returncode == 0, done.stderr
    for count in (1, 7, len(pixels)):
        found, best = run_onnx(tmp_path / "export" / "model.onnx", pixels[:count])
        torch.testing.assert_close(found, expected[:count], atol=2e-3, rtol=1e-4)
        assert answers(model, found) == answers(model, expected[:count])
        assert (best == ids[:count]).float().mean() > 0.999
    predicted = [best[0].label for best in predict_images(model, grey)]
    assert answers(model, found) == predicted
    exported = load(tmp_path / "export" / "model.onnx")
    assert [one.label for one in exported.predict(list(drawn.pixels[:40]))] == predicted
    greedy = [model.charset.decode(row) for row in ids.tolist()]
    with torch.no_grad():
        logits = model(pixels.float() / 255)
    assert greedy == [model.charset.decode(row) for row in model.read_greedily(logits)]
    assert len(set(greedy)) > 1

    done = called("captcha_models.export", tmp_path, "--format", "safetensors")
    again = load_model(tmp_path / "export")
    assert all(map(torch.equal, again.model.state_dict().values(), model.state_dict().values()))


def answers(model: torch.nn.Module, log_probs: Tensor) -> list[str]:
    """What the model's own decoder reads in an exported graph's output."""
    ours = log_probs.transpose(0, 1) if Portable(model).by_columns else log_probs  # type: ignore[arg-type]
    return [model.charset.decode(best[0].ids) for best in model.read(ours)]  # type: ignore[operator,union-attr]


@pytest.mark.slow
def test_the_model_card_says_what_it_is_and_its_lines_of_code_run(
    tmp_path: Path, drawn: LabelledImages, called: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model_in(tmp_path, "pooled")
    Image.fromarray(drawn.pixels[0, 0]).save(tmp_path / "captcha.png")
    label = predict_images(load_model(tmp_path).model, torch.from_numpy(drawn.pixels[:1]))[0][
        0
    ].label
    for kind in ("onnx", "safetensors"):
        out = tmp_path / kind
        done = called("captcha_models.export", tmp_path, "--format", kind, "--out", out, "--json")
        told = json.loads(done.stdout)["card"]
        assert told == json.loads((out / "model_card.json").read_text())
        text = (out / "MODEL_CARD.md").read_text()
        assert "95.00 % (19/20; 95 % interval 76.39 % to 99.11 %)" in text
        for word in ("Intended use", "Limits", "d" * 64, "pooled", SYMBOLS, "folder images;"):
            assert word in text
        # Where somebody's images lay is nobody else's business.
        assert "someone" not in text + (out / "model_card.json").read_text()
        code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
        assert code
        (out / "captcha.png").write_bytes((tmp_path / "captcha.png").read_bytes())
        monkeypatch.chdir(out)
        with redirect_stdout(io.StringIO()) as printed:
            exec(code[1], {})
        assert printed.getvalue().strip() == label


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["crnn", "pooled"])
def test_a_model_of_images_of_any_width_is_exported_with_lines_of_code_that_run(
    arch: str, tmp_path: Path, pictures: Path, called: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model_in(tmp_path, arch, Geometry(height=40, width=320, keep_aspect=True))
    done = called("captcha_models.export", tmp_path)
    assert done.returncode == 0, done.stderr
    code = re.search(
        r"```python\n(.*?)```", (tmp_path / "export" / "MODEL_CARD.md").read_text(), re.DOTALL
    )
    assert code
    monkeypatch.chdir(tmp_path / "export")
    predictor, exported = load(tmp_path, device="cpu"), load("model.onnx")
    for name in ("a.png", "wide.png"):
        Path("captcha.png").write_bytes((pictures / name).read_bytes())
        values: dict[str, Any] = {}
        with redirect_stdout(io.StringIO()):
            exec(code[1], values)
        [wanted] = predictor.predict([pictures / name])
        assert [wanted.label] == [one.label for one in exported.predict([pictures / name])]
        ours = answers(load_model(tmp_path).model, torch.from_numpy(values["log_probs"]))
        assert ours == [wanted.label]


def test_a_predictor_reads_files_pictures_and_arrays_alike(crnn: Path, pictures: Path) -> None:
    predictor = load(crnn, device="cpu")
    files = [pictures / "a.png", pictures / "wide.png"]
    found = predictor.predict(files)
    assert predictor.predict(map(str, files)) == found
    opened = [Image.open(file) for file in files]
    assert predictor.predict(opened) == found
    assert predictor.predict([np.asarray(image) for image in opened]) == found
    assert predictor.predict([]) == []
    assert all(one.label and 0 < one.confidence <= 1 for one in found)
    with pytest.raises(InputError, match=r"gone\.png cannot be read"):
        predictor.predict([pictures / "gone.png"])


def test_without_the_packages_one_line_says_what_to_install(
    crnn: Path, tmp_path: Path, called: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captcha_models.inference.onnx_export.find_spec", lambda name: None)
    done = called("captcha_models.export", crnn, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr == (
        "error: ONNX needs onnx and onnxscript and onnxruntime: "
        "pip install 'captcha-search[export]' brings them\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_trained_model_exported_reads_real_images_the_same(
    real_images: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    """Trained for long enough to read some of them; ten that it did not see."""
    from captcha_models.config import read_values
    from captcha_models.data.reading import read_images
    from captcha_models.data.splits import make_split
    from captcha_models.training.fit import fit

    images = read_images(real_images)
    split = make_split(images.names)
    config = config_class("crnn").parse({**read_values("fast", "crnn"), "epochs": 3})
    last = fit(config, images, split, seed=0, device="cpu", on_epoch=lambda metrics, snapshot: None)
    last.save_model(tmp_path)
    chosen = [images.names[i] for i in split.valid[:10]]
    with zipfile.ZipFile(real_images) as zipped:
        for member in zipped.namelist():
            if Path(member).name in chosen:
                (tmp_path / Path(member).name).write_bytes(zipped.read(member))
    files = [tmp_path / name for name in chosen]
    read = rows(called("captcha_models.predict", tmp_path, *files, "--json", "--device", "cpu"))
    assert called("captcha_models.export", tmp_path).returncode == 0
    pixels = torch.from_numpy(images.pixels[split.valid[:10]]).expand(-1, 3, -1, -1).contiguous()
    found, _ = run_onnx(tmp_path / "export" / "model.onnx", pixels)
    model = load_model(tmp_path).model
    assert answers(model, found) == [row["label"] for row in read]
    assert (
        sum(
            row["label"] == name.removesuffix(".png")
            for row, name in zip(read, chosen, strict=True)
        )
        >= 5
    )


@pytest.mark.slow
@pytest.mark.parametrize("module", ["captcha_models.predict", "search.analyse"])
def test_a_reader_that_has_seen_enough_is_no_failure(
    module: str, crnn: Path, pictures: Path, tmp_path: Path
) -> None:
    given = {"captcha_models.predict": [crnn, *[pictures] * 20], "search.analyse": [RECORDED]}
    with subprocess.Popen(
        [sys.executable, "-m", module, *map(str, given[module])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert (process.wait(120), process.stderr and process.stderr.read()) == (0, b"")
