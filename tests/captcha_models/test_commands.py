"""Commands that are printed run as they stand: with the Python, or the console command, at hand."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from captcha_models.commands import command, typed
from captcha_models.words import counted


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an environment in `.venv`, as `make` leaves it, that nobody has activated."""
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "captcha-search"):
        (binaries / name).symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(binaries / "python"))
    monkeypatch.setattr(sys, "argv", ["/x/search/run.py", "--space", "crnn"])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return binaries


def test_the_python_of_an_environment_that_is_not_activated_is_written_out(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("search.confirm", "runs/a b") == ".venv/bin/python -m search.confirm 'runs/a b'"
    printed = shlex.split(command("search.confirm"))[:1]
    told = subprocess.run([*printed, "-c", "print(1)"], capture_output=True, text=True, check=True)
    assert told.stdout == "1\n"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert command("search.confirm") == f"{environment / 'python'} -m search.confirm"


def test_in_an_activated_environment_it_is_python(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(environment), "/usr/bin"]))
    assert command("search.confirm", Path("r"), "--seeds", 3) == (
        "python -m search.confirm r --seeds 3"
    )


def test_the_console_command_prints_its_own_sub_commands(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(environment / "captcha-search"), "confirm", "--top", "2"])
    assert command("captcha_models.export", "r") == ".venv/bin/captcha-search export r"
    assert typed("search.confirm", "r") == ".venv/bin/captcha-search confirm --top 2 r"
    monkeypatch.setenv("PATH", str(environment))
    assert command("search.run", "--resume") == "captcha-search run --resume"


def test_what_was_typed_is_printed_again(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert typed("search.run") == ".venv/bin/python -m search.run --space crnn"
    monkeypatch.setattr(sys, "argv", ["/x/search/__main__.py", "confirm", "my run"])
    assert typed("search.confirm") == ".venv/bin/python -m search.confirm 'my run'"


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials"), (1200, "1,200 trials")]
)
def test_a_noun_goes_by_its_number(number: int, told: str) -> None:
    assert counted(number, "trial") == told
    assert counted(1, "image has", "images have") == "1 image has"
