"""Waiting made visible: at once on a terminal, now and then in a file, never over other lines."""

import os
import pickle
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from captcha_models.waiting import Waiting, through

ROOT = Path(__file__).parents[2]


def test_in_a_file_a_line_now_and_then(capfd: pytest.CaptureFixture[str]) -> None:
    with Waiting(file_every_s=0.1) as waiting:
        waiting.now("reading the images")
        time.sleep(0.35)
        waiting.say("data: 3 images")
        waiting.now(None)
        out, err = capfd.readouterr()
        time.sleep(0.25)
    assert out == "data: 3 images\n"
    assert 1 <= err.count("[0:00:00] reading the images ...\n") <= 3
    assert capfd.readouterr() == ("", "")


def test_ray_can_pickle_what_says_something() -> None:
    with Waiting() as waiting:
        again = pickle.loads(pickle.dumps(waiting.say))
    assert again.__func__ is Waiting.say


def test_on_a_terminal_it_moves_and_goes_where_others_write() -> None:
    code = (
        "import time; from captcha_models.waiting import Waiting\n"
        "with Waiting() as waiting:\n"
        "    waiting.now('starting Ray ' + 'x' * 100)\n"
        "    time.sleep(1.2)\n"
        "    waiting.say('two words ' * 12 + '\\n  python -m ' + 'y' * 90)\n"
    )
    driver, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=terminal, stderr=terminal, cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
    )  # fmt: skip
    process.wait(timeout=60)
    os.close(terminal)
    seen = os.read(driver, 65536).decode()
    os.close(driver)
    drawn = [part.partition("\r\n")[0] for part in seen.split("\r\x1b[2K")]
    assert any(line.startswith("[0:00:00] starting Ray x") for line in drawn)
    assert any(line.startswith("[0:00:01] starting Ray x") for line in drawn)
    assert max(len(line) for line in drawn if "starting" in line) == 79
    said = seen[seen.index("two words") :].split("\r\n")
    # Between words, and a command whole.
    assert said[0].endswith("words") or said[0].endswith("two")
    assert said[0] == said[0][:80]
    assert f"  python -m {'y' * 90}" in said
    assert seen.endswith("\r\x1b[2K")


def test_what_is_gone_through_is_counted(capfd: pytest.CaptureFixture[str]) -> None:
    with Waiting(file_every_s=0.05) as waiting:
        waiting.now("scoring the images")
        for _ in through([[1, 2], [3]], "image", len):
            time.sleep(0.15)
        waiting.now("reading the run")
        time.sleep(0.15)
        waiting.now("reading the images")
        for _ in through(iter("ab"), "image"):
            time.sleep(0.15)
    lines = [line[len("[0:00:00] ") :] for line in capfd.readouterr().err.splitlines()]
    assert list(dict.fromkeys(lines))[:2] == [
        "scoring the images ...",
        "scoring the images: 2 of 3 images",
    ]
    assert "reading the run ..." in lines
    assert "reading the images: 1 image" in lines


def test_without_anybody_who_waits_nothing_is_counted(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(through("abc", "image")) == ["a", "b", "c"]
    assert capfd.readouterr() == ("", "")
