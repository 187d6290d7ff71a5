"""The page of label errors: what is decided on it is what its file of corrections says."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captcha_models.data.images import LabelledImages
from search.confirmation.label_errors import LabelErrors, Reading, judged
from search.report.label_page import MOST, label_page

EVIL = "\"></li><script>alert(1)</script>, '{{ 7 * 7 }}'"
READ = ("7", "0012", EVIL, " 5 ", "")


def images() -> LabelledImages:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 24, 64), dtype=np.uint8)
    names = ("a.png", "b/b, c.png", f"{EVIL}.png".replace("/", "-"), "d.png", "e.png", "f.png")
    return LabelledImages(names, ("1", "0013", "2", "3", "4", "5"), pixels, f"folder {EVIL}")


def errors(shown: LabelledImages) -> LabelErrors:
    found = [
        judged(name, label, (Reading("crnn-001", read, 9.0, 0.9),))
        for name, label, read in zip(shown.names, shown.labels, READ, strict=False)
    ]
    return LabelErrors(tuple(found), 6, 6, {"crnn-001": 3}, (f"a note {EVIL}",))


def written() -> str:
    shown = images()
    again = "python -m search.run --corrections c"
    before = {"old, 1.png": "77", "e.png": "44"}
    return label_page(errors(shown), shown, Path("runs/r"), again, before)


def test_what_the_images_say_is_text_and_nothing_is_asked_for() -> None:
    text = written()
    assert text.count("<script") == 1
    assert "{{ 7 * 7 }}" in text
    assert "<script>alert" not in text
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.search(r'(src|href)="(?!#|data:)', markup)
    assert text.count('src="data:image/png;base64,') == len(READ)


def test_a_page_without_a_doubt_and_one_with_too_many() -> None:
    shown = images()
    none = LabelErrors((), 6, 6, {"crnn-001": 3}, ())
    assert "no label is contradicted" in label_page(none, shown, Path("r"), "again")
    one = judged("a.png", "1", (Reading("crnn-001", "7", 9.0, None),))
    many = label_page(
        LabelErrors((one,) * (MOST + 1), 6, 6, {"crnn-001": 3}, ()), shown, Path("r"), "again"
    )
    assert many.count("<img ") == MOST
    assert f"The first {MOST} of {MOST + 1}" in many


@pytest.fixture
def tab(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """The page in a browser; at the end nothing may have been complained of."""
    file = tmp_path / "labels.html"
    file.write_text(written(), encoding="utf-8")
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    yield page
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    context.close()
    assert complaints == []


@pytest.mark.slow
def test_decisions_are_saved_as_corrections_and_all_else_stays(tab: Any) -> None:
    items = tab.locator(".gallery > li")
    assert tab.locator("#save").is_disabled()
    for place in (1, 2, 3):
        items.nth(place).locator("[data-do=accept]").click()
    items.nth(0).locator("[data-do=leave]").click()
    items.nth(3).locator("[data-do=keep]").click()  # Thought better of.
    assert items.nth(4).locator("[data-do=accept]").count() == 0  # Nothing was read.
    items.nth(4).locator("input").fill("é4")
    assert tab.text_content("#count") == "3 corrected, 1 left out"
    with tab.expect_download() as download:
        tab.locator("#save").click()
    assert download.value.suggested_filename == "corrections.csv"
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = images().names
    assert rows == [
        {"image": "old, 1.png", "label": "77"},
        {"image": names[4], "label": "é4"},
        {"image": names[0], "label": ""},
        {"image": names[1], "label": "0012"},
        {"image": names[2], "label": EVIL},
    ]
