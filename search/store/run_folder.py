"""A run folder as it is written: by one process, the driver, under a lock.

A copy of it in a storage is written under a lease: search/store/lease.py.
"""

import math
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from captcha_models.errors import InputError
from captcha_models.secrets import hide
from search.store.jsonl import VERSION, Table, sync_folder, write_json
from search.store.keys import VARIABLE
from search.store.lease import Lease, identity
from search.store.listed import model_file
from search.store.records import RUN_FILE, State, now, read_run, resume_command
from search.store.sending import Copy
from search.store.storage import Storage
from search.store.sync import Kept, adopt, bring_up, is_kept

if TYPE_CHECKING:
    from filelock import FileLock

Say = Callable[[str], None]

LOCK_FILE = ".lock"
MODEL_FILE = "model.safetensors"
COPY_EVERY_S = 5.0
"""The copy in a storage learns of checkpoints and new trials no more often; of ends at once."""


def assert_free(path: Path) -> None:
    """Refuse a place that is taken.

    Raises:
        InputError: it exists.
    """
    if path.exists():
        raise InputError(
            f"{path} exists: choose another --name, or continue it with --resume --name {path.name}"
        )


def assert_not_kept(store: Storage, path: Path) -> None:
    """Refuse a store that holds a run; the path is that of its folder.

    Raises:
        InputError: it does, or cannot be read.
    """
    if is_kept(store):
        place = store.parent.place
        first = f"put --storage into {VARIABLE} and " * (hide(place) != place)
        raise InputError(
            f"{store.place} holds a run of that name: choose another --name, or {first}go on with "
            f"it: {resume_command(path, '--storage', place)}"
        )


