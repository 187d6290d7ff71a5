"""Commands and code that a page shows: in indented lines, in fences, and within sentences."""

import re
import shlex
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

from search.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = {module: name for module, name, _ in COMMANDS.values()} | {"clusters.aws_setup": "setup"}
"""Click commands by their modules."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
BLOCK = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.M)
PROGRAM = re.compile(
    r"(\.venv/bin/)?(python3? |captcha-search |make |ray )|(search|captcha_models)\.\w+ "
)


def python(page: Path) -> str:
    """The Python that a page shows, in order."""
    text = page.read_text(encoding="utf-8")
    fenced = [code for kind, code in FENCE.findall(text) if kind == "python"]
    rest = FENCE.sub("", text)
    blocks = [re.sub(r"^    ", "", found, flags=re.M) for found in BLOCK.findall(rest)]
    return "\n".join([*fenced, *(one for one in blocks if not PROGRAM.match(one.lstrip()))])


def typed(page: Path) -> list[str]:
    """The commands in a page's indented lines."""
    lines = FENCE.sub("", page.read_text(encoding="utf-8")).splitlines()
    shown = [line.strip() for line in lines if line.startswith("    ")]
    return [line for line in shown if PROGRAM.match(line) and "[OPTIONS]" not in line]


def mentioned(page: Path) -> list[str]:
    """What a page's sentences and tables set as code."""
    text = BLOCK.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    return [" ".join(code.replace("\\|", "|").split()) for code in re.findall(r"`([^`]+)`", text)]


def commands(page: Path) -> list[str]:
    """All of a page's commands."""
    return typed(page) + [code for code in mentioned(page) if PROGRAM.match(f"{code} ")]


def check(text: str) -> None:
    """Parse a command as its program would; nothing is run.

    Raises:
        ValueError: there is no such program or target.
        click.UsageError: it has no such option, or does not take that value.
    """
    words = shlex.split(text, comments=True)
    program = words.pop(0).removeprefix(".venv/bin/")
    if program == "make":
        _check_make(words)
    elif program == "captcha-search":
        name, *options = words or ["run"]
        _check_click(COMMANDS[name][0], options)
    elif program in ("python", "python3"):
        if words[:1] == ["-m"] and len(words) > 1:
            _check_click(words[1], words[2:])
    elif "." in program:
        _check_click(program, words)


def _check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    values = dict(word.split("=", 1) for word in words if "=" in word)
    targets = [word for word in words if "=" not in word]
    for target in targets:
        if not re.search(rf"^{target}:", makefile, re.M):
            raise ValueError(f"make knows no {target}")
    if targets == ["search"]:
        _check_click("search.run", ["--space", "crnn", *shlex.split(values.get("ARGS", ""))])


def _check_click(module: str, words: list[str]) -> None:
    if find_spec(module) is None:
        raise ValueError(f"no module {module}")
    # A sentence may name a command without what it needs.
    if module in MODULES and words:
        command: click.Command = getattr(import_module(module), MODULES[module])
        command.make_context(module, list(words))
