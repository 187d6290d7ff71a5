"""`captcha_models.train` and `search.evaluate` as a person calls them."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from captcha_models.data.sources import synthetic
from captcha_models.training.checkpoint import load_model, save_model
from tests.cli.conftest import Done

ROOT = Path(__file__).parents[2]
FAST = ["--arch", "crnn", "--threads", "1", "--device", "cpu", "--set", "cut=5"]
FAST += ["--set", "rnn_hidden_1=16", "--set", "rnn_hidden_2=0", "--set", "batch_size=16"]


def call(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 generated images in a zip."""
    path = tmp_path_factory.mktemp("data") / "images.zip"
    images = synthetic(80, seed=1)
    with zipfile.ZipFile(path, "w") as zipped:
        for name, pixels in zip(images.names, images.pixels, strict=True):
            file = io.BytesIO()
            Image.fromarray(pixels[0]).save(file, "PNG")
            zipped.writestr(f"set/{name}", file.getvalue())
    return path


@pytest.mark.slow
def test_train_then_evaluate_gives_the_same_figures(
    archive: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    out = tmp_path / "out"
    done = call("captcha_models.train", *FAST, "--data", archive, "--epochs", 2, "--out", out,
                "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    trained = json.loads(done.stdout.splitlines()[-1])
    left = {path.name for path in out.iterdir()}
    assert left == {"model.safetensors", "config.toml", "epochs.jsonl", "curve.png", "batch.png"}
    assert "are the locked test set" in done.stderr

    scored = called("search.evaluate", out, "--data", archive, "--split", "valid", "--json")
    assert scored.returncode == 0, scored.stderr
    figures = json.loads(scored.stdout)
    assert figures["exact_match"] == trained["valid_exact_match"]
    assert figures["cer"] == pytest.approx(trained["valid_cer"])
    assert figures["position_accuracy"] is trained["valid_position_accuracy"] is None
    assert figures["nll"] == pytest.approx(trained["valid_nll"], rel=1e-5)
    low, high = figures["exact_match_ci95"]
    assert low <= figures["exact_match"] <= high
    wrong = figures["misread"]
    assert len(wrong) == round((1 - figures["exact_match"]) * figures["num_images"])
    for row in wrong:
        assert row["image"] == f"{row['label']}.png" != f"{row['read']}.png"
        assert 0 < row["confidence"] <= 1

    loaded = load_model(str(out))
    for calibrated in (False, True):
        card = loaded.card.model_copy(
            update={"config": {**loaded.card.config, "calibrate": calibrated}}
        )
        save_model(tmp_path / "same.safetensors", loaded.model, card)
        told = called("search.evaluate", tmp_path / "same.safetensors", "--data", archive)
        assert ("temperature was fitted to these images" in told.stdout) == calibrated

    for arguments, message in (
        (["--split", "test"], "locked test set judges once"),
        (["--split", "middle"], "'middle' is not one of"),
    ):
        refused = called("search.evaluate", out, "--data", archive, *arguments)
        assert refused.returncode == 2
        assert message in refused.stderr
    other = called("search.evaluate", out, "--data", "synthetic:30", "--json")
    assert json.loads(other.stdout)["num_images"] == 30
    again = called("captcha_models.train", *FAST, "--data", archive, "--epochs", 2, "--out", out)
    assert again.returncode == 2
    assert "holds a training already" in again.stderr


@pytest.mark.slow
def test_training_on_all_images_holds_none_out(
    archive: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    out = tmp_path / "out"
    done = called("captcha_models.train", *FAST, "--data", archive, "--epochs", 1, "--out", out,
                  "--all", "--set", "temperature=1.5", "--set", "calibrate=true",
                  "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all 80 images train, nothing is held out" in done.stderr
    trained = json.loads(done.stdout.splitlines()[-1])
    assert trained["valid_nll"] is trained["gap"] is trained["valid_exact_match"] is None
    assert trained["temperature"] == 1.5
    own = called("search.evaluate", out, "--data", archive)
    assert own.returncode == 2
    assert "trained on every one of these images" in own.stderr
    other = called("search.evaluate", out, "--data", "synthetic:30", "--json")
    assert json.loads(other.stdout)["num_images"] == 30
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for label, pixels in zip(("ÄÖ", "ÜÄ"), synthetic(2, seed=5).pixels, strict=True):
        Image.fromarray(pixels[0]).save(foreign / f"{label}.png")
    unread = called("search.evaluate", out, "--data", foreign)
    assert unread.returncode == 0, unread.stderr
    assert "2 of 2 labels have symbols that the model does not know (Ä, Ö, Ü)" in unread.stderr
    assert "no NLL, for the model can give none of these labels" in unread.stdout
    unread = called("search.evaluate", out, "--data", foreign, "--json")
    found = json.loads(unread.stdout)
    assert (found["num_unreadable"], found["exact_match"], found["nll"]) == (2, 0, None)


WRONG = {
    "a fold of all": (["--all", "--fold", "1"], "--all holds nothing out: leave --fold out"),
    "a limit too high": (["--limit-train", "999"], "limit = 999: must lie in 1.."),
    "no such folder": (["--data", "nowhere"], "no such folder, zip or table"),
    "unknown architecture": (["--arch", "cnn"], "unknown architecture 'cnn'"),
    "unknown option": (["--speed", "9"], "No such option"),
    "unknown field": (["--set", "speed=9"], "unknown option 'speed'"),
    "out of range": (["--set", "lr=7"], "lr = '7'"),
    "batch too large": (["--set", "batch_size=4096"], "there are only"),
    "epochs twice": (["--set", "epochs=2"], "give one of them"),
    "no real device": (["--device", "meta"], "device 'meta' cannot be used"),
    "nothing to write to": (["--out", "/dev/null/x"], "/dev/null/x"),
    "too few steps": (["--set", "cut=8"], "cut = 8 leaves 7 steps"),
    "unknown device": (["--device", "tpu9"], "device 'tpu9' cannot be used"),
    "no such configuration": (["--config", "slow"], "no configuration 'slow'"),
    "too many synthetic": (["--data", "synthetic:0"], "write synthetic:N"),
    "fold": (["--fold", "9"], "fold = 9: must lie in 0..4"),
    "resume what": (["--resume"], "--resume needs --out"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_exit_code_2(
    case: str, tmp_path: Path, called: Callable[..., Done]
) -> None:
    extra, message = WRONG[case]
    base = ["--arch", "crnn", "--data", "synthetic:400", "--epochs", "1", "--out", tmp_path / "out"]
    if case == "resume what":
        base = base[:-2]
    done = called("captcha_models.train", *base, *extra)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert done.stderr.splitlines()[-1] == errors[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_models_that_are_none(archive: Path, tmp_path: Path, called: Callable[..., Done]) -> None:
    (tmp_path / "text.safetensors").write_text("no model")
    for place, message in (
        (tmp_path / "nowhere", "no model at"),
        (tmp_path, "holds no model.safetensors"),
        (tmp_path / "text.safetensors", "is not a file this project wrote"),
    ):
        done = called("search.evaluate", place, "--data", archive)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


BAD_IMAGES = {
    "an empty folder": {},
    "a zero-byte image": {"cd3.png": b""},
    "no image": {"cd3.png": b"text"},
    "a file that is no image": {"notes.txt": b"text"},
    "mixed length": {"cd34.png": None},
    "one symbol": {"aaa.png": None},
    "one label twice": {"AB2.png": None},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_one_line_and_exit_code_2(
    case: str, tmp_path: Path, called: Callable[..., Done]
) -> None:
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    good = [] if case in ("an empty folder", "one symbol") else ["ab2", "cd4", "ab4"]
    for name, data in {**{f"{label}.png": None for label in good}, **BAD_IMAGES[case]}.items():
        if data is None:
            Image.new("L", (200, 50)).save(folder / name)
        else:
            (folder / name).write_bytes(data)
    out = tmp_path / "o"
    done = called("captcha_models.train", "--arch", "pooled", "--data", folder, "--out", out)
    assert done.returncode == 2
    assert [line[:7] for line in done.stderr.splitlines() if "error" in line] == ["error: "]
    assert "Traceback" not in done.stderr
    assert not out.exists()


@pytest.mark.slow
def test_resume_of_damaged_folders_changes_nothing(
    archive: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    import numpy as np

    from captcha_models.architectures import config_class
    from captcha_models.data.reading import read_images
    from captcha_models.data.splits import make_split
    from captcha_models.training.fit import fit

    images = read_images(archive)
    config = config_class("crnn").parse(
        {"cut": 5, "rnn_hidden_1": 16, "rnn_hidden_2": 0, "batch_size": 16, "epochs": 1}
    )
    rows: list[str] = []
    fit(
        config,
        images,
        make_split(images.names),
        seed=0,
        device="cpu",
        on_epoch=lambda m, s: rows.append(json.dumps(m.as_dict())) or s.save_checkpoint(tmp_path),  # type: ignore[func-returns-value]
    )
    assert np.isfinite(json.loads(rows[0])["valid_nll"])
    resume = [*FAST, "--data", archive, "--out", tmp_path, "--resume"]
    for text, extra, message in (
        ("", [], "has 0 epochs"),
        ("garbage", [], "is damaged"),
        (rows[0] + "\n", ["--epochs", 9], "its epochs is 1, not 9"),
    ):
        (tmp_path / "epochs.jsonl").write_text(text)
        done = called("captcha_models.train", *resume, *(extra or ["--epochs", 1]))
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert (tmp_path / "epochs.jsonl").read_text() == text


@pytest.mark.slow
def test_what_a_model_has_seen_is_scored_apart_from_what_is_new(
    archive: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    """By what the images show: other names, and another order, change nothing."""
    out, mixed = tmp_path / "out", tmp_path / "mixed"
    done = called("captcha_models.train", *FAST, "--data", archive, "--epochs", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    mixed.mkdir()
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            (mixed / f"x{Path(name).name}").write_bytes(file.read(name))
    scored = called("search.evaluate", out, "--data", mixed, "--json")
    counts = json.loads(scored.stdout)["images"]
    assert counts["new"] == counts["left out"] == 0
    assert sum(counts.values()) == 80
    assert json.loads(scored.stdout)["split"] == "valid"
    assert json.loads(scored.stdout)["num_images"] == counts["valid"]
    fresh = synthetic(12, seed=77)
    for label, pixels in zip(fresh.labels, fresh.pixels, strict=True):
        Image.fromarray(pixels[0]).save(mixed / f"{label}.png")
    scored = called("search.evaluate", out, "--data", mixed)
    assert "12 never seen" in scored.stderr
    assert f"{counts['train']} trained on" in scored.stderr
    assert f"{counts['locked']} locked as its test set" in scored.stderr
    assert scored.stdout.startswith("12 images (new): ")


@pytest.mark.slow
def test_a_training_starts_from_a_model_and_says_what_it_took(
    archive: Path, tmp_path: Path, called: Callable[..., Done]
) -> None:
    given = ["captcha_models.train", *FAST, "--data", archive, "--epochs", 1]
    assert called(*given, "--out", tmp_path / "first").returncode == 0
    done = called(*given, "--out", tmp_path / "second", "--init", tmp_path / "first")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"init: .*first \(crnn\): (\d+) of \1 tensors taken$", done.stderr, re.MULTILINE
    )
    for place, told in ((tmp_path / "none", "--init: no model at"), (archive, "--init: ")):
        wrong = called(*given, "--out", tmp_path / "wrong", "--init", place)
        assert wrong.returncode == 2
        assert told in wrong.stderr and "Traceback" not in wrong.stderr
        assert not (tmp_path / "wrong").exists()
