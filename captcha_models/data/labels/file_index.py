"""Index of files by path, for finding the one that a cell of a table means."""

import unicodedata
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import PurePosixPath

IMAGE_ENDINGS = frozenset(
    (
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp",
        ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".ico", ".avif", ".tga",
    )
)  # fmt: skip
"""Endings that images have in practice."""


def is_image_name(path: str) -> bool:
    """Whether a path ends as an image's does."""
    return PurePosixPath(path).suffix.lower() in IMAGE_ENDINGS


def shown(text: object) -> str:
    """A name or label as an error shows it: escaped where it is not printable."""
    text = str(text)
    return text if text.isprintable() else ascii(text)[1:-1]


def folder_of(path: str) -> str:
    """The folder that a path lies in, "" for the topmost."""
    return str(PurePosixPath(path).parent).removeprefix(".")


class FileIndex:
    """Files by path, by the end of the path, and by the name without its ending."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Index them.

        Args:
            paths: inside a folder or an archive.
        """
        self.paths = tuple(paths)
        self._exact = {_plain(path): path for path in self.paths}

    def find(self, cell: str, base: str = "") -> str | None:
        """The file that a cell means, or None.

        Tried in this order, each only if one file alone fits: the path from the table's own
        folder, the path from the root, either of the two paths being the end of the other, or two
        folders and the name in common; then the same without the ending, then without regard to
        case.

        Args:
            cell: a path or name; with backslashes, or absolute on another machine, as well.
            base: folder of the table.
        """
        value = _plain(cell.strip().replace("\\", "/"))
        if not value or value.endswith("/"):
            return None
        for path in (str(PurePosixPath(base) / value.removeprefix("./")), value):
            if found := self._exact.get(_collapsed(path)):
                return found
        parts = PurePosixPath(value).parts
        if not parts:
            return None
        named = self._by_name.get(parts[-1], ())
        if not named and not is_image_name(value):
            named = self._by_stem.get(parts[-1], ())
        if not named:
            named = self._by_lower.get(parts[-1].lower(), ())
        return _closest(parts, named, base)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped(self.paths, lambda path: _plain(path.name))

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped(self.paths, lambda path: _plain(path.stem))

    @cached_property
    def _by_lower(self) -> dict[str, list[str]]:
        return _grouped(self.paths, lambda path: _plain(path.name).lower())


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _collapsed(path: str) -> str:
    """Without `.` and with `..` gone up."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _grouped(paths: Iterable[str], key: Callable[[PurePosixPath], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(key(PurePosixPath(path)), []).append(path)
    return found


def _closest(parts: tuple[str, ...], named: Iterable[str], base: str) -> str | None:
    """Of files with the right name the one whose folders agree with the cell's."""
    folders = [part.lower() for part in parts[-2::-1] if part not in (".", "..", "/")]
    ranked: list[tuple[int, bool, str]] = []
    for path in named:
        own = [part.lower() for part in map(_plain, PurePosixPath(path).parts[-2::-1])]
        common = 0
        for ours, theirs in zip(own, folders, strict=False):
            if ours != theirs:
                break
            common += 1
        if common < min(len(own), len(folders), 2):
            continue
        ranked.append((common, bool(base) and path.startswith(f"{base}/"), path))
    ranked.sort(reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]):
        return None
    return ranked[0][2]
