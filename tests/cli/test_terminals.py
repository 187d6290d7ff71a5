"""Commands in terminals whose encoding lacks what is to be said: escaped, never a traceback."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from captcha_models.cli import command_line
from captcha_models.data.sources import synthetic
from tests.cli.conftest import COMMANDS, Done
from tests.cli.test_predict import model_in
from tests.cli.test_run import ROOT, environment
from tests.search.report import runs as written

ENCODINGS = ("ascii", "cp1252", "utf-8")
ODD = "Größe-日本-😀"
"""Of it ASCII has the hyphens, cp1252 the first word."""
SAID = {
    "ascii": r"Gr\xf6\xdfe-\u65e5\u672c-\U0001f600",
    "cp1252": r"Größe-\u65e5\u672c-\U0001f600",
    "utf-8": ODD,
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Calls a command whose standard output and error have an encoding that is strict about it."""

    def run(encoding: str, module: str, *arguments: object) -> Done:
        kept = {}
        for name in ("stdout", "stderr"):
            kept[name] = io.BytesIO()
            monkeypatch.setattr(sys, name, io.TextIOWrapper(kept[name], encoding=encoding))
        command = getattr(import_module(module), COMMANDS.get(module, module.rpartition(".")[2]))
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line(command)
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = (kept[name].getvalue().decode(encoding) for name in ("stdout", "stderr"))
        assert "Traceback" not in out + err
        return Done(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run under an odd name, its labels in three scripts, with the byte of a bad file name."""
    labels = ("日本1", "Größe", "абвгд", "wwwww", "p5e7y", "c2\udcff2c", "m3m3m", "😀x6nb")
    return written.write(tmp_path / ODD, labels=labels, error="RuntimeError: 日本")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_sound_run_is_reported_and_never_called_damaged(
    run_folder: Path, tmp_path: Path, told: Callable[..., Done], encoding: str
) -> None:
    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    done = told(encoding, "search.analyse", run_folder, "--html", page, "--csv", table)
    assert (done.returncode, "damaged" in done.stderr) == (0, False), done.stderr
    assert f"run: {tmp_path / SAID[encoding]}" in done.stdout.replace("\n", "")
    assert "日本" in page.read_text(encoding="utf-8")
    assert "RuntimeError: 日本" in table.read_text(encoding="utf-8")
    done = told(encoding, "search.analyse", run_folder, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["run"] == str(run_folder)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_images_with_odd_names_are_predicted(
    tmp_path: Path, told: Callable[..., Done], encoding: str
) -> None:
    model = model_in(tmp_path, "crnn")
    images = synthetic(2, seed=1)
    for name, pixels in zip((f"{ODD}.png", "x\udcff.png"), images.pixels, strict=True):
        Image.fromarray(pixels[0]).save(tmp_path / name)
    found = [tmp_path / f"{ODD}.png", tmp_path / "x\udcff.png", tmp_path / f"none-{ODD}.png"]
    done = told(encoding, "captcha_models.predict", model, *found[:2])
    assert (done.returncode, done.stdout.count("\n")) == (0, 2), done.stderr
    assert f"{SAID[encoding]}.png\t" in done.stdout
    assert r"x\udcff.png" in done.stdout
    done = told(encoding, "captcha_models.predict", model, *found[:2], "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["image"] for row in rows] == list(map(str, found[:2]))
    done = told(encoding, "captcha_models.predict", model, found[2])
    assert (done.returncode, f"none-{SAID[encoding]}.png" in done.stderr) == (2, True)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("captcha_models.train", ("--arch", "crnn", "--data", ODD)),
        ("captcha_models.export", (ODD,)),
        ("captcha_models.conformance", (f"{ODD}.py:Model",)),
        ("search.run", ("--space", ODD)),
        ("search.run", ("--space", "crnn", "--set", f"{ODD}=1")),
        ("search.confirm", (ODD,)),
        ("search.evaluate", (ODD, "--data", ODD)),
        ("search.dashboard", (ODD,)),
        ("search.labels", (ODD,)),
    ],
)
def test_what_is_refused_is_said_in_every_terminal(
    told: Callable[..., Done], module: str, arguments: tuple[str, ...], encoding: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(COMMANDS, "search.confirm", "main")
    done = told(encoding, module, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert SAID[encoding] in done.stderr


def test_json_of_a_refused_search_is_one_object(told: Callable[..., Done]) -> None:
    done = told("ascii", "search.run", "--space", ODD, "--json")
    assert ODD in json.loads(done.stdout)["error"]


@pytest.mark.parametrize(
    "values",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C"},
        # As Python itself does without a UTF-8 mode: the system's encoding is ASCII, too.
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_real_terminal_is_told_in_its_own_encoding(
    run_folder: Path, tmp_path: Path, values: dict[str, str]
) -> None:
    page = tmp_path / "page.html"
    done = subprocess.run(
        [sys.executable, "-m", "search", "analyse", run_folder, "--html", page],
        cwd=ROOT, env=environment(**values), capture_output=True,
    )  # fmt: skip
    text = (done.stdout + done.stderr).decode(values.get("PYTHONIOENCODING", "utf-8"))
    assert (done.returncode, "Traceback" in text) == (0, False), text
    assert "crnn: 5 trials" in text
    assert "日本" in page.read_text(encoding="utf-8")
