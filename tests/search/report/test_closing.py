"""Closing lines of a search; every command that they and the advice print is parsed as printed."""

import json
import shutil
from pathlib import Path

import pytest

from search.report.closing import closing
from search.report.report import Report
from tests.docs._shown import PROGRAM, check
from tests.search.report import runs

RECORDED = Path(__file__).parents[3] / "results" / "crnn-real"


def printed(text: str) -> list[str]:
    """The commands: each stands on a line of its own, indented."""
    found = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    return [line for line in found if PROGRAM.match(line)]


def test_the_end_says_what_was_found_what_it_cost_and_how_to_go_on(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "my runs" / "r")
    run = json.loads((path / "run.json").read_text())
    times = {"started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:06:00+00:00"}
    run["sessions"] = [run["sessions"][0] | times | {"cost": 1.5}]
    (path / "run.json").write_text(json.dumps(run))
    lines = list(closing(path, interrupted=False))
    text = "\n".join(lines)
    assert lines[0] == "crnn: 3 completed, 1 stopped, 1 failed"
    assert "crnn: crnn-004 (" in text
    assert " is better than the best starting point, " in text
    assert (
        "cost: 6.0 min by the clock, 7.5 min of trials, 3.0 min of GPU time, 1.50 in money for all "
        "machines, 0.75 of it in trials, "
    ) in text
    assert printed(text) == [
        f"python -m search.confirm '{path}'",
        f"python -m search.analyse '{path}' --html report.html",
    ]
    for one in printed(text):
        check(one)


def test_an_interrupted_search_is_gone_on_with_by_one_whole_command(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "my runs" / "r", states=("completed", "running"))
    text = "\n".join(closing(path, interrupted=True, more=("--address", "auto")))
    command = f"python -m search.run --runs-dir '{path.parent}' --name r --resume --address auto"
    assert text.endswith(f"\ninterrupted; go on with:\n  {command}")
    assert " is better than " not in text
    check(command)


def test_in_the_usual_folder_it_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    runs.write(Path("runs/r"), states=("running",))
    assert list(closing(Path("runs/r"), True))[-1] == "  python -m search.run --name r --resume"


def test_commands_of_all_advice_parse_as_printed(tmp_path: Path) -> None:
    written = [
        runs.write(tmp_path / "begun", trials=0),
        runs.write(tmp_path / "confirm it"),
        runs.write(tmp_path / "resume it", states=("completed", "running")),
    ]
    for name, change in {
        "tested": {"plan": {"top": 2, "seeds": 10, "test_seeds": 3}, "test": None},
        "few": {
            "verdict": {"confirmed": False, "says": "too few trainings to tell", "num_fits": 2}
        },
        "longer": {"verdict": {"confirmed": False, "says": "the target is missed", "num_fits": 3}},
        "use": {"model": {"file": "f"}, "test": {"winner": {}}},
        "train": {"test": {"winner": {}}},
    }.items():
        shutil.copytree(RECORDED, tmp_path / name)
        file = tmp_path / name / "confirmed" / "crnn.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
        written.append(tmp_path / name)
    found = [printed(Report.of(path).advice) for path in written]
    assert [len(one) for one in found] == [1] * len(written)
    for (command,) in found:
        check(command)
    assert len({command.split()[2] for (command,) in found}) == 3
