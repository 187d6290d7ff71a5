"""What a person and a script see while a search runs."""

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from search.store.run_folder import RunFolder
from search.tuning.progress import Progress
from search.tuning.stopping import Stopping
from tests.search import _runs
from tests.search.store.test_leaderboard import write


def test_without_a_terminal_a_line_for_each_trial_that_ends(tmp_path: Path) -> None:
    text = io.StringIO()
    with write(tmp_path / "run") as folder:
        with Progress(folder.records, 5, 2, Console(file=text, width=20)) as progress:
            progress.update(running="crnn-002")
            progress.tick()
            assert text.getvalue() == ""
            progress.update(ended="crnn-002")
            progress.update(ended="crnn-003")
        lines = text.getvalue().splitlines()
    ending = "valid_nll 0.5, gap 0.25, captchas read 80.0 %"
    assert lines[0] == f"[0:00:00] crnn-002 completed at epoch 2/2, {ending}"
    assert lines[1] == "[0:00:00] crnn-003 failed at epoch 0/2: ValueError: no"
    assert len(lines) == 2


def test_without_a_terminal_a_line_now_and_then_names_what_runs(tmp_path: Path) -> None:
    text = io.StringIO()
    with write(tmp_path / "run") as folder:
        with Progress(folder.records, 5, 2, Console(file=text)) as progress:
            progress.update(running="crnn-004")
            progress._next_line = 0.0
            progress.tick()
            progress.tick()
        (first,) = text.getvalue().splitlines()
    assert first == (
        "[0:00:00] 4 of 10 trials ended: 2 completed, 1 stopped, 1 failed; "
        "best crnn-002, valid_nll 0.5, gap 0.25, captchas read 80.0 %; "
        "running crnn-004 epoch 1/2; about 9 min left; "
        "10 images/s; last error: crnn-003: ValueError: no"
    )


def test_on_a_terminal_one_table_with_the_states_and_the_best(tmp_path: Path) -> None:
    text = io.StringIO()
    with write(tmp_path / "run") as folder:
        console = Console(file=text, force_terminal=True, width=120, color_system=None)
        with Progress(folder.records, 5, 2, console) as progress:
            progress.update(running="crnn-004")
        rows = [line.split() for line in text.getvalue().splitlines()]
    first = next(row for row in rows if row[:2] == ["crnn", "4/5"])
    assert first[2:] == ["2", "1", "1", "crnn-002", "0.5000", "0.2500", "80.0", "%"]
    assert [
        "crnn-004",
        "epoch",
        "1/2,",
        "the",
        "next",
        "for",
        "0",
        "s",
        "of",
        "about",
        "60",
        "s",
    ] in rows
    assert ["last", "error:", "crnn-003:", "ValueError:", "no"] in rows
    assert any(row[-2:] == ["10", "images/s"] for row in rows)


def test_an_epoch_without_figures_is_shown_without_them(tmp_path: Path) -> None:
    text = io.StringIO()
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        name = _runs.start(folder, 0)
        _runs.epoch(folder, name, 1, float("nan"))
        folder.end_trial(name, "stopped")
        with Progress(folder.records, 1, 2, Console(file=text, width=200)) as progress:
            progress.update(ended=name)
    assert text.getvalue().strip() == "[0:00:00] crnn-000 stopped at epoch 1/2"


def status(folder: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder.path / "status.json").read_text())
    return found


def test_the_status_file_says_how_it_stands_and_how_it_ended(tmp_path: Path) -> None:
    quiet = Console(file=io.StringIO())
    with write(tmp_path / "run") as folder:
        with Progress(folder.records, 5, 2, quiet) as progress:
            first = status(folder)
            # A run that is gone on with has trials to go by.
            assert first["left_s"] == pytest.approx(60 * (1 + 5 * 1.5), rel=0.2)
            progress.update(running="crnn-004")
            _runs.epoch(folder, "crnn-004", 2, 0.1)
            progress.update()
            found = status(folder)
        after = status(folder)
    assert (found["state"], found["pid"], found["version"]) == ("running", os.getpid(), 1)
    states = {"wanted": 5, "ended": 4, "running": 1, "completed": 2, "stopped": 1, "failed": 1}
    assert found["spaces"]["crnn"]["trials"] == states
    assert found["trials"] == {**states, "wanted": 10}
    assert found["spaces"]["crnn"]["best"] == {
        "trial": "crnn-002", "epochs": 2, "valid_nll": 0.5, "train_nll": 0.25, "gap": 0.25,
        "valid_exact_match": 0.8, "valid_position_accuracy": 0.75,
    }  # fmt: skip
    assert found["spaces"]["pooled"]["best"] is None
    (running,) = found["running"]
    assert 0 <= running.pop("since_s") < 60
    assert running == {
        "trial": "crnn-004", "epoch": 2, "epochs": 2, "epoch_s": 60.0, "step": None, "steps": None,
    }  # fmt: skip
    assert found["images_per_s"] == 10.0
    assert found["last_error"] == {"trial": "crnn-003", "error": "ValueError: no"}
    # All of crnn are whole or ended; the five of pooled are like them.
    assert 0 < found["left_s"] < first["left_s"]
    assert (after["state"], after["running"], after["left_s"]) == ("finished", [], None)
    assert after["updated"] >= found["updated"] >= first["updated"] >= first["started"]
    assert not list((tmp_path / "run").glob(".status*"))


