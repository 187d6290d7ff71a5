"""Damaged run folders and model files: what can be read is, the rest is one line of error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captcha_models.errors import InputError
from captcha_models.training.checkpoint import load_model, read_tensors, write_tensors
from search.report.page import page
from search.report.report import Report
from search.store.jsonl import Table
from search.store.leaderboard import leaderboard, summary
from search.store.records import read_run, whole
from tests.fuzz._inputs import TRIED, damaged, fuzz
from tests.search.report import runs

pytestmark = pytest.mark.slow

FILES = ("run.json", "trials.jsonl", "epochs.jsonl", "predictions.jsonl", "valid.json")

words = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("whole") / "run", images=True)


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def assert_read(path: Path, kind: str) -> None:
    """Both readers give figures or an InputError, and write nothing."""
    TRIED[kind] += 1
    before = snapshot(path)
    for reader in (_strictly, _leniently):
        try:
            with whole(path):  # As the commands do.
                reader(path)
        except InputError as error:
            assert "\n" not in str(error)
    assert snapshot(path) == before


def _strictly(path: Path) -> None:
    records = read_run(path)
    json.dumps(summary(records), allow_nan=False)
    for space in records.run["spaces"]:
        leaderboard(records, space)


def _leniently(path: Path) -> None:
    found = Report.of(path)
    json.dumps(found.to_json(), allow_nan=False)
    page(found)


@fuzz
@given(data=st.data(), name=st.sampled_from(FILES))
def test_damaged_files_of_a_run(
    good: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(good, path)
    (path / name).write_bytes(data.draw(damaged((good / name).read_bytes())))
    assert_read(path, "damaged files of a run")
    shutil.rmtree(path.parent)


@fuzz
@given(data=st.data(), name=st.sampled_from(FILES))
def test_values_of_another_kind_in_a_run(
    good: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    path = tmp_path_factory.mktemp("other") / "run"
    shutil.copytree(good, path)
    lines = (path / name).read_text().splitlines()
    place = 0 if name.endswith(".json") else data.draw(st.integers(0, len(lines) - 1))
    row: Any = json.loads((path / name).read_text() if name.endswith(".json") else lines[place])
    part, keys = row, []
    while isinstance(part, dict) and part and (not keys or data.draw(st.booleans())):
        keys.append(data.draw(st.sampled_from(sorted(part))))
        part = part[keys[-1]]
    part = row
    for key in keys[:-1]:
        part = part[key]
    if data.draw(st.booleans()):
        part[keys[-1]] = data.draw(values)
    else:
        del part[keys[-1]]
    if name.endswith(".json"):
        (path / name).write_text(json.dumps(row))
    else:
        lines[place] = json.dumps(row)
        (path / name).write_text("\n".join(lines) + "\n")
    assert_read(path, "values of another kind in a run")
    shutil.rmtree(path.parent)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    write_tensors(
        file, {"a": torch.ones(3, 2), "b": torch.zeros(())}, {"format": 2, "arch": "crnn"}
    )
    return file


@fuzz
@given(data=st.data())
def test_damaged_model_files(model: Path, data: st.DataObject) -> None:
    TRIED["damaged model files"] += 1
    file = model.with_name("damaged.safetensors")
    file.write_bytes(data.draw(damaged(model.read_bytes()) | st.binary(max_size=100)))
    readers: tuple[Callable[[Path], object], ...] = (read_tensors, load_model)
    for reader in readers:
        try:
            reader(file)
        except InputError as error:
            assert "\n" not in str(error)


@fuzz
@given(data=st.data())
def test_damaged_tables_are_written_on(
    good: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever the damage: rows that are appended stand as they are, on lines of their own."""
    TRIED["damaged tables, written on"] += 1
    file = tmp_path_factory.mktemp("table") / "trials.jsonl"
    file.write_bytes(data.draw(damaged((good / "trials.jsonl").read_bytes())))
    with Table(file) as table:
        table.append({"trial": "new"})
    assert json.loads(file.read_bytes().splitlines()[-1]) == {"trial": "new"}
