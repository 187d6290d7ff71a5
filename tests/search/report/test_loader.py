"""Run folders loaded for a report: confirmations of either form, and damage of all kinds."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from search.report.report import Report
from search.report.terminal import show
from search.store.jsonl import read_table
from search.store.listed import name_of
from search.store.predictions import keep_predictions
from search.store.run_folder import RunFolder
from tests.search.report import runs

RECORDED = Path(__file__).parents[3] / "results" / "crnn-real"


def test_the_recorded_search_on_real_images_is_read_with_its_confirmation() -> None:
    found = Report.of(RECORDED)
    assert found.run.notes == ()
    assert found.stages["crnn"]["retrained"] == 4
    assert "baseline" in found.confirmed["crnn"]
    assert found.confirmed["crnn"]["crnn-014"]["num_fits"] == 5
    assert found.confirmed["crnn"]["crnn-014"]["chosen"]
    assert 0 < found.confirmed["crnn"]["crnn-014"]["cer"] < 0.02
    assert found.calibration == {}
    assert found.advice.startswith("crnn-014 is confirmed, not yet tested")


def test_a_confirmation_that_is_not_complete_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "crnn-real"
    shutil.copytree(RECORDED, path)
    (path / "confirmed" / "crnn.json").unlink()
    lines = (path / "confirmed" / "fits.jsonl").read_text().splitlines(keepends=True)
    (path / "confirmed" / "fits.jsonl").write_text("".join(lines[:7]))
    found = Report.of(path)
    assert sum(one["num_fits"] for one in found.confirmed["crnn"].values()) == 6
    assert all(one["chosen"] is None for one in found.confirmed["crnn"].values())
    assert f"; continue it:\n  python -m search.confirm {path}" in found.advice


def test_a_confirmation_says_the_same_in_either_form(tmp_path: Path) -> None:
    path = tmp_path / "crnn-real"
    shutil.copytree(RECORDED, path)
    before = Report.of(path)
    table = path / "confirmed" / "fits.jsonl"
    rows = [row for row in read_table(table) if row["error"] is None]
    table.unlink()
    assert Report.of(path).confirmed == {}
    trial = ("config", "seed", "key", "arch", "fold", "folds", "split_seed", "limit_train",
             "all_images")  # fmt: skip
    costs = ("temperature", "images_seen", "seconds", "device")
    with RunFolder.create(path / "confirmed" / "fits", runs.run_json()) as folder:
        for number, row in enumerate(rows):
            name, epoch = name_of(row["key"]), row["epochs"]
            folder.add_trial(
                trial=name, space="list", state="running", number=number, baseline=False,
                title=row["name"], **{k: row[k] for k in trial},
            )  # fmt: skip
            folder.add_epoch(trial=name, epoch=epoch, **{k: row[k] for k in costs})
            others = {k: v for k, v in row.items() if k not in (*trial, *costs, "name", "epochs")}
            keep_predictions(folder.path, name, epoch, others, None)
            folder.end_trial(name, "completed")
    after = Report.of(path)
    assert after.confirmed == before.confirmed
    assert (after.stages, after.advice) == (before.stages, before.advice)
    assert after.run.notes == ()


def break_epochs(path: Path) -> None:
    lines = (path / "epochs.jsonl").read_bytes().splitlines(keepends=True)
    lines[3] = b"\x00\xff nonsense\n"
    (path / "epochs.jsonl").write_bytes(b"".join(lines)[:-20])


def without(path: Path, *names: str) -> None:
    run = json.loads((path / "run.json").read_text())
    for name in names:
        del run[name]
    (path / "run.json").write_text(json.dumps(run))


def odd_figures(path: Path) -> None:
    text = (path / "epochs.jsonl").read_text()
    text = text.replace('"gap": 0.', '"gap": NaN, "x": 0.').replace(
        '"seconds": 30.0', '"seconds": "soon"'
    )
    (path / "epochs.jsonl").write_text(text.replace('"images_seen": 24', '"images_seen": Infinity'))


def replaced(path: Path, name: str, old: str, new: str) -> None:
    text = (path / name).read_text()
    assert old in text
    (path / name).write_text(text.replace(old, new, 1))


def uncounted_labels(path: Path) -> None:
    found = json.loads((path / "valid.json").read_text())
    (path / "valid.json").write_text(json.dumps({**found, "labels": found["labels"][:1]}))


def odd_parameters(path: Path) -> None:
    run = json.loads((path / "run.json").read_text())
    ranges = run["spaces"]["crnn"]["space"]["parameters"]
    for name, odd in zip(list(ranges), (0, {"name": [1], "attributes": {}}), strict=False):
        ranges[name] = odd
    (path / "run.json").write_text(json.dumps(run))


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("break_it", "note"),
    [
        (
            lambda p: replaced(p, "epochs.jsonl", '"images_seen": 24', f'"images_seen": {HUGE}'),
            None,
        ),
        (lambda p: replaced(p, "predictions.jsonl", '"nlls": [', f'"nlls": [{HUGE}, '), "damaged"),
        (lambda p: replaced(p, "trials.jsonl", '"lr": ', '"lr": NaN, "x": '), None),
        (lambda p: replaced(p, "trials.jsonl", "RuntimeError: no", "\\ud800\\u001b[2J"), None),
        (uncounted_labels, "valid.json cannot be read"),
        (odd_parameters, None),
        (
            lambda p: (
                (p / "confirmed").mkdir(),
                (p / "confirmed/fits.jsonl").write_text('{"version": 9}\n'),
            ),
            "confirmed/fits.jsonl is of version 9",
        ),
        (break_epochs, "epochs.jsonl: 1 damaged line left out"),
        (lambda p: (p / "epochs.jsonl").unlink(), "epochs.jsonl cannot be read"),
        (lambda p: (p / "trials.jsonl").unlink(), "trials.jsonl cannot be read"),
        (
            lambda p: (p / "predictions.jsonl").write_text('{"version": 1}\nx\n'),
            "predictions.jsonl",
        ),
        (lambda p: (p / "valid.json").write_text("{"), "valid.json cannot be read"),
        (lambda p: without(p, "data", "versions"), "run.json says nothing of data"),
        (odd_figures, None),
        (
            lambda p: ((p / "confirmed").mkdir(), (p / "confirmed/crnn.json").write_text("[]")),
            "confirmed/crnn.json is damaged",
        ),
        (
            lambda p: (p / "trials.jsonl").write_text('{"version": 1}\n{"trial": 3}\n'),
            "a row without a trial's name",
        ),
    ],
)
def test_what_is_damaged_is_noted_and_the_rest_is_shown(
    tmp_path: Path, break_it: Any, note: str | None
) -> None:
    from search.report.page import page

    path = runs.write(tmp_path / "r")
    break_it(path)
    found = Report.of(path)
    notes = " | ".join(found.run.notes)
    assert (note in notes) if note else (notes == "")
    json.dumps(found.to_json(), allow_nan=False)
    assert b"</html>" in page(found).encode()
    show(found, 10, Console(file=(out := io.StringIO()), markup=False))
    assert "\x1b" not in out.getvalue()
