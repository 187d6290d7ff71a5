"""How every command of the project starts and ends: one line for an error, and an exit code."""

import sys
from typing import NoReturn

import click

from captcha_models.errors import InputError

OK, ALL_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def command_line(command: click.Command) -> NoReturn:
    """Run a click command on the process's arguments and exit.

    A wrong option or input becomes one line on standard error and exit code 2, an interrupt 130;
    what the command returns, if it is a number, is the exit code otherwise.
    """
    try:
        result = command.main(standalone_mode=False)
    except click.exceptions.Abort:
        _end("interrupted", INTERRUPTED)
    except KeyboardInterrupt:
        _end("interrupted", INTERRUPTED)
    except click.ClickException as error:
        _end(f"error: {_one_line(error.format_message())}", WRONG_INPUT)
    except InputError as error:
        _end(f"error: {_one_line(str(error))}", WRONG_INPUT)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing left to say.
        sys.stderr.close()
        sys.exit(OK)
    except OSError as error:
        # A path that cannot be read or written, a full disk: the person's to mend, not ours.
        _end(f"error: {_one_line(str(error))}", WRONG_INPUT)
    sys.exit(result if isinstance(result, int) else OK)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _end(line: str, code: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)


def assignments(pairs: tuple[str, ...]) -> dict[str, str]:
    """`("lr=3e-3", "cut=6")` as a mapping; the values stay text until a Config reads them.

    Raises:
        InputError: a pair without `=`, or a name given twice.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise InputError(f"--set {pair!r}: write NAME=VALUE, such as --set lr=3e-3")
        if name in values:
            raise InputError(f"--set {name} is given twice: {values[name]!r} and {value!r}")
        values[name] = value
    return values