class RunFolder:
    """A run folder being written; holds the folder's lock until it is closed.

    Attributes:
        records: what it says so far, kept in step with what is appended.
        store: where checkpoints are, all machines see it; the folder itself unless it is elsewhere.
    """

    def __init__(self, path: Path, lock: "FileLock", copy: Copy | None = None) -> None:
        self._lock, self._copy = lock, copy
        self.store = copy.store if copy else Storage(str(path))
        self._trials = Table(path / "trials.jsonl")
        self._epochs = Table(path / "epochs.jsonl")
        self.records = read_run(path)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.records.path

    @classmethod
    def create(
        cls, path: Path, run: Mapping[str, Any], store: Storage | None = None, *,
        over: bool = False, say: Say = lambda line: None,
    ) -> Self:  # fmt: skip
        """Make a new run folder.

        Args:
            path: where; must not exist.
            run: what run.json shall say, but for the version.
            store: where its checkpoints and a copy of it go, if not to the folder itself.
            over: take over a folder without a run.json, whose making was cut off.
            say: prints one line.

        Raises:
            InputError: it exists, there or in the store, or cannot be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent} cannot be made: {error.strerror}") from None
        if not over or (path / RUN_FILE).exists():
            assert_free(path)
        with ExitStack() as stack:
            # Before anything is there that would have to be taken away again.
            lease = _leased(stack, store, say)
            if store:
                assert_not_kept(store, path)
            try:
                path.mkdir(exist_ok=over)
            except OSError as error:
                raise InputError(f"{path} cannot be made: {error.strerror}") from None
            lock = _locked(stack, path)
            for table in ("trials", "epochs"):
                Table(path / f"{table}.jsonl").close()
            # Last, for a folder with a run.json is a whole run folder.
            write_json(path / RUN_FILE, {"version": VERSION, **run})
            sync_folder(path.parent)
            return cls._kept(stack, path, lock, store, lease)

    @classmethod
    def open(cls, path: Path, store: Storage | None = None, say: Say = lambda line: None) -> Self:
        """Take up an existing run folder, or one that only the store holds.

        Args:
            path: of the folder; what was written elsewhere since is fetched.
            store: as when it was made.
            say: prints one line.

        Raises:
            InputError: it is no run folder, or another search is writing it.
        """
        if store is None or (path / RUN_FILE).exists():
            read_run(path)
        elif not is_kept(store):
            raise InputError(f"no run at {path}, and none in {store.place}")
        with ExitStack() as stack:
            lock = _locked(stack, path) if path.exists() else None
            lease = _leased(stack, store, say, path if lock else None)
            kept = adopt(store, lease) if store and lease else None
            if store and kept:
                bring_up(store, path, kept)
            return cls._kept(stack, path, lock or _locked(stack, path), store, lease, kept)

    @classmethod
    def _kept(
        cls, stack: ExitStack, path: Path, lock: "FileLock", store: Storage | None,
        lease: Lease | None, kept: Kept | None = None,
    ) -> Self:  # fmt: skip
        """The folder, which from now on gives back what the stack would."""
        copy = None
        if store and lease:
            copy = Copy(path, store, lease, kept or adopt(store, lease))
            lease.lock = identity(path / LOCK_FILE)
        folder = cls(path, lock, copy)
        stack.pop_all()
        return folder

    @property
    def session(self) -> str:
        """Name of this session, which no other of the run has."""
        number = len(self.records.run["sessions"])
        return f"{number}-{self._copy.lease.term}" if self._copy else str(number)

    def assert_ours(self) -> None:
        """Refuse to go on with a run that another driver has taken over.

        Raises:
            InputError: says who has it.
        """
        if self._copy:
            self._copy.lease.assert_kept()

    def look_after(self) -> None:
        """Let the copy in a storage catch up, while the run is ours; see `assert_ours`."""
        self.assert_ours()
        if self._copy:
            self._copy.catch_up(COPY_EVERY_S)

    def update_run(self, **values: Any) -> None:
        """Replace entries of run.json."""
        self.records.run.update(values)
        write_json(self.path / RUN_FILE, self.records.run)

    def add_trial(self, **row: Any) -> None:
        """Append to the trials table."""
        self.assert_ours()
        self._trials.append(row)
        self.records.add_trial(row)
        if self._copy:
            self._copy.push(every_s=COPY_EVERY_S if row["state"] == "running" else 0.0)

    def end_trial(
        self, trial: str, state: State, error: str | None = None, reason: str | None = None,
        **more: Any,
    ) -> None:  # fmt: skip
        """Append the row that ends a trial; the reason is why it was stopped, more what it cost."""
        row = {k: v for k, v in self.records.trials[trial].items() if k != "state"}
        row |= {"ended": now(), "epochs": self.records.last_epoch(trial)}
        row |= {"error": error, "reason": reason, **more}
        self.add_trial(**row, state=state)

    def checkpoint(self, trial: str) -> tuple[int, str] | None:
        """Epoch and name in the store of the trial's last checkpoint that is still there."""
        for epoch, row in sorted(self.records.epochs.get(trial, {}).items(), reverse=True):
            # Asked for by its file: a storage may be late to list a folder that is there.
            if row["checkpoint"] and self.store.exists(f"{row['checkpoint']}/{MODEL_FILE}"):
                return epoch, row["checkpoint"]
        return None

    def add_epoch(self, **row: Any) -> None:
        """Append to the epochs table; a value that is not finite becomes null."""
        self.assert_ours()
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
        self._fetch_model(checkpoint, folder / MODEL_FILE)
        write_json(folder / "trial.json", {"trial": trial, "epoch": epoch})

    def keep_listed(self, trial: str, checkpoint: str) -> None:
        """Put a checkpoint's model where a trial of a list leaves it."""
        self._fetch_model(checkpoint, model_file(self.path, trial))

    def _fetch_model(self, checkpoint: str, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary = to.with_name(f".{to.stem}.tmp")
        self.store.fetch(f"{checkpoint}/{MODEL_FILE}", temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(to)

    def discard(self, place: str) -> None:
        """Delete from the store what no trial needs any more.

        What a storage refuses to delete goes another time: with its trial, or when all is tidied.

        Raises:
            InputError: another driver has taken the run, and may need it.
        """
        with suppress(OSError):
            if self._copy:
                self._copy.lease.check()
            self.store.delete(place)

    def close(self) -> None:
        """Bring the copy up to date, close the tables, and give lease and lock back."""
        try:
            if self._copy:
                self._copy.close()
        finally:
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
        # What ended the session is said, not also that the copy lacks its end.
        with suppress(InputError) if isinstance(error, InputError) else nullcontext():
            self.close()


def _locked(stack: ExitStack, path: Path) -> "FileLock":
    from filelock import FileLock, Timeout

    lock = FileLock(path / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another process is writing {path}: wait for it, or stop it") from None
    stack.callback(lock.release)
    return lock


def _leased(
    stack: ExitStack, store: Storage | None, say: Say, path: Path | None = None
) -> Lease | None:
    """The lease of a store; the path is of a folder whose lock is held."""
    if store is None:
        return None
    lease = Lease.take(store, say, identity(path / LOCK_FILE) if path else None)
    stack.callback(lease.release)
    lease.keep()
    return lease
