"""A search on a Ray that believes in a GPU: `python -m tests.faults._share RUN LOG`."""

import sys
from pathlib import Path

import torch

import spaces
from search.cluster.connection import connect, share
from search.store.run_folder import RunFolder
from search.tuning.progress import Progress
from search.tuning.settings import Settings
from search.tuning.space_search import SpaceSearch
from search.tuning.stopping import Stopping
from search.tuning.task import Task
from tests.search import _fake


def main(path: Path, log: Path) -> None:
    import ray

    from search.tuning.tuner import run_trials

    def greedy(task: Task, epoch: int) -> None:
        with log.open("a") as file:
            file.write(f"{task.gpus:g}\n")
        if task.gpus < 1 and epoch == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    settings = Settings.parse(
        {"spaces": ("pooled",), "trials": 1, "epochs": 2, "gpus_per_trial": 0.25}
    )
    run = {"started": "", "settings": settings.model_dump(mode="json"), "sessions": [{}]}
    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(_fake)
    control = Stopping()
    control.start_budget(None)
    with (
        RunFolder.create(path, {**run, "spaces": {"pooled": {}}}) as folder,
        connect() as cluster,
        Progress(folder.records, 1, 2) as progress,
    ):
        run_trials(
            SpaceSearch(folder, spaces.load("pooled"), settings, {"epochs": 2}), None,
            share(cluster, settings), control, progress, _fake.objective(greedy),
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
