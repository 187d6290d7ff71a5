"""Searches in processes of their own, to be killed, starved of disk or signalled.

Each is forked from one that has imported everything already: what dies is a real driver, and it
comes up in a second.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import spaces
from captcha_models.cli import INTERRUPTED, OK, WRONG_INPUT
from captcha_models.errors import InputError
from search.cluster.connection import connect, share
from search.store.run_folder import RunFolder
from search.tuning.progress import Progress
from search.tuning.settings import Settings
from search.tuning.space_search import SpaceSearch
from search.tuning.stopping import Stopping
from search.tuning.task import Task
from tests.search import _fake

EPOCHS = 4
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.faults._driver", "search.tuning.tuner", "ray.tune.tuner"])


def start(address: str, run: Path, log: Path, **options: Any) -> BaseProcess:
    """A driver that goes on with the run, or begins it; see `_sit`."""
    process = _CONTEXT.Process(target=_sit, args=(address, run, log), kwargs=options)
    process.start()
    return process


def _sit(
    address: str, run: Path, log: Path, trials: int = 4, epoch_s: float = 0.1,
    most_bytes: int | None = None, budget_s: float | None = None,
) -> None:  # fmt: skip
    """One session: what `Session` does but for images and plans, and its exit codes.

    Args:
        address: of a Ray that is there.
        run: the run folder.
        log: gets a line per epoch begun, from the workers.
        trials: of the search.
        epoch_s: that an epoch takes.
        most_bytes: the largest file this process may write; more is a full disk to it.
        budget_s: of the session.
    """
    os.setsid()
    code, control = OK, Stopping()
    try:
        with control.signals():
            _search(control, address, run, log, trials, epoch_s, most_bytes, budget_s)
        code = INTERRUPTED if control.interrupted else OK
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        (log.parent / "error").write_text(f"{type(error).__name__}: {error}")
        code = WRONG_INPUT
    # Ray's clean-up at exit is not what is tested here.
    os._exit(code)


def _search(
    control: Stopping, address: str, run: Path, log: Path, trials: int, epoch_s: float,
    most_bytes: int | None, budget_s: float | None,
) -> None:  # fmt: skip
    import ray

    from search.tuning.tuner import run_trials

    space = spaces.load("pooled")
    settings = Settings(spaces=("pooled",), trials=trials, epochs=EPOCHS)
    if run.exists():
        folder = RunFolder.open(run)
    else:
        about = {"started": "", "settings": settings.model_dump(mode="json"), "sessions": []}
        folder = RunFolder.create(run, {**about, "spaces": {"pooled": {"space": space.to_json()}}})
    with folder:
        ray.init(address=address, logging_level="critical", log_to_driver=False)
        ray.cloudpickle.register_pickle_by_value(_fake)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        with connect() as cluster:
            folder.update_run(sessions=[*folder.records.run["sessions"], {}])
            control.start_budget(budget_s)
            if most_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
            with Progress(folder.records, trials, EPOCHS) as progress:
                run_trials(
                    SpaceSearch(folder, space, settings, {"epochs": EPOCHS}), None,
                    share(cluster, settings), control, progress,
                    _fake.objective(_noting(log, epoch_s)),
                )  # fmt: skip


def _noting(log: Path, epoch_s: float) -> Callable[[Task, int], None]:
    def note(task: Task, epoch: int) -> None:
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{task.seed} {epoch}\n".encode())
        os.close(handle)
        time.sleep(epoch_s)

    return note


def kill(process: BaseProcess) -> None:
    """SIGKILL; nothing it could catch."""
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join(20)
