"""Checkpoints of a running search: what may go wrong with them ends no trial and no search."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from search.store.storage import Storage
from search.tuning.task import OnEpoch, Task
from tests.search import _fake
from tests.search.tuning.test_search import agreed, search, states

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]


def nothing(task: Task, epoch: int) -> None:
    """Train on."""


@pytest.mark.fault(
    "worker process lost after its last epoch", "completed, for nothing is left to be trained"
)
def test_a_worker_lost_after_its_last_report_leaves_a_whole_trial(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def dies_at_the_end(task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
        _fake.objective(nothing)(task, data, on_epoch, resume)
        if not mark.exists():
            mark.touch()
            time.sleep(1)  # The report is on its way.
            os._exit(1)

    # Nothing stops a trial of this objective at its last epoch; it has to end by itself.
    records, trials = search(
        tmp_path / "run", nothing, trains=dies_at_the_end, trials=1, objective="pareto"
    )
    assert mark.exists()
    assert states(records) == {"pooled-000": "completed"}
    assert agreed(records, trials)


def test_a_checkpoint_that_cannot_be_deleted_ends_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def refuse(self: Storage, name: str) -> None:
        refused.append(name)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(Storage, "delete", refuse)
    records, trials = search(tmp_path / "run", nothing, trials=2, epochs=8)
    assert refused
    assert set(states(records).values()) <= {"completed", "stopped"}
    assert agreed(records, trials)
