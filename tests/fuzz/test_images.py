"""The readers of images and archives: an array, or an InputError of one line; nothing else."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from PIL import Image

from captcha_models.data.decode import TALLEST, decode
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import LabelledImages
from captcha_models.data.reading import read_images
from captcha_models.errors import InputError
from tests.fuzz._inputs import TRIED, damaged, fuzz, names

pytestmark = pytest.mark.slow

FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"),
    "GIF": ("L", "P", "RGB"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr", "LAB"),
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "ICO": ("RGBA",),
    "PPM": ("L", "RGB", "I;16"),
}


@st.composite
def images(draw: st.DrawFn) -> bytes:
    """A whole image of any format and mode, animated, rotated or with a colour made clear."""
    kind = draw(st.sampled_from(sorted(FORMATS)))
    mode = draw(st.sampled_from(FORMATS[kind]))
    size = draw(st.tuples(st.integers(1, 300), st.integers(1, 300)))
    picture = Image.new(mode, size, draw(st.integers(0, 255)) if len(mode) == 1 else 0)
    options: dict[str, object] = {}
    if kind in ("GIF", "PNG", "WEBP", "TIFF") and draw(st.booleans()):
        options |= {"save_all": True, "append_images": [picture] * draw(st.integers(1, 3))}
    if kind in ("PNG", "JPEG", "WEBP", "TIFF") and draw(st.booleans()):
        exif = Image.Exif()
        exif[0x0112] = draw(st.integers(0, 9))
        options["exif"] = exif
    if kind in ("PNG", "GIF") and mode in ("P", "L") and draw(st.booleans()):
        options["transparency"] = draw(st.integers(0, 255))
    file = io.BytesIO()
    try:
        picture.save(file, kind, **options)
    except OSError:
        reject()  # Not all formats animate all modes.
    return file.getvalue()


def gigantic(width: int, height: int, filler: int) -> bytes:
    """A PNG that claims a size, and a little data that unpacks to much."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(filler), 1)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def assert_decoded(data: bytes, kind: str) -> bool:
    """Whether the bytes were read; refused is fine."""
    TRIED[kind] += 1
    try:
        pixels, size = decode(data, "ab1.png")
    except InputError as error:
        assert "\n" not in str(error)
        assert "ab1.png" in str(error)
        return False
    assert pixels.ndim == 2 or pixels.shape[2] == 3
    assert pixels.shape[0] == min(size[1], TALLEST)
    assert min(size) >= 1
    return True


@fuzz
@given(images())
def test_whole_images_of_every_kind_are_read(data: bytes) -> None:
    assert assert_decoded(data, "whole images")


@fuzz
@given(images().flatmap(damaged))
def test_damaged_images(data: bytes) -> None:
    assert_decoded(data, "damaged images")


@fuzz
@given(st.binary(max_size=400))
def test_bytes_that_are_no_image(data: bytes) -> None:
    assert_decoded(data, "bytes")


@fuzz
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**20))
def test_gigantic_dimensions_and_bombs(width: int, height: int, filler: int) -> None:
    assert_decoded(gigantic(width, height, filler), "gigantic dimensions")


def picture(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (20, 10), grey).save(file, "PNG")
    return file.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def assert_read(file: Path, data: bytes, kind: str) -> LabelledImages | None:
    """What was read of an archive; nothing was written beside it."""
    TRIED[kind] += 1
    file.write_bytes(data)
    try:
        return read_images(file, skip_bad=len(data) % 2 == 0)
    except InputError as error:
        assert "\n" not in str(error)
        return None
    finally:
        assert list(file.parent.iterdir()) == [file]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "a.zip"


@fuzz
@given(data=damaged(archive({"ab1.png": picture(3), "cd2.png": picture(4), "x/ef.png": b"no"})))
def test_damaged_archives(place: Path, data: bytes) -> None:
    assert_read(place, data, "damaged archives")


@fuzz
@given(members=st.dictionaries(
    st.one_of(names, st.text(max_size=30), st.sampled_from(["../a.png", "/b.png", "C:\\c.png"])),
    st.sampled_from([picture(1), picture(2), b"", b"no image"]), max_size=5,
))  # fmt: skip
def test_archives_with_any_names(place: Path, members: dict[str, bytes]) -> None:
    try:
        data = archive(members)
    except (UnicodeEncodeError, ValueError, zipfile.LargeZipFile):
        return  # No archive holds such a name.
    assert_read(place, data, "archives with any names")


@fuzz
@given(found=st.lists(names, min_size=1, max_size=4, unique=True), skip=st.booleans())
def test_folders_with_any_names(
    tmp_path_factory: pytest.TempPathFactory, found: list[str], skip: bool
) -> None:
    TRIED["folders with any names"] += 1
    folder = tmp_path_factory.mktemp("names", numbered=True)
    for i, name in enumerate(found):
        (folder / name).write_bytes(picture(i))
    try:
        read_images(folder, skip)
    except InputError as error:
        assert "\n" not in str(error)


def test_an_image_that_asks_to_be_turned_is_turned(tmp_path: Path) -> None:
    """As every viewer shows it, and so as whoever labelled it saw it."""
    upright = Image.new("L", (WIDTH, HEIGHT), 255)
    upright.paste(0, (0, 0, WIDTH // 2, HEIGHT // 2))
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 8  # Turn by 90 degrees against the clock to show.
    upright.transpose(Image.Transpose.ROTATE_270).save(file, "PNG", exif=exif)
    pixels, size = decode(file.getvalue(), "ab1.png")
    assert size == (WIDTH, HEIGHT)
    assert (pixels == decode(_png(upright), "ab1.png")[0]).all()


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
