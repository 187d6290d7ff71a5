"""Images that are named on the command line: files, folders, patterns, standard input."""

import sys
from collections.abc import Callable, Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path

from captcha_models.data.labels.archive import counts, file_reader
from captcha_models.errors import InputError

Named = tuple[str, Callable[[], bytes]]
"""What an image is called, and what reads its bytes or raises an InputError."""

STDIN = "-"


def named_images(places: Iterable[str]) -> Iterator[Named]:
    """The images at some places, in the order given, those of a folder or pattern by name.

    Args:
        places: each a file, a folder (every file below it, hidden ones left out), a pattern with
            `*`, `?`, `[...]` or `**`, or `-` for standard input: an image, or paths, one a line.

    Yields:
        An image each; a place that leads nowhere yields one that cannot be read.
    """
    for place in places:
        yield from _standard_input() if place == STDIN else _at(place)


def _at(place: str) -> Iterator[Named]:
    path = Path(place).expanduser()
    if path.is_dir():
        found = [p for p in sorted(path.rglob("*")) if counts(p.relative_to(path).as_posix())]
    elif path.exists() or not has_magic(place):
        yield place, file_reader(path)
        return
    else:
        # Path.glob knows no pattern that begins at the root.
        found = [Path(name) for name in sorted(glob(str(path), recursive=True))]  # noqa: PTH207
    files = [p for p in found if p.is_file()]
    for file in files:
        yield str(file), file_reader(file)
    if not files:
        kind = "holds no file" if path.is_dir() else "matches no file"
        yield place, _refuse(f"{place} {kind}")


def _standard_input() -> Iterator[Named]:
    data = sys.stdin.buffer.read()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        # No text: the formats that images come in all have bytes that none contains.
        yield STDIN, lambda: data
        return
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        yield from _at(line)
    if not lines:
        yield STDIN, _refuse("standard input is empty: give an image, or paths, one a line")


def _refuse(reason: str) -> Callable[[], bytes]:
    def read() -> bytes:
        raise InputError(reason)

    return read
