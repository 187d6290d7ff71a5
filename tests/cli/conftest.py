"""Commands called in the tests' own process: starting one costs a second or more."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import pytest

from captcha_models.cli import command_line

COMMANDS = {"search.run": "search"}
"""Modules whose command is not called as they are."""


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def called(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Calls a module's command with these arguments."""

    def run(module: str, *arguments: object) -> Done:
        command = getattr(import_module(module), COMMANDS.get(module, module.rpartition(".")[2]))
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line(command)
        out, err = capfd.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run
