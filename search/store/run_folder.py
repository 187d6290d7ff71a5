"""A run folder as it is written: by one process, the driver, under a lock."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from captcha_models.errors import InputError
from search.store.jsonl import VERSION, Table, sync_folder, write_json
from search.store.listed import model_file
from search.store.records import RUN_FILE, State, now, read_run
from search.store.storage import Storage
from search.store.sync import Copy

if TYPE_CHECKING:
    from filelock import FileLock

COPY_EVERY_S = 30.0
"""The copy in a storage learns of checkpoints no more often; of a trial's end it learns at once."""


def assert_free(path: Path) -> None:
    """Refuse a place that is taken.

    Raises:
        InputError: it exists.
    """
    if path.exists():
        raise InputError(
            f"{path} exists: choose another --name, or continue it with --resume --name {path.name}"
        )


class RunFolder:
    """A run folder being written; holds the folder's lock until it is closed.

    Attributes:
        records: what it says so far, kept in step with what is appended.
        store: where checkpoints are, all machines see it; the folder itself unless it is elsewhere.
    """

    def __init__(self, path: Path, lock: "FileLock", store: Storage | None = None) -> None:
        self._lock = lock
        self.store = store or Storage(str(path))
        self._copy = Copy(path, store) if store else None
        self._trials = Table(path / "trials.jsonl")
        self._epochs = Table(path / "epochs.jsonl")
        self.records = read_run(path)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.records.path

    @classmethod
    def create(
        cls, path: Path, run: Mapping[str, Any], store: Storage | None = None, *, over: bool = False
    ) -> Self:
        """Make a new run folder.

        Args:
            path: where; must not exist.
            run: what run.json shall say, but for the version.
            store: where its checkpoints and a copy of it go, if not to the folder itself.
            over: take over a folder without a run.json, whose making was cut off.

        Raises:
            InputError: it exists, or cannot be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent} cannot be made: {error.strerror}") from None
        if not over or (path / RUN_FILE).exists():
            assert_free(path)
        try:
            path.mkdir(exist_ok=over)
        except OSError as error:
            raise InputError(f"{path} cannot be made: {error.strerror}") from None
        lock = _locked(path)
        for table in ("trials", "epochs"):
            Table(path / f"{table}.jsonl").close()
        # Last, for a folder with a run.json is a whole run folder.
        write_json(path / RUN_FILE, {"version": VERSION, **run})
        sync_folder(path.parent)
        return cls(path, lock, store)

    @classmethod
    def open(cls, path: Path, store: Storage | None = None) -> Self:
        """Take up an existing run folder; `store` as when it was made.

        Raises:
            InputError: it is no run folder, or another search is writing it.
        """
        read_run(path)
        return cls(path, _locked(path), store)

    def update_run(self, **values: Any) -> None:
        """Replace entries of run.json."""
        self.records.run.update(values)
        write_json(self.path / RUN_FILE, self.records.run)

    def add_trial(self, **row: Any) -> None:
        """Append to the trials table."""
        self._trials.append(row)
        self.records.add_trial(row)

    def end_trial(
        self, trial: str, state: State, error: str | None = None, reason: str | None = None,
        **more: Any,
    ) -> None:  # fmt: skip
        """Append the row that ends a trial; the reason is why it was stopped, more what it cost."""
        row = {k: v for k, v in self.records.trials[trial].items() if k != "state"}
        row |= {"ended": now(), "epochs": self.records.last_epoch(trial)}
        row |= {"error": error, "reason": reason, **more}
        self.add_trial(**row, state=state)
        if self._copy:
            self._copy.push()

    def checkpoint(self, trial: str) -> tuple[int, str] | None:
        """Epoch and name in the store of the trial's last checkpoint that is still there."""
        for epoch, row in sorted(self.records.epochs.get(trial, {}).items(), reverse=True):
            if row["checkpoint"] and self.store.exists(row["checkpoint"]):
                return epoch, row["checkpoint"]
        return None

    def add_epoch(self, **row: Any) -> None:
        """Append to the epochs table; a value that is not finite becomes null."""
        clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v
                 for k, v in row.items()}  # fmt: skip
        self._epochs.append(clean)
        self.records.add_epoch(clean)
        if clean.get("checkpoint") and self._copy:
            # Else a search that goes on elsewhere would not know what its trials may go on from.
            self._copy.push(every_s=COPY_EVERY_S)

    def keep_model(self, space: str, trial: str, epoch: int, checkpoint: str) -> None:
        """Put a checkpoint's model into best/SPACE, the model before the note that names it."""
        folder = self.path / "best" / space
        self._fetch_model(checkpoint, folder / "model.safetensors")
        write_json(folder / "trial.json", {"trial": trial, "epoch": epoch})

    def keep_listed(self, trial: str, checkpoint: str) -> None:
        """Put a checkpoint's model where a trial of a list leaves it."""
        self._fetch_model(checkpoint, model_file(self.path, trial))

    def _fetch_model(self, checkpoint: str, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary = to.with_name(f".{to.stem}.tmp")
        self.store.fetch(f"{checkpoint}/model.safetensors", temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(to)

    def close(self) -> None:
        """Close the tables, bring the copy up to date, and give the lock back."""
        if self._copy:
            self._copy.close()
        self._trials.close()
        self._epochs.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _locked(path: Path) -> "FileLock":
    from filelock import FileLock, Timeout

    lock = FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another process is writing {path}: wait for it, or stop it") from None
    return lock
