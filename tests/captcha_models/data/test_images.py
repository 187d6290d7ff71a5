import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captcha_models.data.decode import decode
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import LabelledImages
from captcha_models.data.labels.archive import MAX_ARCHIVE_BYTES
from captcha_models.data.labels.rules import LabelRules
from captcha_models.data.reading import read_images
from captcha_models.errors import InputError


def png(grey: int = 200, size: tuple[int, int] = (WIDTH, HEIGHT), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    picture = Image.new("L", size, grey)
    picture.putpixel((0, 0), 0)
    picture.convert(mode).save(file, "PNG")
    return file.getvalue()


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return path


GOOD = {"ab2.png": png(10), "cd3.png": png(20)}


def test_folder_and_zip_of_the_same_images_are_the_same(tmp_path: Path) -> None:
    folder = read_images(folder_of(tmp_path / "f", {f"deep/{n}": d for n, d in GOOD.items()}))
    archive = read_images(zip_of(tmp_path / "a.zip", GOOD))
    assert folder.labels == archive.labels == ("ab2", "cd3")
    assert folder.digest == archive.digest
    np.testing.assert_array_equal(folder.pixels, archive.pixels)
    assert folder.pixels.shape == (2, 1, HEIGHT, WIDTH)
    assert folder.charset.symbols == "23abcd"


def test_digest_changes_with_one_pixel_and_with_a_name(tmp_path: Path) -> None:
    base = read_images(folder_of(tmp_path / "a", GOOD)).digest
    pixel = read_images(folder_of(tmp_path / "b", {**GOOD, "cd3.png": png(21)})).digest
    name = read_images(folder_of(tmp_path / "c", {"ab2.png": png(10), "cd4.png": png(20)})).digest
    assert len({base, pixel, name}) == 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_every_colour_mode_is_read(tmp_path: Path, mode: str) -> None:
    file = io.BytesIO()
    picture = Image.new(mode if mode != "LA" else "L", (WIDTH, HEIGHT)).convert(mode)
    picture.save(file, "TIFF" if mode == "CMYK" else "PNG")
    images = read_images(folder_of(tmp_path, {**GOOD, "ef4.png": file.getvalue()}))
    assert images.pixels.shape == (3, 1, HEIGHT, WIDTH)


def test_colour_keeps_three_channels(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), (255, 0, 0)).save(file, "PNG")
    images = read_images(folder_of(tmp_path, {**GOOD, "ef4.png": file.getvalue()}))
    assert images.pixels.shape == (3, 3, HEIGHT, WIDTH)
    assert images.pixels[2, 0].min() == 255
    assert images.pixels[2, 1:].max() == 0
    assert "ef4.png" in images.notes[0]
    assert "one colour" in images.notes[0]


@pytest.mark.parametrize("suffix", ["bmp", "jp2", "png", "ppm", "tga", "tif", "webp"])
def test_colour_of_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    lossless = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"ab.{suffix}", **lossless)
    found, size = decode((tmp_path / f"ab.{suffix}").read_bytes(), "ab")
    assert size == (30, 20)
    assert np.array_equal(found, pixels)


def test_sixteen_bit_grey_and_transparency_are_seen_as_a_person_sees_them(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, WIDTH).astype(np.uint16)
    deep, clear = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.tile(ramp, (HEIGHT, 1))).save(deep, "PNG")
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[10:20, 10:20, 3] = 255  # a black square on nothing
    Image.fromarray(ink).save(clear, "PNG")
    files = {"ab2.png": deep.getvalue(), "cd3.png": clear.getvalue()}
    images = read_images(folder_of(tmp_path, files))
    assert len(np.unique(images.pixels[0])) > 150
    assert images.pixels[1, 0, 15, 15] == 0
    assert images.pixels[1, 0, 0, 0] == 255


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    files = {**GOOD, ".DS_Store": b"x", "__MACOSX/._ab2.png": b"x", "Thumbs.db": b"x"}
    assert len(read_images(folder_of(tmp_path / "f", files))) == 2
    assert len(read_images(zip_of(tmp_path / "a.zip", files))) == 2


