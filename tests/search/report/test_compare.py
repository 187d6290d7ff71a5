"""Comparison of two runs."""

import json
from pathlib import Path
from typing import Any

from search.report.compare import compare
from search.report.report import Report
from tests.search.report import runs


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


def test_a_run_whose_interval_lies_below_wins(tmp_path: Path) -> None:
    one, two = runs.write(tmp_path / "a"), runs.write(tmp_path / "b")
    text = (two / "predictions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in text]
    for row in rows[1:]:
        row["nlls"] = [value / 1000 for value in row["nlls"]]
    (two / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    epochs = (two / "epochs.jsonl").read_text().replace('"valid_nll": 0.', '"valid_nll": 0.0')
    (two / "epochs.jsonl").write_text(epochs)
    assert both(one, two)["spaces"]["crnn"]["winner"] == 1
    assert both(two, one)["spaces"]["crnn"]["winner"] == 0
