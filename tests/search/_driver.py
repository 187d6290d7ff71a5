"""A search in a process of its own, to be killed: python -m tests.search._driver RUN LOG N."""

import os
import sys
import time
from pathlib import Path

import spaces
from search.cluster.connection import connect, share
from search.store.run_folder import RunFolder
from search.tuning.progress import Progress
from search.tuning.settings import Settings
from search.tuning.space_search import SpaceSearch
from search.tuning.stopping import Stopping
from search.tuning.task import Task
from tests.search import _fake


def main(path: Path, log: Path, trials: int) -> None:
    space = spaces.load("pooled")
    settings = Settings(spaces=("pooled",), trials=trials, epochs=4)
    if path.exists():
        folder = RunFolder.open(path)
    else:
        run = {"started": "", "settings": settings.model_dump(mode="json"), "sessions": []}
        folder = RunFolder.create(path, {**run, "spaces": {"pooled": {"space": space.to_json()}}})

    def note(task: Task, epoch: int) -> None:
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{task.seed} {epoch}\n".encode())
        os.close(handle)
        time.sleep(0.15)

    with folder, connect("local", num_cpus=2) as cluster:
        import ray

        from search.tuning.tuner import run_trials

        ray.cloudpickle.register_pickle_by_value(_fake)
        folder.update_run(sessions=[*folder.records.run["sessions"], {}])
        control = Stopping()
        control.start_budget(None)
        with Progress(folder.records, trials, 4) as progress:
            run_trials(
                SpaceSearch(folder, space, settings, {"epochs": 4}), None,
                share(cluster, settings), control, progress, _fake.objective(note),
            )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
