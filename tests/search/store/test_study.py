"""Studies made of a run's tables."""

import sqlite3
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from search.store.leaderboard import leaderboard
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.store.study import load_studies, write_study
from search.tuning.scheduler import Rungs
from search.tuning.settings import Settings
from search.tuning.space_search import SpaceSearch
from spaces.space import Space
from tests.search import _fake
from tests.search.report import runs


def run_of(path: Path, **settings: Any) -> RunFolder:
    return RunFolder.create(path, runs.run_json(**settings))


def add(folder: RunFolder, number: int, state: str, **metrics: Any) -> str:
    """A trial of one epoch."""
    name, space = f"crnn-{number:03d}", folder.records.run["spaces"]["crnn"]["space"]
    folder.add_trial(
        trial=name, space="crnn", number=number, baseline=number == 0, state="running", seed=number,
        config={"epochs": 1, **space["baseline"]}, started="", ended=None, epochs=0, error=None,
    )  # fmt: skip
    row = {**_fake.metrics(1, 0.5).as_dict(), **metrics}
    folder.add_epoch(trial=name, checkpoint=None, **row)
    folder.end_trial(name, state)  # type: ignore[arg-type]
    return name


def test_a_file_takes_the_place_of_one_that_a_killed_search_left_open(tmp_path: Path) -> None:
    """Version 0.1 wrote ahead; its log must not be applied to the new file."""
    with run_of(tmp_path / "run") as folder:
        add(folder, 0, "completed")
        old = sqlite3.connect(tmp_path / "run" / "study.db")
        old.execute("PRAGMA journal_mode=WAL")
        old.execute("CREATE TABLE studies (study_id INTEGER, study_name TEXT)")
        old.commit()
        assert (tmp_path / "run" / "study.db-wal").exists()
        write_study(tmp_path / "run")
        names = optuna.get_all_study_names(f"sqlite:///{tmp_path / 'run' / 'study.db'}")
        assert names == ["crnn"]
        old.close()


def test_a_trial_without_a_value_is_no_complete_one(tmp_path: Path) -> None:
    given = {"metrics": ["valid_nll", "valid_position_accuracy"], "mode": "min"}
    objective = {"metric": "valid_nll", "constraints": [], "stopping": "never", "name": "two"}
    with run_of(tmp_path / "run") as folder:
        folder.update_run(
            settings={**folder.records.run["settings"], "objective": {**objective, **given}}
        )
        add(folder, 0, "completed", valid_position_accuracy=None)
        add(folder, 1, "completed", valid_position_accuracy=0.5)
    study = optuna.load_study(study_name="crnn", storage=load_studies(tmp_path / "run"))
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_the_front_follows_the_direction(tmp_path: Path) -> None:
    objective = {
        "metric": "valid_exact_match", "mode": "max", "constraints": [], "stopping": "never",
        "metrics": ["valid_exact_match", "valid_position_accuracy"], "name": "two",
    }  # fmt: skip
    with run_of(tmp_path / "run") as folder:
        folder.update_run(settings={**folder.records.run["settings"], "objective": objective})
        add(folder, 0, "completed", valid_exact_match=0.9, valid_position_accuracy=0.95)
        add(folder, 1, "completed", valid_exact_match=0.1, valid_position_accuracy=0.2)
    board = leaderboard(read_run(tmp_path / "run"), "crnn")
    assert [(row["number"], row["front"]) for row in board] == [(0, True), (1, False)]


def test_of_a_repeated_epoch_the_rungs_keep_the_first_value(tmp_path: Path) -> None:
    settings = Settings(spaces=("crnn",), trials=3, epochs=4)
    with run_of(tmp_path / "run") as folder:
        space = Space.from_json(folder.records.run["spaces"]["crnn"]["space"])
        search = SpaceSearch(folder, space, settings, {"epochs": 4})
        for number in (0, 1):
            search.start_point(number, space.active(space.baseline))
        for number, nll in ((0, 1.0), (1, 0.9), (0, 0.5)):
            row = {**_fake.metrics(2, nll).as_dict()}
            folder.add_epoch(trial=f"crnn-{number:03d}", checkpoint=None, **row)
        assert settings.rungs[0] == 2
        assert not Rungs(search).has_stopped("crnn-001")
