"""The run folder: the only interface between a search and whoever looks at it.

    run.json       what was asked, of which data, by which program, on which machine
    trials.jsonl   a row when a trial starts and one when it ends; the last row of a trial holds
    epochs.jsonl   a row per reported epoch; after a retry an epoch may stand twice, the last holds
    readings.jsonl valid.json, thumbnails/: predictions image by image: search/store/predictions.py
    study.db       Optuna's studies, one per space, for the sampler and optuna-dashboard
    best/SPACE/    model.safetensors and trial.json of the best trial so far
    status.json    what the search is doing, or how it ended: search/store/status.py
    ray/           Ray's checkpoints of trials that have not ended

The driver alone writes it, holding a lock. `epoch` is the number of finished epochs, from 1.
"""

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from captcha_models.errors import InputError
from captcha_models.renamed import renamed
from search.store.jsonl import VERSION, Table, check_version, read_table, sync_folder, write_json
from search.store.storage import Storage
from search.store.sync import Mirror

if TYPE_CHECKING:
    from filelock import FileLock

State = Literal["completed", "stopped", "failed", "unfinished"]
"""`completed`: the full budget; `stopped`: by the scheduler, a cap or the time budget; `failed`: an
error; `unfinished`: started, and neither; a resumed search goes on with it."""

STATES: tuple[State, ...] = ("completed", "stopped", "failed", "unfinished")
RUN_FILE = "run.json"
COPY_EVERY_S = 30.0
"""The copy in a storage learns of checkpoints no more often; of a trial's end it learns at once."""
_DAMAGE = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
"""What missing or wrong values lead to."""


@dataclass(frozen=True)
class Records:
    """What a run folder says.

    Attributes:
        path: the folder.
        run: run.json.
        trials: the last row of each trial, in the order they first appeared.
        epochs: the rows of each trial by epoch.
    """

    path: Path
    run: dict[str, Any]
    trials: dict[str, dict[str, Any]]
    epochs: dict[str, dict[int, dict[str, Any]]]

    def add_trial(self, row: dict[str, Any]) -> None:
        """Take in a row of the trials table."""
        self.trials[row["trial"]] = row

    def add_epoch(self, row: dict[str, Any]) -> None:
        """Take in a row of the epochs table."""
        # Names that every row has are kept once.
        shared = {sys.intern(name): value for name, value in row.items()}
        self.epochs.setdefault(row["trial"], {})[row["epoch"]] = shared

    def last_epoch(self, trial: str) -> int:
        """Finished epochs of a trial that were recorded; 0 if none."""
        return max(self.epochs.get(trial, {}), default=0)

    def best_on_disk(self, space: str) -> tuple[str, int] | None:
        """Trial and epoch of the model in best/SPACE, or None."""
        folder = self.path / "best" / space
        try:
            found = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
            kept = str(found["trial"]), int(found["epoch"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        known = kept[1] in self.epochs.get(kept[0], {})
        return kept if known and (folder / "model.safetensors").is_file() else None


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Call a run folder damaged when what is read from it lacks something, or is not its kind.

    Raises:
        InputError: in the place of the errors that missing or wrong values lead to.
    """
    try:
        yield
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged: {type(error).__name__} {error}") from None


def read_run(path: Path) -> Records:
    """Read a run folder, also while a search is writing it.

    Raises:
        InputError: it is not a run folder, is damaged, or of another version.
    """
    run = read_run_file(path)
    records = Records(path, run, {}, {})
    with whole(path):
        if not (isinstance(run["settings"], dict) and isinstance(run["spaces"], dict)):
            raise TypeError
        for row in read_table(path / "trials.jsonl"):
            records.add_trial(row)
        for row in read_table(path / "epochs.jsonl"):
            records.add_epoch(row)
    return records


def read_run_file(path: Path) -> dict[str, Any]:
    """What run.json says; an InputError if there is none to read, or of another version."""
    if not path.is_dir():
        raise InputError(f"no run folder at {path}")
    if not (path / RUN_FILE).is_file():
        raise InputError(f"{path} is not a run folder: it holds no {RUN_FILE}")
    try:
        run = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path / RUN_FILE} cannot be read: {error}") from None
    if not isinstance(run, dict):
        raise InputError(f"{path / RUN_FILE} is not the record of a run")
    check_version(path / RUN_FILE, run)
    return renamed(run)


def newest_run(runs: Path) -> Path:
    """The run folder that was started last.

    Raises:
        InputError: there is none.
    """
    found = [file.parent for file in runs.glob(f"*/{RUN_FILE}")]
    if not found:
        raise InputError(f"no run in {runs}: start one with python -m search.run, or name a folder")
    return max(found, key=_started)


def now() -> str:
    """The time, UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def assert_free(path: Path) -> None:
    """Refuse a place that is taken.

    Raises:
        InputError: it exists, or its path cannot hold a study.
    """
    place = str(path.resolve())
    if odd := set("{}%?#") & set(place):
        raise InputError(
            f"run folder {place}: its path must not contain {' '.join(sorted(odd))}, which the "
            "study's database reads as something else; choose another --name or --runs-dir"
        )
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
        self._mirror = Mirror(path, store) if store else None
        self._trials = Table(path / "trials.jsonl")
        self._epochs = Table(path / "epochs.jsonl")
        self.records = read_run(path)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.records.path

    @classmethod
    def create(cls, path: Path, run: Mapping[str, Any], store: Storage | None = None) -> Self:
        """Make a new run folder.

        Args:
            path: where; must not exist.
            run: what run.json shall say, but for the version.
            store: where its checkpoints and a copy of it go, if not to the folder itself.

        Raises:
            InputError: it exists, or cannot be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent} cannot be made: {error.strerror}") from None
        assert_free(path)
        try:
            path.mkdir()
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
        if self._mirror:
            self._mirror.push()

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
        if clean.get("checkpoint") and self._mirror:
            # Else a search that goes on elsewhere would not know what its trials may go on from.
            self._mirror.push(every_s=COPY_EVERY_S)

    def keep_model(self, space: str, trial: str, epoch: int, checkpoint: str) -> None:
        """Put a checkpoint's model into best/SPACE, the model before the note that names it."""
        folder = self.path / "best" / space
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / ".model.tmp"
        self.store.fetch(f"{checkpoint}/model.safetensors", temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(folder / "model.safetensors")
        write_json(folder / "trial.json", {"trial": trial, "epoch": epoch})

    def close(self) -> None:
        """Close the tables, bring the copy up to date, and give the lock back."""
        if self._mirror:
            self._mirror.close()
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
        raise InputError(f"another search is writing {path}: wait for it, or stop it") from None
    return lock


def _started(path: Path) -> str:
    try:
        return str(json.loads((path / RUN_FILE).read_text(encoding="utf-8"))["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
