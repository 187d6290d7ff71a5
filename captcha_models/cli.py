"""Start and end of every command: grouped help, one line for an error, an exit code."""

import codecs
import io
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from captcha_models.errors import InputError
from captcha_models.secrets import hide

OK, ALL_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class GroupedOption(click.Option):
    """An option that stands under a heading of its own in the help; made by `option`."""

    def __init__(self, *names: Any, group: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists its options under their groups: `@click.command(cls=...)`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One section a group, in the order in which the groups first occur."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                sections.setdefault(getattr(parameter, "group", "Other"), []).append(record)
        sections["Other"] = sections.pop("Other")  # --help, at the end.
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def option(*names: str, group: str, **settings: Any) -> Callable[[Any], Any]:
    """`click.option`, under the heading `group` in the help of a `GroupedCommand`."""
    return click.option(*names, cls=GroupedOption, group=group, **settings)


def files(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What a shell completes to where a place is asked for: files and folders."""
    return [CompletionItem(incomplete, type="file")]


def command_line(command: click.Command) -> NoReturn:
    """Run a click command on the process's arguments and exit.

    A wrong option or input becomes one line on standard error and exit code 2, an interrupt 130,
    by Ctrl-C or SIGTERM; what the command returns, if it is a number, is the exit code otherwise.
    What the terminal's encoding lacks is printed as an escape.
    """
    _escape()
    try:
        # Not command.main, which ends with 1, as if all had failed, when a pipe breaks.
        with _terminable(), command.make_context(_called_as(), sys.argv[1:]) as context:
            result = command.invoke(context)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except KeyboardInterrupt:
        _end("interrupted", INTERRUPTED)
    except click.ClickException as error:
        _end(f"error: {_one_line(error.format_message())}", WRONG_INPUT)
    except InputError as error:
        _end(f"error: {_one_line(str(error))}", WRONG_INPUT)
    except BrokenPipeError:
        _unread()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            # Rich ends so.
            _unread()
        raise
    except OSError as error:
        # A path that cannot be read or written, a full disk: the person's to mend, not ours.
        _end(f"error: {_one_line(str(error))}", WRONG_INPUT)
    sys.exit(result if isinstance(result, int) else OK)


def say(text: str, *, err: bool = False) -> None:
    """Print lines: on a terminal they break between words; indented ones, such as commands, do not.

    Args:
        text: the lines; secrets in them are hidden.
        err: to standard error.
    """
    columns = None
    if (sys.stderr if err else sys.stdout).isatty():
        columns = shutil.get_terminal_size().columns
    for line in hide(text).splitlines() or [""]:
        if columns and not line.startswith("  "):
            line = textwrap.fill(
                line,
                columns,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        click.echo(line, err=err)


def ask(question: str) -> str | None:
    """What a person types, which is not shown; None where standard input is no terminal."""
    if not sys.stdin.isatty():
        return None
    try:
        found: str = click.prompt(f"{hide(question)} (not shown)", hide_input=True, err=True)
    except click.Abort:
        raise KeyboardInterrupt from None
    return found.strip()


class _Ascii(io.TextIOWrapper):
    """A stream in ASCII without `buffer`, through which click would write UTF-8."""

    buffer = None  # type: ignore[assignment]

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(
            stream.buffer, stream.encoding, "backslashreplace",
            line_buffering=stream.line_buffering, write_through=stream.write_through,
        )  # fmt: skip
        # It would close the file when nobody holds it any more.
        self.former = stream


def _escape() -> None:
    """Have standard output and error escape what their encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        stream.reconfigure(errors="backslashreplace")
        if codecs.lookup(stream.encoding).name == "ascii" and not isinstance(stream, _Ascii):
            setattr(sys, name, _Ascii(stream))


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM interrupt as Ctrl-C does; once, for `timeout` and others send it twice."""

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _called_as() -> str:
    """What --help calls the command."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name.removesuffix('.__main__')}" if spec else Path(sys.argv[0]).name


def _unread() -> NoReturn:
    """The reader of our output has gone (`| head`): nothing left to say, and nothing failed."""
    # What is still in a buffer must not break the pipe again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(OK)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _end(line: str, code: int) -> NoReturn:
    click.echo(hide(line), err=True)
    sys.exit(code)


def assignments(
    pairs: tuple[str, ...], flag: str = "--set", example: str = "lr=3e-3"
) -> dict[str, str]:
    """`("lr=3e-3", "cut=6")` as a mapping; the values stay text until a Config reads them.

    Raises:
        InputError: a pair without `=`, or a name given twice.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise InputError(f"{flag} {pair!r}: write NAME=VALUE, such as {flag} {example}")
        if name in values:
            raise InputError(f"{flag} {name} is given twice: {values[name]!r} and {value!r}")
        values[name] = value
    return values
