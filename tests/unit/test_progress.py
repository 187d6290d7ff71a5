"""What a person sees while a search runs."""

import io
from pathlib import Path

from rich.console import Console

from search.progress import Progress
from search.records import RunFolder
from tests.unit import _runs
from tests.unit.test_results import write


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
    ending = "valid_nll 0.5, gap 0.25, captcha accuracy 80.0 %"
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
        assert text.getvalue().count("running: crnn-004 epoch 1/2, valid_nll 0.2") == 1


def test_on_a_terminal_one_table_with_the_states_and_the_best(tmp_path: Path) -> None:
    text = io.StringIO()
    with write(tmp_path / "run") as folder:
        console = Console(file=text, force_terminal=True, width=120, color_system=None)
        with Progress(folder.records, 5, 2, console) as progress:
            progress.update(running="crnn-004")
        rows = [line.split() for line in text.getvalue().splitlines()]
    first = next(row for row in rows if row[:2] == ["crnn", "4/5"])
    assert first[2:6] == ["2", "1", "1", "crnn-002,"]
    assert any(row[:1] == ["crnn-004"] for row in rows)


def test_an_epoch_without_figures_is_shown_without_them(tmp_path: Path) -> None:
    text = io.StringIO()
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        name = _runs.start(folder, 0)
        _runs.epoch(folder, name, 1, float("nan"))
        folder.end_trial(name, "stopped")
        with Progress(folder.records, 1, 2, Console(file=text, width=200)) as progress:
            progress.update(ended=name)
    assert text.getvalue().strip() == "[0:00:00] crnn-000 stopped at epoch 1/2"
