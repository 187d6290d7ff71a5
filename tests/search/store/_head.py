"""A search on a Ray of its own with a storage: python -m tests.search.store._head RUN PLACE LOG."""

import sys
import time
from pathlib import Path

import ray

from search.store import lease, run_folder
from search.tuning.search_session import SearchSession
from search.tuning.settings import Settings
from search.tuning.task import Task
from tests.search import _fake

TRIALS, EPOCHS = 4, 24


def main(run: Path, place: str, log: Path) -> int:
    lease.BEAT_S, lease.HOLD_S, lease.TAKE_S, lease.LOOK_S = 0.5, 5.0, 10.0, 0.2
    run_folder.COPY_EVERY_S = 0.5

    def note(task: Task, epoch: int) -> None:
        from search.tuning import trainable

        trainable.CHECKPOINT_EVERY_S = 1.5
        with open(log, "a") as file:
            file.write(f"{task.seed} {epoch}\n")
        time.sleep(0.4)

    ray.cloudpickle.register_pickle_by_value(_fake)
    session = SearchSession(run, print, storage=place, num_cpus=2, train=_fake.objective(note))
    if run.exists() or "--resume" in sys.argv:
        return session.resume({})
    return session.begin(Settings.parse(
        {"spaces": ("pooled",), "data": "synthetic:60", "trials": TRIALS, "epochs": EPOCHS,
         "fixed": {"lr": "2e-3"}}
    ))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
