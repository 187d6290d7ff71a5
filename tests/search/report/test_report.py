"""The report's data: trials, stages, cost, importance, recognition errors, advice."""

import io
import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from search.report.misread import NOTHING, calibration, confusions
from search.report.report import Report
from search.report.terminal import show
from search.report.trials import trial_table
from tests.search.report import runs


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("runs") / "r", names=("crnn", "pooled"))


@pytest.fixture(scope="module")
def found(path: Path) -> Report:
    return Report.of(path)


def test_rows_have_ranks_intervals_seeds_and_cost(found: Report) -> None:
    board = found.boards["crnn"]
    assert [row["trial"] for row in board[:3]] == ["crnn-004", "crnn-001", "crnn-000"]
    assert [row["rank"] for row in board] == [1, 2, 3, 4, 5]
    first = board[0]
    assert all(row["nll_low"] >= 0 for row in board if row["nll_low"] is not None)
    assert first["nll_low"] < first["valid_nll"] or first["nll_low"] < 0.05 < first["nll_high"]
    assert first["exact_match_low"] < first["valid_exact_match"] < first["exact_match_high"]
    assert (first["seed"], first["seconds"], first["num_misread"], first["num_images"]) == (
        4,
        120.0,
        2,
        8,
    )
    failed = next(row for row in board if row["state"] == "failed")
    assert (failed["nll_low"], failed["error"]) == (None, "RuntimeError: no")


def test_the_error_rate_of_an_old_run_comes_from_its_predictions(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "r", names=("pooled",))
    text = (path / "epochs.jsonl").read_text()
    (path / "epochs.jsonl").write_text(text.replace('"valid_cer"', '"other"'))
    board = Report.of(path).boards["pooled"]
    # Two of eight labels of five characters are misread, one character each.
    assert {row["trial"]: row["valid_cer"] for row in board[:2]} == {
        "pooled-004": 2 / 40,
        "pooled-001": 1 / 40,
    }
    out = Console(file=io.StringIO(), width=100)
    show(Report.of(path), 10, out)
    assert "5.00 %" in out.file.getvalue()  # type: ignore[attr-defined]
    assert "position-wise" in out.file.getvalue()  # type: ignore[attr-defined]


def test_stages_and_cost_add_up(found: Report) -> None:
    assert found.stages["pooled"] == {
        "tried": 5, "stopped": 1, "failed": 1, "unfinished": 0, "completed": 3, "retrained": 0,
        "tested": 0,
    }  # fmt: skip
    assert found.cost["completed"]["seconds"] == 2 * 3 * 120.0
    assert found.cost["stopped"]["seconds"] == 2 * 60.0
    assert found.cost["completed"]["gpu_seconds"] == 2 * 3 * 60.0
    assert found.cost["completed"]["money"] == 2 * 3 * 0.25
    assert found.cost["stopped"]["money"] == 0.0
    assert sum(part["share"] for part in found.cost.values()) == pytest.approx(1)
    assert sum(part["trials"] for part in found.cost.values()) == 10


def points_of(path: Path, values: Callable[[int], float], trials: int) -> Path:
    """A run whose trials differ in learning rate and dropout, with such an NLL by their number."""
    runs.write(path, trials=trials, epochs=1, states=("completed",), images=False)
    for name in ("trials", "epochs"):
        lines = (path / f"{name}.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        for row in rows[1:]:
            number = int(row["trial"].rpartition("-")[2])
            if name == "epochs":
                row["valid_nll"] = values(number)
            else:
                row["config"]["lr"] = 1e-2 * 0.9**number
                row["config"]["dropout"] = 0.05 * (number * 7 % 10)
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_importance_finds_the_parameter_that_decides(tmp_path: Path) -> None:
    """NLL falls by a cliff, and lies with the learning rate, not with dropout."""
    path = points_of(tmp_path / "r", lambda n: (9.0 if n < 12 else 0.3) + 0.01 * (n * 5 % 7), 28)
    found = Report.of(path).importance["crnn"]
    assert (found["num_trials"], found["note"]) == (28, None)
    assert found["telling"] == ["lr"]
    # The fewer parameters there are, the more of it falls to one by chance.
    assert found["shares"]["lr"] > found["chance"] > found["shares"]["dropout"]
    assert found["shares"]["lr"] > 0.8


def test_trials_that_differ_by_chance_cannot_tell_what_matters(tmp_path: Path) -> None:
    rng = random.Random(5)
    path = points_of(tmp_path / "r", lambda n: math.exp(rng.gauss(0, 1)), 28)
    found = Report.of(path).importance["crnn"]
    assert found["telling"] == []
    assert "28 trials cannot tell which parameter matters" in found["note"]


def test_importance_of_few_trials_is_not_computed(tmp_path: Path) -> None:
    text = Report.of(runs.write(tmp_path / "r", trials=3)).importance["crnn"]
    assert text["shares"] == {}
    assert "too few" in text["note"]


def test_confusions_align_texts_of_unequal_length(found: Report) -> None:
    pairs = confusions(found.run, ["crnn-000", "crnn-001", "crnn-004"])
    assert pairs == {("c", "o"): 3, ("b", NOTHING): 2}


def test_the_hardest_images_come_first(found: Report) -> None:
    first, second = found.misread_images
    assert (first["label"], first["image"], first["num_misread"]) == ("8g4dc", "image2.png", 6)
    assert first["num_trials"] == 6
    assert first["predictions"][0] == {
        "trial": "crnn-004",
        "prediction": "8g4do",
        "confidence": 0.97,
        "edits": 1,
    }
    assert (second["label"], second["num_misread"]) == ("yx6nb", 4)


def test_calibration_counts_every_image_once(found: Report) -> None:
    text = calibration(found.run, "crnn-004")
    assert sum(one["num_images"] for one in text["bins"]) == 8
    right = sum(one["share"] * one["num_images"] for one in text["bins"])
    assert right == pytest.approx(6)
    assert all(one["low"] <= one["share"] <= one["high"] for one in text["bins"])


def test_the_object_of_json_has_every_part(found: Report) -> None:
    text = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(text["analysis"]) == {
        "next", "notes", "stages", "cost", "importance", "gain", "trials", "confirmed", "misread",
        "calibration", "test_set_evaluations", "reproduce",
    }  # fmt: skip
    assert text["analysis"]["notes"] == []
    assert text["spaces"]["crnn"]["trials"]["completed"] == 3


def test_the_table_has_a_row_per_trial_with_its_parameters(found: Report) -> None:
    table = trial_table(found.boards)
    assert len(table) == 10
    assert {"trial", "valid_nll", "nll_low", "seed", "config/lr", "error"} <= set(table.columns)
    assert not {"confirmed", "beams", "config"} & set(table.columns)
