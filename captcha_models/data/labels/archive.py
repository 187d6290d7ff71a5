"""Files of a folder or a zip archive, listed and read without trust in names and sizes."""

import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from captcha_models.errors import InputError

MAX_IMAGE_BYTES = 64 * 2**20
MAX_ARCHIVE_BYTES = 2**30
_IGNORED = {"thumbs.db", "desktop.ini"}
_UNICODE_PATH = 0x7075
_UTF8 = 0x800
"""The flag of a zip's member that says in which encoding its name is written."""


class Entry(NamedTuple):
    """A file inside a folder or an archive.

    Attributes:
        path: inside it, with `/` between its parts.
        read: gives the bytes; raises an InputError if they are too many or cannot be had.
        odd: how an archive spells the path, where `path` is only what it probably means; else "".
    """

    path: str
    read: Callable[[], bytes]
    odd: str = ""


def folder_entries(folder: Path) -> list[Entry]:
    """Every file below a folder, hidden ones left out.

    Raises:
        InputError: the folder cannot be read.
    """
    found = []
    try:
        for path in folder.rglob("*"):
            inside = path.relative_to(folder).as_posix()
            if counts(inside) and path.is_file():
                found.append(Entry(inside, file_reader(path)))
    except OSError as error:
        raise InputError(f"folder {folder} cannot be read: {error.strerror or error}") from None
    return found


def zip_entries(archive: Path) -> list[Entry]:
    """Every file of a zip archive, hidden ones left out; nothing is unpacked to disk.

    The archive stays open for as long as an entry of it is held.

    Raises:
        InputError: no zip, a name that leads out of it, or more than 1 GiB unpacked.
    """
    source = f"archive {archive}"
    try:
        zipped = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, IndexError) as error:
        # zipfile has no error of its own for most of what a broken directory can hold.
        raise InputError(f"{source} is no readable zip: {error}") from None
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}") from None
    members = [member for member in zipped.infolist() if not member.filename.endswith("/")]
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        if ".." in parts or parts[:1] == ("/",) or parts == ():
            raise InputError(f"{source}: the name {member.filename!a} leads out of it")
    total = sum(member.file_size for member in members)
    if total > MAX_ARCHIVE_BYTES:
        raise InputError(
            f"{source} unpacks to {total / 2**30:.1f} GiB; "
            f"at most {MAX_ARCHIVE_BYTES / 2**30:.0f} GiB are read"
        )
    found = []
    for member in members:
        path, odd = _meant(member)
        if counts(path):
            found.append(Entry(path, _member_reader(zipped, member), odd))
    return found


def counts(path: str) -> bool:
    """Whether a path inside a folder or an archive is a person's file, and no hidden one."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and bool(parts) and parts[-1].lower() not in _IGNORED


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


def undone(name: str) -> str:
    """The name that was read in an old encoding though it was written in UTF-8; else the same."""
    if name.isascii():
        return name
    for encoding in ("cp437", "cp1252", "latin-1"):
        try:
            return name.encode(encoding).decode()
        except UnicodeError:
            continue
    return name


def _meant(member: zipfile.ZipInfo) -> tuple[str, str]:
    """The path that a member's name means, and the name where that is a guess; else ""."""
    name, guessed = member.filename, False
    if not member.flag_bits & _UTF8 and not name.isascii():
        told = _unicode_path(member)
        guessed = not told
        # Python reads what is not marked in the encoding of the first PCs.
        with suppress(UnicodeError):
            name = told or name.encode("cp437").decode()
    path = name.replace("\\", "/")
    return path, member.filename if guessed or path != name else ""


def _unicode_path(member: zipfile.ZipInfo) -> str:
    """The name in the extra field that Info-ZIP keeps it in, "" if there is none that holds."""
    extra = member.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        data, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(data) > 5:
            with suppress(UnicodeError):
                of = zlib.crc32(member.filename.encode("cp437"))
                name = data[5:].decode()
                parts = PurePosixPath(name.replace("\\", "/")).parts
                safe = parts and ".." not in parts and parts[0] != "/"
                if safe and struct.unpack_from("<I", data, 1)[0] == of:
                    return name
    return ""


def _member_reader(zipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    shown = ascii(member.filename)[1:-1] if "\n" in member.filename else member.filename

    def read() -> bytes:
        try:
            with zipped.open(member) as file:
                # The size in the directory may lie: read no more than is allowed.
                data = file.read(MAX_IMAGE_BYTES + 1)
        except Exception as error:
            if member.flag_bits & 1:
                raise InputError(
                    f"{shown} cannot be unpacked: it is encrypted; unpack the archive with its "
                    "password and give the folder"
                ) from None
            # zlib, lzma and bz2 each raise an error of their own for broken data.
            raise InputError(f"{shown} cannot be unpacked: {error}") from None
        if len(data) > MAX_IMAGE_BYTES:
            raise InputError(f"{shown} is larger than {MAX_IMAGE_BYTES // 2**20} MiB")
        return data

    return read
