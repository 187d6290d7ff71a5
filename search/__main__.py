"""Console command `captcha-search`: all commands of the project, each loaded when it is called."""

import os
import sys
from importlib import import_module
from typing import NoReturn

import click
from click.shell_completion import CompletionItem, shell_complete

from captcha_models.cli import command_line

COMMANDS = {
    "run": ("search.run", "search", "Search for the best configuration; leaves a run folder."),
    "analyse": ("search.analyse", "analyse", "Report on a run, as text, HTML or a table."),
    "confirm": ("search.confirm", "main", "Train a run's best again, and judge on the test set."),
    "labels": ("search.labels", "labels", "List a confirmed run's labels that are likely wrong."),
    "evaluate": ("search.evaluate", "evaluate", "Score a model on labelled images."),
    "dashboard": ("search.dashboard", "dashboard", "Show a run in Optuna's dashboard."),
    "inspect": ("captcha_models.inspect", "inspect", "Look at labelled images before a search."),
    "train": ("captcha_models.train", "train", "Train one configuration."),
    "predict": ("captcha_models.predict", "predict", "Read images with a model."),
    "export": ("captcha_models.export", "export", "Write a model as ONNX or another format."),
    "conformance": (
        "captcha_models.conformance", "conformance", "Check an architecture of your own."
    ),
}  # fmt: skip
"""By name: module, name of the click command in it, and a line for the help."""
COMPLETE = "_CAPTCHA_SEARCH_COMPLETE"
"""Environment variable by which a shell asks what a line can go on with, as click names it."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        found: click.Command = getattr(import_module(module), name)
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin so; click's own way would import them all."""
        own = [
            CompletionItem(name, help=line)
            for name, (*_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*own, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (*_, line) in COMMANDS.items()])


@click.group(cls=_Commands)
def captcha_search() -> None:
    """Search for text recognisers that are repeatably better, confirm and use them."""


def main() -> NoReturn:
    """Run the command, or say how a shell's line can go on; the entry point."""
    if asked := os.environ.get(COMPLETE):
        sys.exit(shell_complete(captcha_search, {}, "captcha-search", COMPLETE, asked))
    command_line(captcha_search)


if __name__ == "__main__":
    main()
