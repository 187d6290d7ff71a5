"""Parts of a listing: patterns, the files that cells mean, columns, and suspicious names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captcha_models.data.image_settings import ImageSettings
from captcha_models.data.labels.columns import find_columns
from captcha_models.data.labels.file_index import FileIndex
from captcha_models.data.labels.listing import list_images
from captcha_models.data.labels.pattern import NamePattern
from captcha_models.data.labels.rules import LabelRules
from captcha_models.data.labels.suspicious import hint, suspicion
from captcha_models.data.labels.tables import read_table
from captcha_models.data.options import as_words, read_chosen
from captcha_models.data.sources import open_images
from captcha_models.errors import InputError
from tests.captcha_models.data.labels.inputs import pictures

READ = [
    ("{label}", "ab.png", ("ab", "")),
    ("{label}_{number}", "a_b_12.png", ("a_b", "")),
    ("{label}{number}", "ab12.png", ("ab", "")),
    ("{number}_{label}", "12_ab.png", ("ab", "")),
    ("{label}-*", "ab-cd-ef.png", ("ab", "")),
    ("*-{label}", "ab-cd-ef.png", ("ef", "")),
    ("{number}_{label}_{number}", "1_ab_2.png", ("ab", "")),
    ("{group}/{label}", "deep/w1/ab.png", ("ab", "w1")),
    ("{label}/{any}", "deep/ab/1.png", ("ab", "")),
    ("{label}[ ({number})]", "ab (3).png", ("ab", "")),
    ("{label}.jpg", "ab.jpg.png", ("ab", "")),
    ("{label}_{number}", "ab.png", None),
    ("{label}/{any}", "ab.png", None),
    ("a.{label}", "axb.png", None),
]


@pytest.mark.parametrize(("pattern", "path", "read"), READ)
def test_a_pattern_reads_a_name(pattern: str, path: str, read: tuple[str, str] | None) -> None:
    assert NamePattern.of(pattern).read(path) == read


@pytest.mark.parametrize(
    "pattern", ["{}", "{label}{label}", "{label", "label}", "[{label}]", "{label}]", "****{label}"]
)
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="labels"):
        LabelRules.parse({"labels": pattern + "*"})


FILES = ("a/1.png", "b/1.png", "b/2.png", "c/deep/x y.JPG", "e\u0301.png")
MEANT = [
    ("a/1.png", "", "a/1.png"),
    ("./a/1.png", "", "a/1.png"),
    ("1.png", "b", "b/1.png"),
    ("../a/1.png", "b", "a/1.png"),
    ("1.png", "", None),
    ("2.png", "", "b/2.png"),
    ("2", "", "b/2.png"),
    ("2.jpg", "", None),
    (r"D:\set\a\1.png", "", "a/1.png"),
    ("/home/someone/b/1.png", "", "b/1.png"),
    ("other/2.png", "", None),
    ("deep/x y.jpg", "", "c/deep/x y.JPG"),
    ("é.png", "", "e\u0301.png"),
    ("", "", None),
    ("a/", "", None),
]


@pytest.mark.parametrize(("cell", "base", "path"), MEANT)
def test_a_cell_means_one_file_or_none(cell: str, base: str, path: str | None) -> None:
    assert FileIndex(FILES).find(cell, base) == path


def test_the_group_is_the_coarsest_column_with_enough_values() -> None:
    header = "file,text,source,writer,page"
    rows = [f"{i}.png,t{i},s{i % 2},w{i // 4},p{i // 2}" for i in range(40)]
    table = read_table("\n".join([header, *rows]).encode(), "l.csv", lambda c: c.endswith(".png"))
    assert table is not None
    columns = find_columns(table, {}, lambda cell: cell.endswith(".png"))
    assert (columns.image, columns.label, columns.group) == (0, 1, 3)
    assert "source has 2 values only" in columns.notes[0]
    assert "columns writer, page may be the group: taken is writer" in columns.notes[1]
    assert find_columns(table, {"group": "page"}, lambda cell: "png" in cell).group == 4


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_numbers_by_chance_are_labels(share: float) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.permutation(10_000)[: int(10_000 * share)].tolist()
    assert suspicion([f"{number:04d}.png" for number in numbers]) == ""
    assert suspicion([f"{number}.png" for number in numbers]) == ""
    assert "only number the files" in hint([f"{number}.png" for number in numbers])
    assert hint([f"{number:04d}.png" for number in numbers]) == ""


@pytest.mark.parametrize("names", [
    ["AB-123", "CD-987", "XY-555", "AB-777"],
    ["12:30", "07:45", "23:59"],
    ["4111111111111111", "5500000000000004", "3400000000000009"],
    ["deadbeef", "cafe", "0ff1ce", "f00d"],
    ["hello", "world", "copy", "test"],
    ["0.00", "1.00", "2.00", "3.50"],
    ["(1)", "(2)", "1"],
    ["x_1"],
])  # fmt: skip
def test_what_could_be_a_label_is_left_alone(names: list[str]) -> None:
    assert suspicion([f"{name}.png" for name in names]) == ""


@pytest.mark.parametrize("names", [
    [f"img{i}" for i in range(4)],
    [f"crop_{i:05d}" for i in (3, 900, 41)],
    [f"{i}" for i in range(1, 200) if i % 17],
    [f"{i:06d}" for i in range(500, 600)],
    [f"page3_line_{i}" for i in range(30)],
    [f"SN{i}" for i in range(100, 140)],
    [f"{1_600_000_000_000 + 1234 * i}" for i in range(5)],
    [f"{i}_{label}" for i, label in enumerate(("ab", "cd", "ef"))],
    [f"{i:032x}" for i in (0xA1 << 120 | 7, 0xB2 << 120 | 9)],
])  # fmt: skip
def test_what_is_no_label_is_noticed(names: list[str]) -> None:
    assert suspicion([f"{name}.png" for name in names])


def test_options_settings_and_typed_words_say_the_same(tmp_path: Path) -> None:
    for name, data in pictures("aB_1.png", "cD_2.png").items():
        (tmp_path / name).write_bytes(data)
    options = {
        "data": str(tmp_path), "labels": "{label}_{number}", "columns": None, "ignore_case": True,
        "corrections": None, "skip_bad": False, "size": "32x64", "synthetic_seed": None,
    }  # fmt: skip
    images = read_chosen(options)
    assert images.labels == ("ab", "cd")
    settings = ImageSettings.parse({k: v for k, v in options.items() if v})
    again = open_images(settings.data, **settings.image_options())
    assert again.digest == images.digest
    assert as_words(options)[2:] == [
        "--labels", "{label}_{number}", "--ignore-case", "--size", "32x64"
    ]  # fmt: skip


def test_rules_of_files_are_refused_for_generated_images() -> None:
    for option in ({"labels": "stem"}, {"columns": "image=a"}, {"corrections": "c.csv"}):
        with pytest.raises(InputError, match="only for images in files"):
            open_images("synthetic:4", **option)


def test_the_real_set_is_read_by_its_names(real_images: Path) -> None:
    listing = list_images(real_images, LabelRules())
    assert len(listing.items) == 936
    assert listing.notes == ()
    assert all(item.path == f"captcha_images_v2/{item.label}.png" for item in listing.items)


def test_corrections_call_images_as_a_run_does(tmp_path: Path) -> None:
    """Below the folder that all share, also where two files have one name."""
    names = ("1.png", "x/1.png", "x/2.png")
    for i, name in enumerate(names):
        file = tmp_path / "data" / "set" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(3000, dtype=np.uint8).reshape(30, 100) + i).save(file)
    table = tmp_path / "data" / "set" / "labels.csv"
    table.write_text("image,label\n1.png,12\nx/1.png,13\nx/2.png,14\n")
    mended = tmp_path / "mended.csv"
    mended.write_text("image,label\n1.png,21\nset/x/1.png,31\nx/2.png,\n")
    images = open_images(str(tmp_path / "data"), corrections=str(mended))
    assert dict(zip(images.names, images.labels, strict=True)) == {"1.png": "21", "x/1.png": "31"}
