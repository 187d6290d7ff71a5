"""The tutorial and README's Python, run as they stand on a small drawn set, with less to train."""

import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests import labelled
from tests.docs._shown import ROOT, python, typed

TUTORIAL, README = ROOT / "docs" / "tutorial.md", ROOT / "README.md"
SHORTER = {
    " --time-budget 5m": " --trials 2 --epochs 2 --set batch_size=16 --set cut=5",
    " --top 2 --seeds 3": " --top 1 --seeds 2 --test-seeds 1",
}
SHORTER_PYTHON = {
    "trials=8": 'trials=2, epochs=2, fixed={"batch_size": "16", "cut": "5"}',
    "top=2, seeds=3": "top=1, seeds=2",
}
pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]


def shorter(text: str, by: dict[str, str]) -> str:
    for long, short in by.items():
        assert text.count(long) == 1, f"{long} is there once"
        text = text.replace(long, short)
    return text


@pytest.fixture
def meters(tmp_path: Path) -> Path:
    """A folder of 60 images; one of images that came later lies beside it."""
    draw(tmp_path / "later", count=12, seed=4)
    return draw(tmp_path / "meters", count=60, seed=3)


def draw(folder: Path, count: int, seed: int) -> Path:
    """A folder of images, counters for names, and a table in it."""
    folder.mkdir()
    texts = labelled.texts(count, labelled.DIGITS, (5,), seed)
    rows = ["image,label"]
    for i, pixels in enumerate(labelled.plain(texts, (96, 32)).pixels, 1):
        Image.fromarray(pixels[0]).save(folder / f"{i:04d}.png")
        rows.append(f"{i:04d}.png,{texts[i - 1]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def run(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_tutorial_runs_as_it_stands(meters: Path) -> None:
    place = meters.parent
    commands = shorter("\n".join(typed(TUTORIAL)), SHORTER).splitlines()
    assert len(commands) >= 8
    for command in commands:
        words = shlex.split(command)
        done = run([sys.executable, *words[1:]], place)
        # Models that have learned nothing in two epochs cannot say which labels are wrong.
        useless = words[2] == "search.labels" and "for one that reads" in done.stderr
        assert done.returncode == (2 if useless else 0), f"{command}\n{done.stdout}{done.stderr}"
    for left in ("meters.html", "report.html", "meters-model/model.onnx", "runs/meters/confirmed"):
        assert (place / left).exists(), left
    done = run([sys.executable, "-c", python(TUTORIAL)], place)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_the_python_of_the_readme_runs(meters: Path) -> None:
    place = meters.parent
    with zipfile.ZipFile(place / "images.zip", "w") as archive:
        for file in sorted(meters.iterdir()):
            archive.write(file, file.name)
    (place / "new.png").write_bytes((meters / "0001.png").read_bytes())
    code = shorter(python(README), SHORTER_PYTHON)
    done = run([sys.executable, "-c", code], place)
    assert done.returncode == 0, done.stderr
    assert "chosen: " in done.stdout
