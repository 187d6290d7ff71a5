"""How Optuna's database is written: dozens of small commits a trial, each without a sync.

With SQLite's write-ahead log a commit survives the death of the process by itself, and a power cut
may take the last commits but never damages the file. Those that may not be lost are synced here;
for what else is, the records stand (search/tuning/reconcile.py).
"""

import copy
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb.models import TrialParamModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState


class WrittenAhead(sqlite3.Connection):
    """A connection that logs ahead, where the file system can; else with SQLite's own care."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",):
            self.execute("PRAGMA synchronous=NORMAL")


class OwnStorage(_CachedStorage):
    """Reads each trial once: this process alone writes the trials of its studies.

    Optuna's own reads all that run from the database again whenever it looks, several times for
    each suggestion and ending; with 64 at a time that was most of the driver's work. Each write
    still goes to the database first.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._known: set[int] = set()
        self._params: dict[tuple[int, str], tuple[float, BaseDistribution]] = {}

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:  # fmt: skip
        study, _ = self._trial_id_to_study_id_and_number[trial_id]
        known = self._studies[study].param_distribution
        first = known.setdefault(param_name, distribution)
        check_distribution_compatibility(first, distribution)
        if first == distribution:
            distribution = first  # One for all trials.
        self._params[trial_id, param_name] = param_value_internal, distribution
        trial = self._copied(trial_id)
        value = distribution.to_external_repr(param_value_internal)
        trial.params = {**trial.params, param_name: value}
        trial.distributions = {**trial.distributions, param_name: distribution}
        self._put(trial)

    def write_params(self) -> None:
        """Write the parameters that have been set; at once, for a transaction each takes longer.

        A trial's are written before whatever else is written of it.
        """
        if self._params:
            rows = [
                TrialParamModel(
                    trial_id=trial, param_name=name, param_value=value,
                    distribution_json=distribution_to_json(distribution),
                )
                for (trial, name), (value, distribution) in self._params.items()
            ]  # fmt: skip
            with _create_scoped_session(self._backend.scoped_session) as session:
                session.add_all(rows)
            self._params = {}

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        self.write_params()
        done = super().set_trial_state_values(trial_id, state, values)
        told = self._backend.get_trial(trial_id)  # With its times.
        known = self.get_trial(trial_id)
        told.params, told.distributions = known.params, known.distributions
        self._put(told)
        return done

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        self.write_params()
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        trial = self._copied(trial_id)
        trial.intermediate_values = {**trial.intermediate_values, step: intermediate_value}
        self._put(trial)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.write_params()
        super().set_trial_user_attr(trial_id, key, value)
        trial = self._copied(trial_id)
        trial.user_attrs = {**trial.user_attrs, key: value}
        self._put(trial)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.write_params()
        super().set_trial_system_attr(trial_id, key, value)
        trial = self._copied(trial_id)
        trial.system_attrs = {**trial.system_attrs, key: value}
        self._put(trial)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._get_cached_trial(trial_id) or super().get_trial(trial_id)

    def _copied(self, trial_id: int) -> FrozenTrial:
        """A trial to be changed; others may hold the one that is known."""
        return copy.copy(self.get_trial(trial_id))

    def _put(self, trial: FrozenTrial) -> None:
        with self._lock:
            place = self._trial_id_to_study_id_and_number.get(trial._trial_id)
            if place:
                self._studies[place[0]].trials[place[1]] = trial

    def _get_cached_trial(self, trial_id: int) -> FrozenTrial | None:
        place = self._trial_id_to_study_id_and_number.get(trial_id)
        return self._studies[place[0]].trials[place[1]] if place else None

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        if study_id not in self._known:
            super()._read_trials_from_remote_storage(study_id)
            self._known.add(study_id)


def sync(database: Path) -> None:
    """Make everything committed so far survive a power cut.

    Only the log is opened: closing a handle on the database itself would drop SQLite's locks.
    """
    with suppress(FileNotFoundError):
        handle = os.open(f"{database}-wal", os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
