"""`captcha_models.inspect` on drawn sets: what it says, its page, the command it ends with."""

import base64
import csv
import io
import json
import random
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from captcha_models.data.reading import read_images
from captcha_models.inspection.remarks import remarks
from tests.cli.conftest import Done

Row = tuple[str, str, str]


def picture(text: str, seed: int = 0, height: int = 30) -> Image.Image:
    """A text as wide as it is long, on paper of a shade of its own."""
    font = ImageFont.load_default(size=height * 0.7)
    image = Image.new("L", (round(font.getlength(text)) + 12, height), 225 + seed % 30)
    ImageDraw.Draw(image).text((4 + seed % 5, 3), text, fill=(7 * seed) % 90, font=font)
    noise = np.random.default_rng(seed).normal(0, 20, (height, image.width))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def folder_of(place: Path, images: Mapping[str, tuple[Image.Image, str, str]]) -> Path:
    """A folder of images with a table of labels and groups."""
    place.mkdir()
    with open(place / "labels.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("file", "text", "group"))
        for name, (image, label, group) in images.items():
            image.save(place / name)
            table.writerow((name, label, group))
    return place


@pytest.fixture(scope="module")
def receipts() -> Iterator[Path]:
    """120 amounts of 3 to 9 characters on 24 receipts; one twice, one again under another label.

    Their place has hyphens where a line of text would end, and is short enough for one line.
    """
    chance = random.Random(0)
    amounts = [chance.randrange(10 ** (3 + i % 7)) for i in range(120)]
    images = {}
    for i, amount in enumerate(amounts):
        label = f"{amount // 100}.{amount % 100:02d}"
        images[f"crop-{i}x.png"] = (picture(label, i), label, f"r{i // 5}")
    first, other = images["crop-3x.png"], images["crop-50x.png"]
    images["again.png"] = first
    images["wrong.png"] = (other[0], "77.77", other[2])
    with tempfile.TemporaryDirectory() as place:
        yield folder_of(Path(place) / "my-own-amounts-of-everything-kept-here of mine", images)


@pytest.fixture
def inspect(called: Callable[..., Done]) -> Callable[..., Done]:
    def run(*arguments: object) -> Done:
        return called("captcha_models.inspect", *arguments)

    return run


def test_the_text_is_compact_and_ends_with_a_command_that_works(
    receipts: Path, inspect: Callable[..., Done]
) -> None:
    done = inspect(receipts)
    assert (done.returncode, done.stderr) == (0, "")
    *said, command = done.stdout.splitlines()
    assert len(said) < 30
    assert max(map(len, said)) <= 80
    text = " ".join(done.stdout.split())
    assert f"122 from folder {receipts}" in text
    assert "30 px high; read at 50 px high" in text
    assert "kept in proportion" in text
    assert "length (images): 4 (" in text
    assert "2 pairs equal, 0 nearly so (" in text
    assert "1 pair that looks alike has two labels: see crop-50x.png" in text
    assert "groups 24, the largest of 6 images" in text
    assert re.search(r"train \d+ of \d+ groups, validate \d+ of \d+ groups", text)
    for arch in ("crnn", "pooled", "spatial"):
        assert f"\n{arch}  " in done.stdout
    assert "generated printed lines, no captchas (the generator draws 200 x 50 px" in text
    assert command == f"python -m search.run --space crnn --data '{receipts}'"
    assert shlex.split(command)[-1] == str(receipts)


def test_the_command_has_all_that_was_typed(receipts: Path, inspect: Callable[..., Done]) -> None:
    options = ("--size", "48", "--columns", "image=file,label=text", "--ignore-case", "--skip-bad")
    done = inspect(receipts, *options)
    assert done.returncode == 0, done.stderr
    assert "read at 48 px high" in done.stdout
    command = shlex.split(done.stdout.splitlines()[-1])
    begin = ["python", "-m", "search.run", "--space", "crnn", "--data", str(receipts)]
    assert command[: len(begin)] == begin
    assert sorted(command[len(begin) :]) == sorted(options)


def test_json_says_the_same(receipts: Path, inspect: Callable[..., Done]) -> None:
    found = json.loads(inspect(receipts, "--json").stdout)
    assert found["num_images"] == 122 == sum(found["lengths"].values())
    assert [own[2:] for own in found["contradictions"]] == [["wrong.png", "77.77"]]
    assert (found["num_groups"], found["largest_group"]) == (24, 6)
    assert len(found["widths"]) > 2
    assert sum(part["images"] for part in found["split"].values()) == 122
    assert sum(part["groups"] for part in found["split"].values()) == 24
    assert found["split"]["train"]["units"] == found["split"]["train"]["groups"]
    assert found["generated"]["kind"] == "printed lines"
    assert list(found["symbols"].values()) == sorted(found["symbols"].values())
    crnn = found["readers"][0]
    assert [cut["value"] for cut in crnn["cuts"]] == [5, 6, 7, 8]
    narrow, wide = crnn["cuts"][0]["columns"]
    assert narrow < wide
    for cut in crnn["cuts"]:
        assert bool(cut["why_not"]) == (cut["least"] < 1)
    assert crnn["cuts"][-1]["why_not"]


def test_the_page_is_whole_and_shows_forty_images(
    receipts: Path, tmp_path: Path, inspect: Callable[..., Done]
) -> None:
    file = tmp_path / "page.html"
    done = inspect(receipts, "--html", file)
    assert done.stderr.startswith(f"wrote {file} (")
    page = file.read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in pictures]
    # Two that look alike, eight that are generated, and three with their columns.
    assert len(sizes) == 40 + 2 + 8 + 3
    generated = re.findall(r'alt="generated image of ([^"]+)"', page)
    assert len(generated) == 8
    assert all(re.fullmatch(r"\d+\.\d\d", label) for label in generated), generated
    assert max(width for width, _ in sizes[:40]) > 2 * min(width for width, _ in sizes[:40])
    assert all(height == 50 for _, height in sizes[:40])
    assert page.count("narrow: ") == page.count("wide: ") == 8
    assert "wrong.png</span></td><td><code>77.77</code></td>" in page
    assert "--space crnn --data &#39;" in page


