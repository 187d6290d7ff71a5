"""A run folder as it is read: the only interface between a search and whoever looks at it.

    run.json          what was asked, of which data, by which program, on which machine
    trials.jsonl      a row when a trial is suggested and one when it ends; the last row holds
    epochs.jsonl      a row per reported epoch; of two rows of an epoch the last holds
    predictions.jsonl image by image, with valid.json and thumbnails/: search/store/predictions.py
    best/SPACE/       model.safetensors and trial.json of the best trial so far
    best/             model.safetensors and MODEL_CARD.md of the winner that search.confirm trained
    confirmed/        all that search.confirm leaves: its results, models and trainings
    status.json       what the search is doing, or how it ended: search/store/status.py
    study.db          Optuna's studies, written when a search ends, never read: store/study.py
    ray/              Ray's checkpoints of trials that have not ended

These tables are the truth about every trial; the study that proposes trials is rebuilt from them.
The driver alone writes, holding a lock. `epoch` is the number of finished epochs, from 1.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from captcha_models.commands import command, without_secrets
from captcha_models.errors import InputError
from captcha_models.renamed import renamed
from search.store.jsonl import check_version, read_table

State = Literal["completed", "stopped", "failed", "unfinished"]
"""`completed`: the full budget; `stopped`: by the scheduler, a cap or the time budget; `failed`: an
error; `unfinished`: started, and neither; a resumed search goes on with it."""

STATES: tuple[State, ...] = ("completed", "stopped", "failed", "unfinished")
RUN_FILE = "run.json"
BEFORE = {"labels": "stem", "size": "50x200"}
"""How runs that do not say it read their images: version 0.2 knew one label and one size."""
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
        order: trial and row of each report, as they came in.
    """

    path: Path
    run: dict[str, Any]
    trials: dict[str, dict[str, Any]]
    epochs: dict[str, dict[int, dict[str, Any]]]
    order: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def add_trial(self, row: dict[str, Any]) -> None:
        """Take in a row of the trials table."""
        self.trials[row["trial"]] = row

    def add_epoch(self, row: dict[str, Any]) -> None:
        """Take in a row of the epochs table."""
        # Names that every row has are kept once.
        shared = {sys.intern(name): value for name, value in row.items()}
        self.epochs.setdefault(row["trial"], {})[row["epoch"]] = shared
        self.order.append((row["trial"], shared))

    def last_epoch(self, trial: str) -> int:
        """Finished epochs of a trial that were recorded; 0 if none."""
        return max(self.epochs.get(trial, {}), default=0)

    def last(self, trial: str) -> dict[str, Any]:
        """Row of a trial's last epoch; empty if none was recorded."""
        return self.epochs[trial][self.last_epoch(trial)] if self.last_epoch(trial) else {}

    def is_whole(self, trial: str) -> bool:
        """Whether the trial has had its full budget: the epochs of its own configuration."""
        epochs: int = self.trials[trial]["config"]["epochs"]
        return self.last_epoch(trial) >= epochs

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
    except (InputError, UnicodeEncodeError):
        # What was read cannot be printed or written as it is: nothing is wrong with it.
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
    run = renamed(run)
    if isinstance(run.get("settings"), dict):
        run["settings"] = BEFORE | run["settings"]
    return run


def newest_run(runs: Path) -> Path:
    """The run folder that was started last.

    Raises:
        InputError: there is none.
    """
    found = [file.parent for file in runs.glob(f"*/{RUN_FILE}")]
    if not found:
        start = command("search.run", "--space", "crnn")
        raise InputError(f"no run in {runs}: name a folder, or start a search with {start}")
    return max(found, key=_started)


def resume_command(path: Path, *words: object) -> str:
    """The command that goes on with a run, whole; what holds a secret is left out of the words."""
    where = () if path.parent == Path("runs") else ("--runs-dir", path.parent)
    more = without_secrets(list(map(str, words)))
    return command("search.run", *where, "--name", path.name, "--resume", *more)


def now() -> str:
    """The time, UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _started(path: Path) -> str:
    try:
        return str(json.loads((path / RUN_FILE).read_text(encoding="utf-8"))["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
