"""The report's data: trials, stages, cost, importance, recognition errors, advice."""

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from search.report.advice import at_a_bound
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
        "tried": 5, "stopped": 1, "failed": 1, "unfinished": 0, "completed": 3, "confirmed": 0,
        "tested": 0,
    }  # fmt: skip
    assert found.cost["completed"]["seconds"] == 2 * 3 * 120.0
    assert found.cost["stopped"]["seconds"] == 2 * 60.0
    assert found.cost["completed"]["gpu_seconds"] == 2 * 3 * 60.0
    assert found.cost["completed"]["money"] == 2 * 3 * 0.25
    assert found.cost["stopped"]["money"] == 0.0
    assert sum(part["share"] for part in found.cost.values()) == pytest.approx(1)
    assert sum(part["trials"] for part in found.cost.values()) == 10


def test_importance_finds_the_parameter_that_decides(tmp_path: Path) -> None:
    # NLL falls with the number, and in this run the learning rate with it.
    path = runs.write(tmp_path / "r", trials=28, states=("completed",), images=False)
    text = (path / "trials.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in text]
    for row in rows[1:]:
        row["config"]["lr"] = 1e-2 * 0.9 ** row["number"]
        row["config"]["dropout"] = 0.05 * (row["number"] * 7 % 10)
    (path / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = Report.of(path).importance["crnn"]
    assert (text["num_trials"], text["num_best"], text["note"]) == (28, 5, None)
    assert next(iter(text["shares"])) == "lr"
    assert sum(text["shares"].values()) == pytest.approx(1)


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
        "next", "notes", "stages", "cost", "importance", "trials", "confirmed", "misread",
        "calibration", "test_set_evaluations", "reproduce",
    }  # fmt: skip
    assert text["analysis"]["notes"] == []
    assert text["spaces"]["crnn"]["trials"]["completed"] == 3


def test_the_table_has_a_row_per_trial_with_its_parameters(found: Report) -> None:
    table = trial_table(found.boards)
    assert len(table) == 10
    assert {"trial", "valid_nll", "nll_low", "seed", "config/lr", "error"} <= set(table.columns)
    assert not {"confirmed", "beams", "config"} & set(table.columns)


def advice_of(path: Path, **values: Any) -> str:
    return Report.of(runs.write(path / "r", **values)).advice


def test_advice_says_what_to_do_next(tmp_path: Path) -> None:
    for name in "abcdefg":
        (tmp_path / name).mkdir()
    assert advice_of(tmp_path / "a", trials=0).startswith("No trial has begun")
    text = advice_of(tmp_path / "b", states=("failed",), error="ValueError: lr")
    assert text.startswith("All 5 trials that ended failed, the last with: ValueError: lr")
    assert "search.confirm" in advice_of(tmp_path / "c")
    text = advice_of(tmp_path / "d", states=("completed", "running"))
    assert "2 trial(s) were interrupted" in text
    assert "--resume" in text
    text = advice_of(tmp_path / "e", max_gap=0.0001)
    assert text.startswith("No completed trial has gap at most 0.0001")
    assert "fewer epochs" in advice_of(tmp_path / "f", states=("stopped",))
    text = advice_of(tmp_path / "g", trials=15, states=("completed",))
    assert text.startswith("The best of crnn, crnn-014, came among the last fifth")


def test_advice_sees_values_at_an_end_of_their_range(tmp_path: Path) -> None:
    found = Report.of(runs.write(tmp_path / "r", trials=12, states=("completed",)))
    board = [
        {**row, "config": {**row["config"], "lr": 0.0099 if row["rank"] < 6 else 0.001}}
        for row in found.boards["crnn"]
    ]
    assert at_a_bound(found.run, "crnn", found.boards["crnn"]) is None
    text = at_a_bound(found.run, "crnn", board)
    assert text is not None
    assert "lr at its upper bound 0.01" in text


def test_a_running_search_is_recognised(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "r", states=("completed", "running"))
    run = json.loads((path / "run.json").read_text())
    run["sittings"][-1]["ended"] = None
    (path / "run.json").write_text(json.dumps(run))
    text = Report.of(path).advice
    assert text.startswith("The search is still running, or was killed: 3 of 5 trials have ended")
    status = path / "status.json"
    status.write_text(json.dumps({"updated": datetime.now(UTC).isoformat()}))
    text = Report.of(path).advice
    assert text == "The search is running: 3 of 5 trials have ended; look again later."
    status.write_text('{"updated": "2026-01-02T03:04:05.678+00:00"}')
    text = Report.of(path).advice
    assert text.startswith("The search was killed (last update 2026-01-02 03:04 UTC): 3 of")
    assert text.endswith("--name r --resume.")
    for odd in ("{", "[]", '{"updated": 3}', '{"updated": "2026-01-02T03:04:05"}'):
        status.write_text(odd)
        assert "or was killed" in Report.of(path).advice


def test_advice_is_a_command_that_a_shell_takes(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "my r", states=("completed",))
    assert f"python -m search.confirm '{path}'" in Report.of(path).advice


def test_the_recorded_search_on_real_images_is_read_with_its_confirmation() -> None:
    path = Path(__file__).parents[3] / "results" / "crnn-real"
    found = Report.of(path)
    assert found.run.notes == ()
    assert found.stages["crnn"]["confirmed"] == 4
    assert "baseline" in found.confirmed["crnn"]
    assert found.confirmed["crnn"]["crnn-014"]["num_fits"] == 5
    assert found.confirmed["crnn"]["crnn-014"]["chosen"]
    assert 0 < found.confirmed["crnn"]["crnn-014"]["cer"] < 0.02
    assert found.calibration == {}
    assert found.advice.startswith("crnn-014 is confirmed, not yet tested")


def test_a_confirmation_that_is_not_complete_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "crnn-real"
    shutil.copytree(Path(__file__).parents[3] / "results" / "crnn-real", path)
    (path / "confirmed" / "crnn.json").unlink()
    lines = (path / "confirmed" / "fits.jsonl").read_text().splitlines(keepends=True)
    (path / "confirmed" / "fits.jsonl").write_text("".join(lines[:7]))
    found = Report.of(path)
    assert sum(one["num_fits"] for one in found.confirmed["crnn"].values()) == 6
    assert all(one["chosen"] is None for one in found.confirmed["crnn"].values())
    assert f"continue with python -m search.confirm {path}" in found.advice


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
        (break_epochs, "epochs.jsonl: 1 damaged line(s) left out"),
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
            "row(s) without a trial's name",
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
