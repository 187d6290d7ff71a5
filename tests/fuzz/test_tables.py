"""Tables and names of any kind: a listing with sound labels, or an InputError of one line."""

import csv
import io
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captcha_models.data.labels.listing import Listing, list_images
from captcha_models.data.labels.pattern import NamePattern
from captcha_models.data.labels.rules import LabelRules
from captcha_models.data.labels.suspicious import suspicion
from captcha_models.data.labels.tables import read_table
from captcha_models.errors import InputError
from tests.captcha_models.data.labels.inputs import info_zipped, unmarked, zipped
from tests.fuzz._inputs import TRIED, damaged, fuzz, names

pytestmark = pytest.mark.slow

LABELS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12
).filter(lambda text: text.strip() == text and unicodedata.is_normalized("NFC", text))
"""Texts that an image can show."""
IMAGES = tuple(f"{name}.png" for name in ("a", "b c", "d", "e,f", "g;h", "ß"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are called like images; a listing does not look into them."""
    place = tmp_path_factory.mktemp("tables") / "set"
    place.mkdir()
    for name in IMAGES:
        (place / name).write_bytes(b"no image")
    return place


def assert_listed(place: Path, kind: str, rules: LabelRules | None = None) -> Listing | None:
    """What was listed, if anything."""
    TRIED[kind] += 1
    try:
        found = list_images(place, rules or LabelRules())
    except InputError as error:
        assert "\n" not in str(error)
        return None
    paths = [item.path for item in found.items]
    assert paths == sorted(set(paths))
    for item in found.items:
        assert item.part in ("", "train", "valid", "test")
        assert unicodedata.is_normalized("NFC", item.label)
    assert all("\n" not in note for note in (found.layout, *found.notes))
    return found


def written(rows: list[tuple[str, str]], kind: str) -> bytes:
    """A table as good programs write it."""
    if kind == "json":
        text = "".join(json.dumps({"image": p, "label": t}) + "\n" for p, t in rows)
        return text.encode()
    file = io.StringIO()
    delimiter = {"csv": ",", "tsv": "\t", "semicolon": ";"}[kind.partition("-")[0]]
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([("image", "label"), *rows])
    return file.getvalue().encode("utf-16" if kind.endswith("16") else "utf-8")


@fuzz
@given(
    labels=st.lists(LABELS, min_size=len(IMAGES), max_size=len(IMAGES)),
    kind=st.sampled_from(["csv", "tsv", "semicolon", "json", "csv-16", "tsv-16"]),
)
def test_labels_come_back_as_they_were_written(folder: Path, labels: list[str], kind: str) -> None:
    table = folder.parent / ("t.jsonl" if kind == "json" else "t.csv")
    table.write_bytes(written(list(zip(IMAGES, labels, strict=True)), kind))
    found = assert_listed(folder, "whole tables", LabelRules(labels=str(table)))
    assert found is not None
    assert {item.path: item.label for item in found.items} == dict(zip(IMAGES, labels, strict=True))


@fuzz
@given(labels=st.lists(LABELS, min_size=len(IMAGES), max_size=len(IMAGES)), tab=st.booleans())
def test_plain_lines_come_back_as_they_were_written(
    folder: Path, labels: list[str], tab: bool
) -> None:
    table = folder.parent / "rec_gt.txt"
    between = "\t" if tab else " "
    lines = [f"{path}{between}{label}" for path, label in zip(IMAGES, labels, strict=True)]
    table.write_bytes("\n".join(lines).encode())
    found = assert_listed(folder, "plain lines", LabelRules(labels=str(table)))
    assert found is not None
    assert {item.path: item.label for item in found.items} == dict(zip(IMAGES, labels, strict=True))


GOOD = written([(name, str(i)) for i, name in enumerate(IMAGES)], "csv")


@fuzz
@given(
    data=st.one_of(
        damaged(GOOD),
        damaged(written([(name, "x y") for name in IMAGES], "tsv")),
        damaged(written([(name, "7") for name in IMAGES], "json")),
        damaged(written([(name, "7") for name in IMAGES], "csv-16")),
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
    ),
    inside=st.booleans(),
)
def test_damaged_tables(folder: Path, data: bytes, inside: bool) -> None:
    table = (folder if inside else folder.parent) / "labels.csv"
    table.write_bytes(data)
    try:
        assert_listed(folder, "damaged tables")
    finally:
        table.unlink()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(IMAGES),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["image", "label", "text", "data_list", "instances", "img_path", "images"])
        | st.text(max_size=5),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@fuzz
@given(json_values)
def test_any_json(value: object) -> None:
    TRIED["JSON"] += 1
    try:
        table = read_table(json.dumps(value).encode(), "labels.json", lambda cell: cell in IMAGES)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert table is None or all(len(row) == table.width for row in table.rows)


@fuzz
@given(cells=st.lists(st.lists(
    st.sampled_from([*IMAGES, "image", "label", "text", "split", "train", "group", "", "1"])
    | st.text(max_size=6), min_size=1, max_size=5), min_size=1, max_size=8,
), columns=st.dictionaries(st.sampled_from(["image", "label", "group", "split"]),
    st.sampled_from(["image", "label", "text", "1", "2", "x"]), max_size=2))  # fmt: skip
def test_tables_of_any_columns(
    folder: Path, cells: list[list[str]], columns: dict[str, str]
) -> None:
    file = io.StringIO()
    csv.writer(file).writerows(cells)
    table = folder.parent / "any.csv"
    try:
        table.write_bytes(file.getvalue().encode())
        rules = LabelRules.parse({"labels": str(table), "columns": columns})
    except (InputError, UnicodeEncodeError):
        return
    assert_listed(folder, "tables of any columns", rules)


paths = st.lists(names, min_size=1, max_size=3).map("/".join)


@fuzz
@given(
    found=st.lists(paths, min_size=1, max_size=6, unique=True),
    rule=st.sampled_from(["auto", "stem", "folder", "{label}_{number}", "{any}{label}[.png]"]),
    fold=st.booleans(),
    mark=st.booleans(),
)
def test_archives_of_any_paths(
    tmp_path_factory: pytest.TempPathFactory, found: list[str], rule: str, fold: bool, mark: bool
) -> None:
    place = tmp_path_factory.mktemp("paths") / "a.zip"
    members = {f"{path}.png": b"x" for path in found}
    try:
        place.write_bytes(zipped(members) if mark else unmarked(members))
    except (UnicodeEncodeError, ValueError):
        return
    assert_listed(place, "archives of any paths", LabelRules(labels=rule, ignore_case=fold))
    place.unlink()


suspects = st.from_regex(r"\A(img_|IMG|w1_|)[0-9a-f]{0,20}( \([0-9]\)|_copy|\.png|_[0-9]+|)\Z")


@fuzz
@given(st.lists(st.one_of(names, suspects), max_size=30))
def test_names_of_any_kind(found: list[str]) -> None:
    TRIED["names"] += 1
    text = suspicion([f"{name}.png" for name in found if "/" not in name])
    assert "\n" not in text


@fuzz
@given(damaged(info_zipped("öb.png", "日.png")))
def test_damaged_names_in_an_extra_field(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    place = tmp_path_factory.mktemp("extra") / "a.zip"
    place.write_bytes(data)
    found = assert_listed(place, "damaged extra fields", LabelRules(labels="stem"))
    assert not found or not any(".." in item.path.split("/") for item in found.items)
    place.unlink()


@fuzz
@given(
    length=st.integers(3, 8),
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(3, 400),
    symbols=st.sampled_from(["0123456789", "2345678bcdefgmnpwxy", "0123456789abcdef", "abcXYZ9"]),
)
def test_labels_by_chance_are_not_suspicious(
    length: int, seed: int, number: int, symbols: str
) -> None:
    """As long as they are few of all that there could be."""
    import numpy as np

    TRIED["labels by chance"] += 1
    number = min(number, len(symbols) ** length // 4)
    rng = np.random.default_rng(seed)
    drawn = {"".join(rng.choice(list(symbols), length)) for _ in range(number)}
    assert suspicion([f"{label}.png" for label in sorted(drawn)]) == ""


@fuzz
@given(text=st.text(st.sampled_from("{}[]*_-/ab1.labelnumberany"), max_size=30) | st.lists(
    st.sampled_from(["{label}", "{number}", "{any}", "*", "{group}", "_", "-", "/", "[", "]", "x"]),
    max_size=8).map("".join), path=paths)  # fmt: skip
def test_patterns(text: str, path: str) -> None:
    TRIED["patterns"] += 1
    try:
        pattern = NamePattern.of(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    read = pattern.read(path)
    assert read is None or (read[0] and read[0] in path)