@pytest.mark.parametrize(
    ("error", "interrupted", "state", "told"),
    [
        (None, True, "interrupted", None),
        (KeyboardInterrupt(), False, "interrupted", None),
        (ValueError("disk\nfull"), False, "failed", "ValueError: full"),
        (None, False, "finished", None),
    ],
)
def test_the_status_file_ends_as_the_search_does(
    tmp_path: Path, error: BaseException | None, interrupted: bool, state: str, told: str | None
) -> None:
    control = Stopping()
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        progress = Progress(folder.records, 1, 2, Console(file=io.StringIO()), stopping=control)
        with contextlib.suppress(KeyboardInterrupt, ValueError), progress:
            control.interrupted = interrupted
            if error:
                raise error
        found = status(folder)
    assert found["state"] == state
    assert found["last_error"] == (told and {"trial": None, "error": told})


def test_a_search_whose_trials_all_failed_has_failed(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        with Progress(folder.records, 1, 2, Console(file=io.StringIO())):
            folder.end_trial(_runs.start(folder, 0), "failed", "ValueError: no")
        assert status(folder)["state"] == "failed"


def test_starting_points_are_marked_and_nothing_is_cut_in_80_columns(tmp_path: Path) -> None:
    about = _runs.run_json()
    about["spaces"]["crnn"]["space"]["known"] = [{"lr": 0.1}]
    text = io.StringIO()
    with RunFolder.create(tmp_path / "run", about) as folder:
        for number in range(3):
            _runs.epoch(folder, _runs.start(folder, number), 1, 20.0 + number, checkpoint=True)
        console = Console(file=text, force_terminal=True, width=80, color_system=None)
        with Progress(folder.records, 60, 12, console) as progress:
            for number in range(3):
                progress.update(running=f"crnn-{number:03d}")
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    row = [line.split() for line in lines if line.startswith("crnn ")][-1]
    assert row[5:] == ["crnn-000*", "20.0000", "0.2500", "50.0", "%"]
    running = [line.split()[0] for line in lines if " epoch 1/12, the next for " in line][-3:]
    assert running == ["crnn-000*", "crnn-001*", "crnn-002"]
    assert "* starting point: put in by hand, not found" in lines


def test_in_a_file_a_line_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, now = io.StringIO(), 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with write(tmp_path / "run") as folder, Progress(
        folder.records, 5, 2, Console(file=text)
    ) as progress:  # fmt: skip
        progress.update(running="crnn-004")
        for _ in range(3600):
            now += 1.0
            progress.tick()
    assert len(text.getvalue().splitlines()) == 60


def test_trainings_of_a_list_are_called_what_they_are(tmp_path: Path) -> None:
    about = _runs.run_json()
    about["spaces"] = {"list": {}}
    text = io.StringIO()
    with RunFolder.create(tmp_path / "run", about) as folder:
        name = _runs.start(folder, 0, "list")
        folder.add_trial(**folder.records.trials[name], says="crnn-014, fold 0 of 5, seed 1000000")
        _runs.epoch(folder, name, 1, 20.0, checkpoint=True)
        console = Console(file=text, force_terminal=True, width=80, color_system=None)
        with Progress(folder.records, 30, 12, console) as progress:
            progress.update(running=name)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert "trainings  0/30         0       0      0" in lines
    assert any(
        line.startswith("  crnn-014, fold 0 of 5, seed 1000000  epoch 1/12, the") for line in lines
    )
    assert not any(line.startswith("* starting point") for line in lines)