BAD = {
    "empty.png": b"",
    "text.png": b"this is no image",
    "notes.txt": b"nor is this",
    "cut.png": png()[:60],
    "corrupt.png": png()[:50] + b"\0" * 40 + png()[90:],
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_image_is_named_and_can_be_skipped(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path, {**GOOD, name: BAD[name]})
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        read_images(folder)
    images = read_images(folder, skip_bad=True)
    assert len(images) == 2
    assert images.num_skipped == 1
    assert "1 wrong file left out" in images.describe()


@pytest.mark.parametrize("twin", ["AB2.png", "other/ab2.png", "ab2.jpg"])
def test_one_label_twice_is_two_images(tmp_path: Path, twin: str) -> None:
    images = read_images(folder_of(tmp_path, {**GOOD, twin: png(30)}))
    assert images.names == tuple(sorted({*GOOD, twin}))
    assert images.labels[images.names.index(twin)] == Path(twin).stem


def test_folders_without_images_and_alphabets_of_one_symbol(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no images"):
        read_images(folder_of(tmp_path / "empty", {".hidden": b""}))
    with pytest.raises(InputError, match="at least 2 different symbols"):
        read_images(folder_of(tmp_path / "one", {"aaa.png": png()}))


@pytest.mark.parametrize("name", ["../ab2.png", "/ab2.png", "x/../../ab2.png", "..\\ab2.png"])
def test_a_zip_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of it"):
        read_images(zip_of(tmp_path / "a.zip", {**GOOD, name: png()}))


@pytest.mark.parametrize("name", [".", "a\nb.png", "a\x07b.png"])
def test_odd_names_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        read_images(zip_of(tmp_path / "a.zip", {**GOOD, name: png()}))
    assert "\n" not in str(caught.value)


def test_a_colon_leads_nowhere(tmp_path: Path) -> None:
    assert len(read_images(zip_of(tmp_path / "a.zip", {**GOOD, "a:e.png": png(9)}))) == 3


def test_names_that_are_no_text_are_wrong_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, GOOD)
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfea.png"))).write_bytes(png())
    with pytest.raises(InputError, match="readable characters"):
        read_images(folder)
    assert read_images(folder, skip_bad=True).num_skipped == 1


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        block = bytes(2**26)
        for i in range(MAX_ARCHIVE_BYTES // len(block) + 1):
            zipped.writestr(f"{i}.png", block)
    with pytest.raises(InputError, match="at most 1 GiB"):
        read_images(archive)


def test_gigantic_dimensions_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("1", (6000, 6000)).save(file, "PNG")
    with pytest.raises(InputError, match=r"gh7\.png has 6000 x 6000 pixels"):
        read_images(folder_of(tmp_path, {**GOOD, "gh7.png": file.getvalue()}))


def test_broken_and_encrypted_archives(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(zip_of(tmp_path / "a.zip", GOOD).read_bytes()[:200])
    with pytest.raises(InputError, match="no readable zip"):
        read_images(broken)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1  # the flag that says "encrypted"
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"ab2\.png cannot be unpacked"):
        read_images(tmp_path / "b.zip")


def test_the_real_set(real_images: Path) -> None:
    images = read_images(real_images)
    assert len(images) == 936
    assert images.charset.symbols == "2345678bcdefgmnpwxy"
    assert images.label_length == 5
    assert images.pixels.shape == (936, 1, 50, 200)


def test_other_labels_are_other_images(drawn: LabelledImages) -> None:
    other = replace(drawn, labels=(*drawn.labels[1:], drawn.labels[0]))
    assert other.digest != drawn.digest


def test_the_odd_image_without_room_for_its_label_is_left_out(tmp_path: Path) -> None:
    files = {f"{i:03}-ab.png": png(20, (60 + i % 50, 30)) for i in range(200)}
    files["200-abababababababababababababababab.png"] = png(30, (20, 30))
    images = read_images(folder_of(tmp_path, files), how=LabelRules(labels="{number}-{label}"))
    assert len(images) == 200
    assert set(images.labels) == {"ab"}
    assert "1 image left out, too narrow for their labels" in images.notes[-1]
    assert "200-abab" in images.notes[-1]
    assert len(images.sizes) == len(images.widths) == 200
    # A model's own size says nothing of that: such an image is misread.
    geometry = images.geometry
    whole = read_images(tmp_path, how=LabelRules(labels="{number}-{label}"), size=geometry)
    assert len(whole) == 201
