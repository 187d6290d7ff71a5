"""What a search holds may not grow with its trials, beyond what is recorded of them."""

import gc
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution

from search.cluster.connection import current_cluster, share
from search.tuning.progress import Progress
from search.tuning.stopping import Stopping
from search.tuning.task import Task
from tests.search import _fake
from tests.search.tuning.test_search import run_of

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]


def test_ended_trials_leave_next_to_nothing_with_ray_and_optuna(tmp_path: Path) -> None:
    from ray.tune import Checkpoint
    from ray.tune.experiment import Trial

    from search.tuning.tuner import run_trials

    trials, epochs = 8, 8
    held: list[tuple[int, int, int, int]] = []
    folders: list[int] = []
    checkpoints: list[int] = []

    class Weighing(Progress):
        def tick(self) -> None:
            super().tick()
            saved = [n for t in self.kept() for n in run.folder.store.names(f"ray/pooled-1/{t}")]
            checkpoints.append(sum(n.startswith("checkpoint") for n in saved))

        def kept(self) -> list[str]:
            names = run.folder.store.names("ray/pooled-1")
            return [name for name in names if name.startswith("pooled-")]

        def update(self, *, running: str | None = None, ended: str | None = None) -> None:
            super().update(running=running, ended=ended)
            names = self.kept()
            if ended:
                folders.append(len(names))
                held.append((
                    count(BaseDistribution), count(optuna.trial.Trial), count(Checkpoint),
                    sum(len(t.metric_n_steps) for t in every(Trial)),
                ))  # fmt: skip

    def always(task: Task, epoch: int) -> float:
        return 1.0 / epoch

    run = run_of(tmp_path / "run", trials=trials, epochs=epochs, max_concurrent=1)
    control = Stopping()
    control.start_budget(None)
    # A million objects of torch and Ray are there already: what is frozen is not gone through.
    gc.freeze()
    try:
        with run.folder as folder, Weighing(folder.records, trials, epochs) as progress:
            each = share(current_cluster("the tests' Ray"), run.settings)
            run_trials(run, None, each, control, progress, _fake.objective(always))
    finally:
        gc.unfreeze()
    assert len(held) == trials
    assert min(held[0][2:]) > 0, "what Ray holds of a trial is seen"
    grown = [last - first for first, last in zip(held[2], held[-1], strict=True)]
    # A key that a condition had left out so far is new; each trial brought dozens.
    assert grown[0] <= len(run.space.parameters)
    assert max(grown[1:]) <= 1
    assert max(folders) <= 2  # Of the trial that ends, and one that begins.
    assert 1 <= max(checkpoints) <= 3  # The third goes when it is known.


def every(kind: type) -> list[Any]:
    """All of a kind that came since the last `gc.freeze`."""
    gc.collect()
    return [one for one in gc.get_objects() if issubclass(type(one), kind)]


def count(kind: type) -> int:
    """How many of a kind came since the last `gc.freeze`."""
    return len(every(kind))
