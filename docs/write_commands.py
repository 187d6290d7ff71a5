"""Reference `docs/commands.md`: every command with its options, as the code declares them.

    python -m docs.write_commands

The page is what `--help` says, so it is never written by hand.
"""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import fill

import click

from captcha_models.cli import GroupedOption
from search.__main__ import COMMANDS

PAGE = Path(__file__).with_name("commands.md")
WIDTH = 100
HEAD = """\
# Commands

`captcha-search` and a name, or `python -m` and a module, are the same command; `--help` prints what
is here. `make search` is `run` with `--space crnn` and the options in `ARGS`. What the words mean:
[glossary](glossary.md). This page is written by `python -m docs.write_commands`, never by hand.

Bash completes commands, options, spaces and files after this line, which may stand in `~/.bashrc`
(`zsh_source` in `~/.zshrc`; fish: `_CAPTCHA_SEARCH_COMPLETE=fish_source captcha-search | source`):

    eval "$(_CAPTCHA_SEARCH_COMPLETE=bash_source captcha-search)"
"""


def found(name: str) -> click.Command:
    """The command that is called so."""
    module, attribute, _ = COMMANDS[name]
    command: click.Command = getattr(import_module(module), attribute)
    return command


def section(name: str) -> Iterator[str]:
    """The lines on one command."""
    module, command = COMMANDS[name][0], found(name)
    context = click.Context(command, info_name=f"python -m {module}", max_content_width=WIDTH)
    yield from (f"## {name}", "")
    yield from (f"    {context.command_path} {' '.join(command.collect_usage_pieces(context))}", "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (fill(" ".join(paragraph.split()), WIDTH), "")
    if codes := re.search(r"Exit codes: .*?(?=\n\n|\Z)", import_module(module).__doc__ or "", re.S):
        yield from (fill(" ".join(codes[0].split()), WIDTH), "")
    groups: dict[str, list[tuple[str, str]]] = {}
    for one in command.params:
        record = one.get_help_record(context)
        if record and record[1]:
            group = one.group if isinstance(one, GroupedOption) else "Options"
            groups.setdefault(group, []).append(record)
    for group, records in groups.items():
        yield from (f"| {group} | |", "| --- | --- |")
        for declared, told in records:
            yield f"| `{_cell(declared).replace(' RANGE', '')}` | {_cell(told)} |"
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def text() -> str:
    """The whole page."""
    index = [f"- [{name}](#{name}): {line[0].lower()}{line[1:]}" for name, (*_, line) in
             COMMANDS.items()]  # fmt: skip
    lines = [line for name in COMMANDS for line in section(name)]
    return "\n".join([HEAD, *index, "", *lines]).rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
