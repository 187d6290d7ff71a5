"""Labelled images from a folder or a zip archive of `LABEL.png`; refuses bad ones by name."""

import hashlib
import io
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from captcha_models.charset import Charset
from captcha_models.errors import InputError

HEIGHT, WIDTH = 50, 200
"""Size of every image that reaches a model, in pixels; others are squished to it."""

MAX_IMAGE_PIXELS = 20_000_000
MAX_IMAGE_BYTES = 64 * 2**20
MAX_ARCHIVE_BYTES = 2**30
_IGNORED = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Checked images and their labels, sorted by name.

    Attributes:
        names: base names of the files, such as `2b827.png`; they decide the split.
        labels: the texts, in the same order.
        pixels: (N, C, 50, 200) uint8; C is 1 if every image is grey, else 3.
        source: where they came from, in words.
        num_skipped: wrong files that were left out on request.
        preset: of the generator, whose images are of the same kind.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    pixels: NDArray[np.uint8]
    source: str
    num_skipped: int = 0
    preset: str = "default"

    def __len__(self) -> int:
        return len(self.names)

    def describe(self) -> str:
        """One line for the person: how many, from where, over which alphabet."""
        left_out = f", {self.num_skipped} wrong files left out" if self.num_skipped else ""
        length = self.label_length or "mixed"
        return (
            f"data: {len(self)} images from {self.source}{left_out}; labels of length {length} "
            f"over {self.charset.symbols}"
        )

    @cached_property
    def charset(self) -> Charset:
        """The alphabet of the labels."""
        return Charset.of(self.labels)

    @cached_property
    def label_length(self) -> int | None:
        """Characters per label, None if labels differ in length."""
        lengths = {len(label) for label in self.labels}
        return lengths.pop() if len(lengths) == 1 else None

    @cached_property
    def digest(self) -> str:
        """sha256 over names, labels and pixels; equal for a folder and a zip of the same."""
        state = hashlib.sha256(repr(self.pixels.shape[1:]).encode())
        for name, label, pixels in zip(self.names, self.labels, self.pixels, strict=True):
            # A label that is the file's stem is in its name already.
            plain = unicodedata.normalize("NFC", PurePosixPath(name).stem) == label
            state.update(f"{name}\0{'' if plain else label + chr(0)}".encode() + pixels.tobytes())
        return state.hexdigest()


def collect(
    entries: Iterable[tuple[str, Callable[[], bytes]]], source: str, skip_bad: bool
) -> LabelledImages:
    """Decode and check named files.

    Args:
        entries: (path inside the source, function that reads the bytes).
        source: how error messages call it.
        skip_bad: leave wrong files out instead of refusing them.

    Raises:
        InputError: a wrong file (unless `skip_bad`), labels that clash or have an alphabet of one
            symbol, or nothing left.
    """
    read: dict[str, tuple[str, str, NDArray[np.uint8]]] = {}
    skipped = 0
    for path, get in sorted(entries, key=lambda entry: entry[0]):
        name = PurePosixPath(path).name
        label = unicodedata.normalize("NFC", PurePosixPath(name).stem)
        try:
            if not name.isprintable():
                raise InputError(f"{path!a}: a file name needs readable characters")
            pixels = decode(get(), path)[0]
        except InputError as error:
            if not skip_bad:
                raise InputError(f"{error}; --skip-bad leaves such files out") from None
            skipped += 1
            continue
        key = label.casefold()
        if key in read:
            raise InputError(
                f"{source}: {read[key][0]} and {path} carry one label; names must differ "
                "in more than case or folder"
            )
        read[key] = (path, label, pixels)
    if not read:
        left_out = f" ({skipped} wrong files left out)" if skipped else ""
        raise InputError(f"{source} has no images{left_out}: LABEL.png files are expected")
    found = sorted(read.values(), key=lambda entry: PurePosixPath(entry[0]).name)
    images = LabelledImages(
        names=tuple(PurePosixPath(path).name for path, _, _ in found),
        labels=tuple(label for _, label, _ in found),
        pixels=grey_if_possible(np.stack([pixels for _, _, pixels in found])),
        source=source,
        num_skipped=skipped,
    )
    _ = images.charset  # refuses an alphabet of one symbol
    return images


def decode(data: bytes, name: str) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """(3, 50, 200) pixels of an encoded image, squished to that size, and its own width and height.

    Raises:
        InputError: empty, no image, truncated, corrupt or gigantic, with the name.
    """
    if not data:
        raise InputError(f"{name} is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > MAX_IMAGE_PIXELS:
                    raise InputError(
                        f"{name} has {image.width} x {image.height} pixels; "
                        f"at most {MAX_IMAGE_PIXELS:,} are read"
                    )
                rgb = _to_rgb(image)
    except InputError:
        raise
    except Exception as error:
        # Pillow's decoders raise whatever the broken bytes lead them to; of what it does not know
        # at all it tells the address in memory, which tells the person nothing.
        reason = " ".join(str(error).split())
        known = "" if "<_io.BytesIO" in reason else f" ({type(error).__name__}: {reason})"
        raise InputError(f"{name} is no readable image{known}") from None
    return _squished(rgb), rgb.size


def fitted(image: Image.Image) -> NDArray[np.uint8]:
    """(3, 50, 200) pixels of an image of any size and mode, squished to that size."""
    return _squished(_to_rgb(image))


def _squished(rgb: Image.Image) -> NDArray[np.uint8]:
    if rgb.size != (WIDTH, HEIGHT):
        rgb = rgb.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(rgb).transpose(2, 0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    # As a camera's note asks, and every viewer shows it.
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        # Pillow would cut 16-bit grey off at 255.
        grey = np.asarray(image).astype(np.int64) // 257
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # Nothing says what is behind the letters; paper is white.
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def read_folder(folder: Path, skip_bad: bool = False) -> LabelledImages:
    """Every file below a folder, hidden ones left out.

    Raises:
        InputError: see `collect`.
    """

    def entries() -> Iterator[tuple[str, Callable[[], bytes]]]:
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            if path.is_file() and counts(inside.as_posix()):
                yield inside.as_posix(), file_reader(path)

    return collect(entries(), f"folder {folder}", skip_bad)


def read_zip(archive: Path, skip_bad: bool = False) -> LabelledImages:
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
                (
                    (member.filename, _member_reader(zipped, member))
                    for member in members
                    if counts(member.filename)
                ),
                source,
                skip_bad,
            )
    except InputError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, IndexError) as error:
        # zipfile has no error of its own for most of what a broken directory can hold.
        raise InputError(f"{source} is no readable zip: {error}") from None
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}") from None


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


def squish(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 1, H, W) grey images as (N, 1, 50, 200), by the filter that files go through."""
    if pixels.shape[2:] == (HEIGHT, WIDTH):
        return pixels
    resized = [
        Image.fromarray(image).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
        for image in pixels[:, 0]
    ]
    return np.stack([np.asarray(image) for image in resized])[:, None]


def grey_if_possible(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 3, H, W) images as (N, 1, H, W) if all of them are grey."""
    red = pixels[:, :1]
    return np.ascontiguousarray(red) if (pixels == red).all() else pixels
