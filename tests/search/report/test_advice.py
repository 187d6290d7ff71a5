"""Advice on what to do next with a run."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from search.report.advice import at_a_bound
from search.report.report import Report
from tests.search.report import runs


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
    assert text.startswith("The search was interrupted with 2 trials to go; continue it:")
    assert "--resume" in text
    text = advice_of(tmp_path / "e", max_gap=0.0001)
    assert text.startswith("No completed trial has gap at most 0.0001")
    assert "fewer epochs" in advice_of(tmp_path / "f", states=("stopped",))
    text = advice_of(tmp_path / "g", trials=15, states=("completed",))
    assert text.startswith("The best of crnn, crnn-014, came among the last fifth")


def test_trials_to_go_are_those_that_began_and_those_that_did_not(tmp_path: Path) -> None:
    states = ("completed", "running", "completed")
    path = runs.write(tmp_path / "r", names=("crnn", "pooled"), trials=3, states=states)
    # Five are wanted of each space: two of each have ended, one has begun, two have not.
    assert Report.of(path).advice.startswith("The search was interrupted with 6 trials to go; ")
    path = runs.write(tmp_path / "s", trials=4, states=("completed",))
    assert "interrupted" not in Report.of(path).advice
    run = json.loads((path / "run.json").read_text())
    run["sessions"][-1]["interrupted"] = True
    (path / "run.json").write_text(json.dumps(run))
    assert Report.of(path).advice.startswith("The search was interrupted with 1 trial to go; ")
    run["settings"]["trials"] = 4
    (path / "run.json").write_text(json.dumps(run))
    assert "interrupted" not in Report.of(path).advice


def test_advice_sees_values_at_a_bound_of_their_range(tmp_path: Path) -> None:
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
    run["sessions"][-1]["ended"] = None
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
    assert text.endswith("--name r --resume")
    for odd in ("{", "[]", '{"updated": 3}', '{"updated": "2026-01-02T03:04:05"}'):
        status.write_text(odd)
        assert "or was killed" in Report.of(path).advice


def test_advice_is_a_command_that_a_shell_takes(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "my r", states=("completed",))
    assert f"python -m search.confirm '{path}'" in Report.of(path).advice


def test_advice_calls_nothing_confirmed_that_two_trainings_say(tmp_path: Path) -> None:
    path = tmp_path / "crnn-real"
    shutil.copytree(Path(__file__).parents[3] / "results" / "crnn-real", path)
    result = json.loads((path / "confirmed" / "crnn.json").read_text())
    assert "crnn-014 is confirmed" in Report.of(path).advice

    def advice(**values: Any) -> str:
        (path / "confirmed" / "crnn.json").write_text(json.dumps({**result, **values}))
        return Report.of(path).advice

    two = [{**line, "num_fits": 2} for line in result["candidates"]]
    few = "crnn-014 is not confirmed: too few trainings to tell (2 trainings; at least 3: --seeds)"
    command = f"train it more often:\n  python -m search.confirm {path} --seeds"
    assert advice(candidates=two) == f"{few}; {command} 5 --no-test"
    sure = {"confirmed": False, "says": "too few trainings to tell: no", "num_fits": 5}
    assert advice(verdict=sure).endswith(f"trainings to tell: no; {command} 10 --no-test")
    done = {"verdict": {**sure, "confirmed": True}, "test": {"winner": {}}, "model": {"file": "f"}}
    assert advice(**done).endswith(f"export its model:\n  python -m captcha_models.export {path}")
    assert advice(verdict=3).startswith("The confirmation is not complete")
    missed = {**sure, "says": "the target is missed: NLL 0.5 (0.4 to 0.6)"}
    assert advice(verdict=missed).endswith(
        "the target is missed: NLL 0.5 (0.4 to 0.6); search longer:\n"
        f"  python -m search.run --runs-dir {tmp_path} --name crnn-real --resume --trials 32"
    )


def test_the_test_set_is_asked_for_by_the_plan_that_was_confirmed(tmp_path: Path) -> None:
    """Another plan would be another confirmation, and its evaluation be refused."""
    path = tmp_path / "crnn-real"
    shutil.copytree(Path(__file__).parents[3] / "results" / "crnn-real", path)
    result = json.loads((path / "confirmed" / "crnn.json").read_text())
    plan = {"top": 2, "seeds": 10, "test_seeds": 3, "baseline_epochs": None, "seed": 0}
    (path / "confirmed" / "crnn.json").write_text(
        json.dumps({**result, "test": None, "plan": plan})
    )
    command = f"python -m search.confirm {path} --top 2 --seeds 10 --test-seeds 3"
    assert Report.of(path).advice.endswith(f"set:\n  {command}")
