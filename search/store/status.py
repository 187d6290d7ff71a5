"""Status of a search as one object; RUN/status.json, for scripts.

    version       of this schema
    state         running, then finished, interrupted or failed (an error, or every trial failed)
    pid, host     of the process that searches; one that was killed leaves `running` behind
    started       this session, UTC; `updated` is when the file was written, every few seconds
    elapsed_s     of this session; `left_s` is an estimate, null until there is something to go by
    images_per_s  trained on by the running trials together, as their last epochs say; or null
    trials        wanted, ended, running, completed, stopped, failed: of all spaces
    spaces        the same of each, and its `best` so far, with both sides and the gap; or null
    running       the trials that run, with epoch and epochs
    last_error    trial and error of the trial that failed last, or of the search; or null

Computes and writes, draws nothing; the driver calls it, from one thread.
"""

import os
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal

from search.store import records as tables
from search.store.jsonl import write_json
from search.store.leaderboard import counts, ranking
from search.store.records import Records

VERSION = 1
STATUS_FILE = "status.json"
EVERY_S = 2.0

RunState = Literal["running", "finished", "interrupted", "failed"]
_ENDED = ("completed", "stopped", "failed")
_BEST = ("valid_nll", "train_nll", "gap", "valid_exact_match", "valid_position_accuracy")


class Status:
    """Keeps the status of one session.

    Args:
        records: of the run, kept up to date by the recorder.
        trials: how many each space is to have.
        epochs: full budget of a trial whose configuration does not say.
        ends: `time.monotonic()` at which the time budget is spent; None is never.
    """

    def __init__(
        self, records: Records, trials: int, epochs: int, ends: float | None = None
    ) -> None:
        self._records = records
        self._trials = trials
        self._epochs = epochs
        self._ends = ends
        self._started, self._start = tables.now(), time.monotonic()
        self._before = self._done()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the session began to search."""
        return time.monotonic() - self._start

    def now(
        self, running: Iterable[str], state: RunState = "running", error: str | None = None
    ) -> dict[str, Any]:
        """The status now; see the module's text.

        Args:
            running: names of the trials that run.
            state: of the search.
            error: that ended it.
        """
        names = [name for name in running if name in self._records.trials]
        spaces = {space: self._space(space, names) for space in self._records.run["spaces"]}
        total = {
            key: sum(space["trials"][key] for space in spaces.values())
            for key in ("wanted", "ended", "running", *_ENDED)
        }
        speeds = [speed for name in names if (speed := self._last(name).get("images_per_s"))]
        return {
            "version": VERSION,
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": self._started,
            "updated": tables.now(),
            "elapsed_s": round(self.elapsed_s, 1),
            "left_s": self._left_s(total["wanted"]) if state == "running" else None,
            "images_per_s": round(sum(speeds), 1) if speeds else None,
            "trials": total,
            "spaces": spaces,
            "running": [
                {"trial": n, "epoch": self._records.last_epoch(n), "epochs": self.epochs_of(n)}
                for n in names
            ],
            "last_error": {"trial": None, "error": error} if error else self._last_error(),
        }

    def write(self, found: dict[str, Any]) -> None:
        """Put a status in the place of the last, if there is room; a reader sees one, whole."""
        with suppress(OSError):
            write_json(self._records.path / STATUS_FILE, found, lasting=False)

    def all_failed(self) -> bool:
        """Whether trials failed and none was of use."""
        found = [counts(self._records, space) for space in self._records.run["spaces"]]
        useful = sum(c["completed"] + c["stopped"] for c in found)
        return not useful and any(c["failed"] for c in found)

    def epochs_of(self, trial: str) -> int:
        """Full budget of a trial."""
        epochs: int = self._records.trials[trial]["config"].get("epochs", self._epochs)
        return epochs

    def _space(self, space: str, running: list[str]) -> dict[str, Any]:
        found = counts(self._records, space)
        best = None
        if first := next(iter(ranking(self._records, space)), None):
            row = self._records.epochs[first[0]][first[1]]
            best = {"trial": first[0], "epochs": first[1], **{key: row[key] for key in _BEST}}
        return {
            "trials": {
                "wanted": self._trials,
                "ended": sum(found[state] for state in _ENDED),
                "running": sum(self._records.trials[n]["space"] == space for n in running),
                **{state: found[state] for state in _ENDED},
            },
            "best": best,
        }

    def _last(self, trial: str) -> dict[str, Any]:
        epoch = self._records.last_epoch(trial)
        return self._records.epochs[trial][epoch] if epoch else {}

    def _done(self) -> float:
        """Trials that have ended, and of the others the share that is done."""
        ended = sum(row["state"] in _ENDED for row in self._records.trials.values())
        others = (n for n, row in self._records.trials.items() if row["state"] not in _ENDED)
        return ended + sum(
            min(1.0, self._records.last_epoch(n) / self.epochs_of(n)) for n in others
        )

    def _left_s(self, wanted: int) -> float | None:
        """As long for each trial as so far; never beyond the time budget."""
        done = self._done()
        budget = None if self._ends is None else max(0.0, self._ends - time.monotonic())
        if done <= self._before:
            return None if budget is None else round(budget, 1)
        left = max(0.0, wanted - done) * self.elapsed_s / (done - self._before)
        return round(left if budget is None else min(left, budget), 1)

    def _last_error(self) -> dict[str, Any] | None:
        failed = [row for row in self._records.trials.values() if row["state"] == "failed"]
        if not failed:
            return None
        last = max(failed, key=lambda row: row["ended"] or "")
        return {"trial": last["trial"], "error": last["error"]}