def test_images_of_one_size_with_markup_in_their_labels(
    tmp_path: Path, inspect: Callable[..., Done]
) -> None:
    labels = [f"<b>{i:02d}é" for i in range(60)]
    images = {f"p{i * i}q.png": (picture("12345", i), label, "") for i, label in enumerate(labels)}
    images |= {"one.png": (Image.new("L", images["p0q.png"][0].size, 200), "<b>", "")}
    place, file = folder_of(tmp_path / "set", images), tmp_path / "page.html"
    done = inspect(place, "--html", file)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "squeezed" in text
    assert "WARNING 1 image has one colour only: one.png" in text
    page = file.read_text(encoding="utf-8")
    assert "&lt;b&gt;07é" in page
    assert "<b>" not in page


def test_too_few_images_are_shown_and_not_split(
    tmp_path: Path, inspect: Callable[..., Done]
) -> None:
    images = {f"{word}.png": (picture(word), word, "") for word in ("ab", "cd", "ef")}
    place, file = folder_of(tmp_path / "set", images), tmp_path / "page.html"
    done = inspect(place, "--html", file)
    assert done.returncode == 0, done.stderr
    assert "split       none: too few images: of 3" in done.stdout
    page = file.read_text(encoding="utf-8")
    assert "too few images" in page
    assert "Generated images" not in page


def test_what_cannot_be_printed_has_nothing_generated(
    tmp_path: Path, inspect: Callable[..., Done]
) -> None:
    images = {f"{i}.png": (picture(f"{i:03d}", i), f"京{chr(0x6CAA + i)}", "") for i in range(30)}
    place, file = folder_of(tmp_path / "set", images), tmp_path / "page.html"
    done = inspect(place, "--html", file)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "generated none (the generator has no face with all these symbols" in text
    page = file.read_text(encoding="utf-8")
    assert "given none (the generator has no face" in page
    assert "generated image of" not in page


def test_wrong_input_is_one_line(tmp_path: Path, inspect: Callable[..., Done]) -> None:
    for arguments in ((tmp_path / "none",), (tmp_path, "--html", tmp_path / "no" / "page.html")):
        done = inspect(*arguments)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")


def test_the_first_lines_of_a_search_say_the_same_in_short(receipts: Path) -> None:
    said = "\n".join(remarks(read_images(receipts)))
    assert "24 groups, each on one side" in said
    assert "2 pairs of images look alike (again.png = crop-3x.png" in said
    assert "of these 1 pair has two labels" in said
    assert "each stays on one side of the split" in said


def test_a_split_of_ones_own_that_parts_what_belongs_together_is_told(receipts: Path) -> None:
    images = read_images(receipts)
    parts = tuple("test" if name == "again.png" else "train" for name in images.names)
    said = "\n".join(remarks(replace(images, parts=parts)))
    assert "1 of them on two sides of your split, which flatters" in said
    assert "24 groups, 1 of them on two sides of your split" in said
    assert "one side" not in said
