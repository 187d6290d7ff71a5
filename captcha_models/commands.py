"""Commands that are printed: whole, so that they run as they stand where they are read.

After `source .venv/bin/activate` that is `python -m ...`; under `make`, whose users have activated
nothing, the environment's own Python is written out; of `captcha-search` it is a sub-command.
"""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from captcha_models.secrets import HIDDEN, hide

CONSOLE = "captcha-search"


def command(module: str, *words: object) -> str:
    """The command that calls a module of the project with these words, as a shell takes it."""
    return shlex.join([*program(module), *map(str, words)])


def program(module: str) -> list[str]:
    """The words that call a module, in the way in which this process was called."""
    if _is_console():
        return [_place(CONSOLE), module.rpartition(".")[2]]
    return [_place("python", Path(sys.executable).name), "-m", module]


def typed(module: str, *more: object) -> str:
    """The command that this process was called by, a module's, with some words more.

    Options whose value holds a secret are left out: such a value is asked for again.
    """
    # Of `python -m search confirm` as well the first word is the command's name.
    first = 2 if _is_console() or Path(sys.argv[0]).stem == "__main__" else 1
    return command(module, *without_secrets(sys.argv[first:]), *more)


def without_secrets(words: Sequence[str]) -> list[str]:
    """Words of a command but for options whose value holds a secret, or held one that is hidden."""
    kept: list[str] = []
    for word in words:
        if HIDDEN not in hide(word):
            kept.append(word)
        elif not word.startswith("--") and kept and kept[-1].startswith("--"):
            kept.pop()
    return kept


def _is_console() -> bool:
    return Path(sys.argv[0]).stem == CONSOLE


def _place(*names: str) -> str:
    """A program of this environment: by its name if a shell finds that one, else by its path."""
    own = Path(sys.executable).absolute().parent
    for name in names:
        if (found := shutil.which(name)) and Path(found).absolute().parent == own:
            return name
    place = next((own / name for name in names if (own / name).exists()), Path(sys.executable))
    here = Path.cwd()
    return str(place.relative_to(here) if place.is_relative_to(here) else place)
