"""Storage of runs that every machine finds: a shared folder, or object storage.

One small interface over pyarrow's file systems, which Ray Tune uses for its checkpoints too.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from captcha_models.errors import InputError
from search.store import tries

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


T = TypeVar("T")
_PAUSE_S = 1.0


class Storage:
    """A folder, named by a path or by an address such as `s3://bucket/runs`.

    Names within it are relative, with slashes.

    A call to object storage that is refused, cut off or not answered is repeated for one and a half
    minutes, then it is an OSError: search/store/opening.py.

    Args:
        place: the path or address.
        hurried: whether a few seconds have to do, for the caller asks again or a person waits.

    Raises:
        InputError: an address of no known kind.
    """

    def __init__(self, place: str, *, hurried: bool = False) -> None:
        self.place = place.rstrip("/") if "://" in place else str(Path(place).resolve())
        self._hurried = hurried
        self._opened: tuple[FileSystem, str] | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine's file system."""
        return "://" not in self.place

    def child(self, name: str) -> "Storage":
        """A folder within this one."""
        address, query, options = self.place.partition("?")
        return Storage(f"{address.rstrip('/')}/{name}{query}{options}")

    def hurried(self) -> "Storage":
        """The same with less patience; a path of this machine's file system has none."""
        return self if self.is_local or self._hurried else Storage(self.place, hurried=True)

    def opened(self) -> "tuple[FileSystem, str]":
        """The file system, which can be sent to workers, and the place in it."""
        return self._at("")

    @property
    def parent(self) -> "Storage":
        """The folder that this one was made a child of."""
        address, query, options = self.place.partition("?")
        return Storage(address.rpartition("/")[0] + query + options)

    def relative(self, path: str) -> str:
        """Name of what lies at a path of the file system, as Ray gives it."""
        return str(PurePosixPath(path).relative_to(self._at("")[1]))

    def exists(self, name: str = "") -> bool:
        """Whether there is such a file or folder."""
        from pyarrow.fs import FileType

        system, place = self._at(name)
        return bool(system.get_file_info(place).type != FileType.NotFound)

    def names(self, folder: str = "") -> list[str]:
        """Names of what lies in a folder, sorted; none if there is no such folder."""
        from pyarrow.fs import FileSelector

        system, place = self._at(folder)
        # Google's storage has no folders, and lists none: they are known by the files in them.
        deep = system.type_name == "gcs"
        found = system.get_file_info(FileSelector(place, allow_not_found=True, recursive=deep))
        return sorted({PurePosixPath(info.path).relative_to(place).parts[0] for info in found})

    def read(self, name: str) -> bytes:
        """What a file holds.

        Raises:
            OSError: there is none, or it cannot be read.
        """
        system, place = self._at(name)

        def once() -> bytes:
            with system.open_input_stream(place) as file:
                return bytes(file.read())

        return _again(once)

    def write(self, name: str, data: bytes) -> None:
        """Put a file in its place, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        system, place = self._at(name)
        if not self.is_local:
            # Object storage shows a file when it is complete.
            with system.open_output_stream(place) as file:
                file.write(data)
            return
        system.create_dir(str(Path(place).parent))
        temporary = f"{place}.tmp"
        with system.open_output_stream(temporary) as file:
            file.write(data)
        system.move(temporary, place)

    def create(self, name: str, data: bytes) -> bool:
        """Put a file where there is none; whether the store says that this call did it.

        Raises:
            OSError: it cannot be written.
            InputError: the store knows no such write.
        """
        from search.store.creation import create

        return create(self.place, *self._at(name), data)

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file from here.

        Raises:
            OSError: there is none, or it cannot be read.
        """
        system, place = self._at(name)

        def once() -> None:
            with system.open_input_stream(place) as source, open(to, "wb") as target:
                while block := source.read(1 << 22):
                    target.write(block)

        _again(once)

    def delete(self, name: str) -> None:
        """Remove a file or a whole folder; nothing happens if there is none."""
        from pyarrow.fs import FileType

        system, place = self._at(name)
        kind = system.get_file_info(place).type
        if kind == FileType.Directory:
            # Google's storage has no folders: when their files are gone, so are they.
            with suppress(FileNotFoundError):
                system.delete_dir(place)
        elif kind == FileType.File:
            system.delete_file(place)

    def __reduce__(self) -> "tuple[partial[Storage], tuple[str]]":
        return partial(Storage, hurried=self._hurried), (self.place,)

    def _at(self, name: str) -> "tuple[FileSystem, str]":
        if self._opened is None:
            self._opened = self._open()
        system, place = self._opened
        return system, f"{place}/{name}".rstrip("/") if name else place

    def _open(self) -> "tuple[FileSystem, str]":
        from pyarrow import ArrowException
        from pyarrow.fs import LocalFileSystem

        if self.is_local:
            return LocalFileSystem(), self.place
        from search.store.opening import open_address

        try:
            return open_address(self.place, tries.HURRIED if self._hurried else tries.PATIENT)
        except (ArrowException, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"storage {self.place} cannot be opened: {reason}") from None


def _again(read: Callable[[], T]) -> T:
    """Read; again where S3 refused for a while and pyarrow could not know.

    It makes room for the object alone: the text of a refusal that is longer breaks the answer.
    """
    for _ in range(tries.PATIENT - 1):
        try:
            return read()
        except OSError as error:
            if "Failed to flush response stream" not in str(error):
                raise
        time.sleep(_PAUSE_S)
    return read()
