"""Optuna studies made of a run's tables: for the sampler, for dashboards, and as a file at the end.

The tables are the truth; a study is a function of them, built by Optuna's public calls and never
read back. So no kill between two writes can make the two disagree.
"""

import math
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.store.leaderboard import objective_of
from search.store.records import Records, read_run, whole
from search.tuning.objectives import Objective
from spaces.space import Space, Values

STUDY_FILE = "study.db"
ATTRIBUTES = ("train_nll", "valid_nll", "gap", "valid_exact_match")
"""Metrics kept with each trial of a study, for optuna-dashboard."""
_STATES = {"completed": TrialState.COMPLETE, "stopped": TrialState.PRUNED}


def new_study(
    name: str,
    objective: Objective,
    sampler: BaseSampler | None = None,
    storage: BaseStorage | None = None,
) -> Study:
    """An empty study of a space, by default in memory."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    direction = StudyDirection.MINIMIZE if objective.mode == "min" else StudyDirection.MAXIMIZE
    return optuna.create_study(
        storage=storage or InMemoryStorage(),
        study_name=name,
        directions=[direction] * len(objective.metrics),
        sampler=sampler,
    )


def params_of(space: Space, config: Values) -> dict[str, Any]:
    """The parameters of a trial's configuration that were suggested."""
    return {k: v for k, v in space.active(config).items() if k in space.parameters}


def trial_of(
    records: Records, name: str, space: Space, objective: Objective, *, for_sampler: bool = False
) -> FrozenTrial:
    """A trial as the tables tell it.

    Complete with its full budget, pruned if it was stopped before, failed if it raised or never
    reported. Pruned ones carry the constraints too, or TPE would rank them above every complete
    trial that violates one. A sampler is told of a failed one that it was pruned without a value,
    which TPE counts as worst: it passes failed ones over, so that their part of the space stays
    unexplored to it and draws it (`findings/optuna-drawn-to-failures.sh`).

    Raises:
        ValueError: its parameters lie outside the space.
    """
    row, last = records.trials[name], records.last(name)
    state = _STATES.get(row["state"], TrialState.FAIL)
    if row["state"] not in ("completed", "stopped", "failed"):
        state = TrialState.RUNNING
    elif not last or any(last.get(name) is None for name in objective.metrics):
        state = TrialState.FAIL
    steps = {}
    if len(objective.metrics) == 1:
        rows = sorted(records.epochs.get(name, {}).items())
        steps = {e: m[objective.metric] for e, m in rows if m.get(objective.metric) is not None}
    values = objective.values(last) if state == TrialState.COMPLETE else None
    if state == TrialState.PRUNED and steps:
        values = [steps[max(steps)]]  # As Optuna itself has it.
    params = params_of(space, row["config"])
    if state == TrialState.FAIL and for_sampler:
        return create_trial(
            state=TrialState.PRUNED,
            params=params,
            distributions={k: space.parameters[k] for k in params},
            constraints=worst(objective),
        )
    ended = state in (TrialState.COMPLETE, TrialState.PRUNED)
    return create_trial(
        state=state,
        values=values,
        params=params,
        distributions={k: space.parameters[k] for k in params},
        user_attrs={key: last.get(key) for key in ATTRIBUTES} if ended else {},
        intermediate_values=steps,
        constraints={c.name: c.violation(last) for c in objective.constraints} if ended else None,
    )


def worst(objective: Objective) -> dict[str, float] | None:
    """Constraints of a trial that failed: farther from feasible than any other."""
    return {one.name: math.inf for one in objective.constraints} or None


def trials_of(records: Records, space: str) -> list[str]:
    """Names of a space's trials by their number."""
    own = [row for row in records.trials.values() if row["space"] == space]
    return [row["trial"] for row in sorted(own, key=lambda row: row["number"])]


def load_studies(run: Path, storage: BaseStorage | None = None) -> BaseStorage:
    """A storage with a study of each space of a run folder, running trials among them.

    Args:
        run: the folder.
        storage: to be filled; one in memory by default.

    Raises:
        InputError: no run folder, or a damaged one.
    """
    records, storage = read_run(run), storage or InMemoryStorage()
    with whole(run):
        objective = objective_of(records)
        for name, saved in records.run["spaces"].items():
            space = Space.from_json(saved["space"])
            study = new_study(name, objective, storage=storage)
            own = trials_of(records, name)
            study.add_trials([trial_of(records, one, space, objective) for one in own])
    return storage


def write_study(run: Path) -> None:
    """Put a run's studies into its study.db, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with _database() as (place, storage):
        load_studies(run, storage)
        storage.engine.dispose()
        temporary = run / f".{STUDY_FILE}.tmp"
        try:
            shutil.copyfile(place, temporary)
            for log in ("-wal", "-shm"):  # A killed search of version 0.1 leaves its log.
                (run / f"{STUDY_FILE}{log}").unlink(missing_ok=True)
            temporary.replace(run / STUDY_FILE)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _database() -> Iterator[tuple[Path, Any]]:
    """A new SQLite file under a path that SQLAlchemy's addresses can hold."""
    from optuna.storages import RDBStorage

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / STUDY_FILE
        options = {"connect_args": {"factory": _Unsynced}}
        yield place, RDBStorage(f"sqlite:///{place}", engine_kwargs=options)


class _Unsynced(sqlite3.Connection):
    """A connection to a file that is copied to its place when it is whole: no commit is synced."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=OFF")
