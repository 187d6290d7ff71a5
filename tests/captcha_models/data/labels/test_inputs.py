"""Inputs of every kind: what is said, the exit code, and which labels are read."""

import unicodedata
from pathlib import Path

import pytest

from tests.captcha_models.data.labels.inputs import BAD, CASES, GOOD, SCORED, Case, outcome

PAGE = Path(__file__).parents[4] / "docs" / "inputs.md"


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_what_is_good_is_read(case: Case, tmp_path: Path) -> None:
    found = outcome(case, tmp_path)
    assert found.code == 0, found.text
    images = found.images
    assert images is not None
    assert case.labels is not None
    got = dict(zip(images.names, images.labels, strict=True))
    assert got == dict(case.labels)
    assert all(unicodedata.is_normalized("NFC", label) for label in images.labels)
    assert case.check(images)
    said = " ".join((" ".join(found.text.split()), images.describe(), *images.notes))
    for part in case.says:
        assert part in said


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_what_is_bad_is_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    found = outcome(case, tmp_path)
    assert found.code == 2, found.text
    assert found.text.startswith("error: ")
    assert found.text.count("\n") == 1
    for part in case.says:
        assert part in found.text


@pytest.mark.parametrize("case", SCORED, ids=lambda case: case.name)
def test_what_a_model_is_scored_on(case: Case, tmp_path: Path) -> None:
    found = outcome(case, tmp_path)
    assert found.code == case.code, found.text
    for part in case.says:
        assert part in found.text


def test_the_page_has_every_input() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| {case.name} |" in text for case in CASES)
    assert len({case.name for case in CASES}) == len(CASES) > 40
