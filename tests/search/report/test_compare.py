"""Comparison of two runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from search.report.compare import compare
from search.report.compare_page import compare_page
from search.report.report import Report
from tests.search.report import runs
from tests.search.report.test_page import data_of


def both(one: Path, two: Path) -> dict[str, Any]:
    found = compare((Report.of(one), Report.of(two)))
    json.dumps(found, allow_nan=False)
    return found


def test_settings_that_differ_cost_and_no_winner_within_the_intervals(tmp_path: Path) -> None:
    found = both(runs.write(tmp_path / "a"), runs.write(tmp_path / "b", trials=9, seed=7))
    assert found["same_images"]
    assert found["same_split"]
    assert found["settings"] == {"seed": [0, 7]}
    assert [part["trials"] for part in found["cost"]] == [5, 9]
    assert found["spaces"]["crnn"]["winner"] is None
    assert found["spaces"]["crnn"]["best"][1]["trial"] == "crnn-006"


def test_other_images_are_reported_and_nobody_wins(tmp_path: Path) -> None:
    one, two = runs.write(tmp_path / "a"), runs.write(tmp_path / "b", names=("pooled",))
    run = json.loads((two / "run.json").read_text())
    run["data"]["digest"] = "e" * 64
    (two / "run.json").write_text(json.dumps(run))
    found = both(one, two)
    assert not found["same_images"]
    assert found["caveats"][0].startswith("other images (digest dddddddddddd, eeeeeeeeeeee)")
    assert set(found["spaces"]) == {"crnn", "pooled"}
    assert all(one["winner"] is None for one in found["spaces"].values())


def better(one: Path, two: Path) -> None:
    """Two runs, of which the second's trials have a thousandth of the NLL on each image."""
    runs.write(one)
    runs.write(two)
    text = (two / "predictions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in text]
    for row in rows[1:]:
        row["nlls"] = [value / 1000 for value in row["nlls"]]
    (two / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    epochs = (two / "epochs.jsonl").read_text().replace('"valid_nll": 0.', '"valid_nll": 0.0')
    (two / "epochs.jsonl").write_text(epochs)


def test_a_run_that_is_better_on_the_same_images_wins(tmp_path: Path) -> None:
    one, two = tmp_path / "a", tmp_path / "b"
    better(one, two)
    found = both(one, two)["spaces"]["crnn"]
    assert found["winner"] == 1
    # The NLLs of eight images are 0.01 to 0.08 in A.
    assert found["lower"]["mean"] == pytest.approx(0.045 * 0.999)
    assert found["says"].startswith("B is better: B's NLL is 0.0450 nats lower, 95 % 0.0245 to ")
    assert found["says"].endswith(" over the same 8 images of one training each")
    turned = both(two, one)["spaces"]["crnn"]
    assert turned["winner"] == 0
    assert turned["says"] == found["says"].replace("B", "A")


def test_without_predictions_nothing_is_told(tmp_path: Path) -> None:
    found = both(runs.write(tmp_path / "a"), runs.write(tmp_path / "b", images=False))
    assert found["spaces"]["crnn"]["says"].startswith("cannot be told: the predictions of both")


def test_the_page_of_both_has_their_figures_and_its_own_scripts_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "a", runs.write(tmp_path / "<b>", names=("crnn", "pooled"), seed=3)
    runs.write(one)
    reports = (Report.of(one), Report.of(two))
    found = compare(reports)
    text = compare_page(reports, found)
    assert text.count("<script") == 3
    assert "<h1>a and &lt;b&gt;</h1>" in text
    assert "connect-src" not in text
    for space in ("crnn", "pooled"):
        assert found["spaces"][space]["says"].replace("'", "&#39;") in text
    figures = data_of(text)["figures"]
    assert [trace["name"] for trace in figures["curves-crnn"]["traces"]] == [
        "A: crnn-004, validation", "A: crnn-004, training",
        "B: crnn-004, validation", "B: crnn-004, training",
    ]  # fmt: skip
    assert figures["curves-crnn"]["layout"]["xaxis"]["dtick"] == 1
    assert {row[0] for row in figures["curves-pooled"]["rows"]} == {"B"}
    assert "no trial of A is completed" in text


@pytest.mark.slow
def test_a_browser_shows_the_page_of_both(chromium: Any, tmp_path: Path) -> None:
    better(tmp_path / "a", tmp_path / "b")
    reports = (Report.of(tmp_path / "a"), Report.of(tmp_path / "b"))
    file = tmp_path / "both.html"
    file.write_text(compare_page(reports, compare(reports)), encoding="utf-8")
    complaints: list[str] = []
    tab = chromium.new_page(viewport={"width": 390, "height": 800})
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(file.as_uri())
    tab.wait_for_selector("html[data-drawn=all]", timeout=60_000)
    assert tab.locator("#figure-curves-crnn .scatterlayer .js-line").count() == 4
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()
    assert complaints == []
