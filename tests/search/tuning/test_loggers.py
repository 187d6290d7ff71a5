"""Searches with MLflow, Weights & Biases and TensorBoard, where those are installed."""

import sqlite3
from pathlib import Path

import pytest

from captcha_models.errors import InputError
from search.store.records import read_run
from search.tuning import loggers as trackers
from tests.search.tuning.test_session import session, settings

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("ray")]


def test_mlflow_has_a_run_for_each_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    place = tmp_path / "r"
    assert session(place)[0].begin(settings(log_to=["mlflow"])) == 0
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        [experiment] = database.execute("select experiment_id from experiments where name = 'r'")
        names = database.execute("select name from runs where experiment_id = ?", experiment)
        steps = database.execute("select step from metrics where key = 'metrics/valid_nll'")
        found, reported = {name for (name,) in names}, len(list(steps))
    records = read_run(place)
    assert found == set(records.trials)
    assert reported == sum(map(len, records.epochs.values()))


def test_weights_and_biases_has_one_for_each_trial_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    place = tmp_path / "r"
    assert session(place)[0].begin(settings(log_to=["wandb"])) == 0
    left = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(left) == len(read_run(place).trials) == 2


def test_without_a_login_it_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="nobody is logged in: run `wandb login`"):
        session(tmp_path / "runs" / "r")[0].begin(settings(log_to=["wandb"]))
    assert not (tmp_path / "runs").exists()


def test_tensorboard_has_the_curves_of_each_trial(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    place = tmp_path / "r"
    assert session(place)[0].begin(settings(log_to=["tensorboard"])) == 0
    records = read_run(place)
    assert {path.name for path in (place / "tensorboard").iterdir()} == set(records.trials)
    for name, rows in records.epochs.items():
        found = events.EventAccumulator(str(place / "tensorboard" / name)).Reload()
        points = [(e.step, e.value) for e in found.Scalars("valid_nll")]
        assert points == [
            (row["images_seen"], pytest.approx(row["valid_nll"])) for row in rows.values()
        ]
        assert "device" not in found.Tags()["scalars"]


@pytest.mark.parametrize(
    ("name", "title"),
    [("mlflow", "MLflow"), ("wandb", "Weights & Biases"), ("tensorboard", "TensorBoard")],
)
def test_a_missing_package_is_named(
    tmp_path: Path, name: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=f"--log-to {name}: {title} is not installed: pip install"):
        session(tmp_path / "runs" / "r")[0].begin(settings(log_to=[name]))
    assert not (tmp_path / "runs").exists()
