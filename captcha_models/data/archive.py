"""Files of images: a folder or a zip archive, read without trust in names and sizes."""

import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from captcha_models.data.geometry import Geometry
from captcha_models.data.images import LabelledImages, Listed, collect
from captcha_models.errors import InputError

MAX_IMAGE_BYTES = 64 * 2**20
MAX_ARCHIVE_BYTES = 2**30
_IGNORED = {"thumbs.db", "desktop.ini"}


def read_folder(
    folder: Path, skip_bad: bool = False, size: str | Geometry = "auto"
) -> LabelledImages:
    """Every file below a folder, hidden ones left out.

    Raises:
        InputError: see `collect`.
    """

    def entries() -> Iterator[tuple[str, Callable[[], bytes]]]:
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            if path.is_file() and counts(inside.as_posix()):
                yield inside.as_posix(), file_reader(path)

    return collect(_by_stem(entries()), f"folder {folder}", skip_bad, size)


def read_zip(
    archive: Path, skip_bad: bool = False, size: str | Geometry = "auto"
) -> LabelledImages:
    """Every file of a zip archive, read without unpacking it to disk.

    Raises:
        InputError: no zip, a name that leads out of the archive, more than 1 GiB unpacked, an
            encrypted member; else see `collect`.
    """
    source = f"archive {archive}"
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            for member in members:
                parts = PurePosixPath(member.filename.replace("\\", "/")).parts
                if ".." in parts or parts[:1] == ("/",) or parts == ():
                    raise InputError(f"{source}: the name {member.filename!r} leads out of it")
            total = sum(member.file_size for member in members)
            if total > MAX_ARCHIVE_BYTES:
                raise InputError(
                    f"{source} unpacks to {total / 2**30:.1f} GiB; "
                    f"at most {MAX_ARCHIVE_BYTES / 2**30:.0f} GiB are read"
                )
            return collect(
                _by_stem(
                    (member.filename, _member_reader(zipped, member))
                    for member in members
                    if counts(member.filename)
                ),
                source,
                skip_bad,
                size,
            )
    except InputError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, IndexError) as error:
        # zipfile has no error of its own for most of what a broken directory can hold.
        raise InputError(f"{source} is no readable zip: {error}") from None
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}") from None


class _Named(NamedTuple):
    path: str
    label: str
    group: str
    part: str
    read: Callable[[], bytes]


def _by_stem(entries: Iterable[tuple[str, Callable[[], bytes]]]) -> Iterator[Listed]:
    for path, read in entries:
        label = unicodedata.normalize("NFC", PurePosixPath(path).stem)
        yield _Named(path, label, "", "", read)


def counts(path: str) -> bool:
    """Whether a path inside a folder or an archive is an image's, and no hidden file."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and parts[-1].lower() not in _IGNORED


def file_reader(path: Path) -> Callable[[], bytes]:
    """What reads a file's bytes; raises an InputError if they are too many or out of reach."""

    def read() -> bytes:
        try:
            if path.stat().st_size > MAX_IMAGE_BYTES:
                raise InputError(f"{path} is larger than {MAX_IMAGE_BYTES // 2**20} MiB")
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from None

    return read


def _member_reader(zipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with zipped.open(member) as file:
                # The size in the directory may lie: read no more than is allowed.
                data = file.read(MAX_IMAGE_BYTES + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
            raise InputError(f"{member.filename} cannot be unpacked: {error}") from None
        except Exception as error:
            # zlib, lzma and bz2 each raise an error of their own for broken data.
            raise InputError(f"{member.filename} cannot be unpacked: {error}") from None
        if len(data) > MAX_IMAGE_BYTES:
            raise InputError(f"{member.filename} is larger than {MAX_IMAGE_BYTES // 2**20} MiB")
        return data

    return read
