"""Commands that are run as a page or a program shows them, on a small drawn set.

What they print on the way stands alone on a line, and is run as printed.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests import labelled
from tests.docs._shown import PROGRAM, ROOT


def shorter(text: str, by: dict[str, str]) -> str:
    for long, short in by.items():
        assert text.count(long) == 1, f"{long} is there once"
        text = text.replace(long, short)
    return text


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
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "PYTHONFAULTHANDLER": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def printed(said: str) -> list[str]:
    """The commands that stand alone on a line."""
    python = str(Path(sys.executable))
    lines = [line.strip().replace(python, "python") for line in said.splitlines()]
    return [line for line in lines if PROGRAM.match(line)]


def succeeded(command: str, place: Path) -> str:
    """What a command says, which has to end well."""
    words = shlex.split(command)
    done = run([sys.executable, *words[1:]], place)
    # Models that have learned nothing in two epochs cannot say which labels are wrong.
    useless = words[2] == "search.labels" and "for one that reads" in done.stderr
    assert done.returncode == (2 if useless else 0), f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
