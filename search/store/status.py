"""Status of a search as one object; RUN/status.json, for scripts.

    version       of this schema
    state         running, then finished, interrupted or failed (an error, or every trial failed)
    pid, host     of the process that searches; one that was killed leaves `running` behind
    started       this session, UTC; `updated` is when the file was written, every few seconds
    elapsed_s     of this session; `left_s` is an estimate, null until there is something to go by
    images_per_s  trained on by the running trials together, as their steps or last epochs say; or
                  null
    trials        wanted, ended, running, completed, stopped, failed: of all spaces
    spaces        the same of each, and its `best` so far, with both sides and the gap; or null
    running       the trials that run: finished epoch of epochs, no report for `since_s`, an epoch's
                  `epoch_s`; the `step` of `steps` of the next one, null where none is told of
    last_error    trial and error of the trial that failed last, or of the search; or null

Computes and writes, draws nothing; the driver calls it, from one thread.
"""

import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from search.store import records as tables
from search.store.estimate import Watched, time_left
from search.store.jsonl import write_json
from search.store.leaderboard import counts, ranking
from search.store.records import Records

VERSION = 1
STATUS_FILE = "status.json"
EVERY_S = 2.0
TELLING_S = 2.0
"""Steps of so many seconds tell the pace of a training."""

RunState = Literal["running", "finished", "interrupted", "failed"]
_ENDED = ("completed", "stopped", "failed")
_BEST = ("valid_nll", "train_nll", "gap", "valid_exact_match", "valid_position_accuracy")


@dataclass(frozen=True)
class Step:
    """A step of an epoch under way.

    Attributes:
        epoch: from 1.
        step: that is done, from 1.
        steps: that the epoch has.
        images: that a step trains on.
        seconds: since the epoch's first step was done, which may have warmed up.
    """

    epoch: int
    step: int
    steps: int
    images: int
    seconds: float

    @classmethod
    def of(cls, epoch: int, step: int, steps: int, images: int, seconds: float) -> "Step":
        """A step as a worker tells it.

        Raises:
            ValueError: such a step cannot be.
            TypeError: these are no numbers.
        """
        whole = [epoch, step, steps, images]
        if not all(type(one) is int and 0 < one < 1 << 53 for one in whole) or step > steps:
            raise ValueError(f"no step of an epoch: {whole}")
        if not 0 <= (found := float(seconds)) < math.inf:
            raise ValueError(f"no time of a step: {found}")
        return cls(epoch, step, steps, images, found)

    @property
    def images_per_s(self) -> float | None:
        """Images trained on a second; None while that cannot be told."""
        return (self.step - 1) * self.images / self.seconds if self.seconds >= TELLING_S else None

    @property
    def epoch_s(self) -> float | None:
        """Seconds that the epoch's steps take; None while that cannot be told."""
        told = self.step > 1 and self.seconds >= TELLING_S
        return self.steps * self.seconds / (self.step - 1) if told else None


Told = Callable[[str, int], Step | None]
"""The last step that a trial told of in an epoch, if it told of one."""


class Status:
    """Keeps the status of one session.

    Args:
        records: of the run, kept up to date by the recorder.
        trials: how many each space is to have.
        epochs: full budget of a trial whose configuration does not say.
        ends: `time.monotonic()` at which the time budget is spent; None is never.
        stops: the share of trials that is expected to be stopped after an epoch.
        told: what is known of epochs under way.
    """

    def __init__(
        self, records: Records, trials: int, epochs: int, ends: float | None = None,
        stops: Mapping[int, float] | None = None, told: Told = lambda trial, epoch: None,
    ) -> None:  # fmt: skip
        self._records = records
        self._trials = trials
        self._epochs = epochs
        self._ends = ends
        self._stops = stops or {}
        self._told = told
        self._started, self._start = tables.now(), time.monotonic()
        self._heard: dict[str, tuple[int, float]] = {}
        self._past: dict[str, Watched] = {}
        self._most_at_a_time = 0

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
        self._listen(names)
        spaces = {space: self._space(space, names) for space in self._records.run["spaces"]}
        total = {
            key: sum(space["trials"][key] for space in spaces.values())
            for key in ("wanted", "ended", "running", *_ENDED)
        }
        steps = {name: self.step(name) for name in names}
        speeds = [speed for name in names if (speed := self._speed(name, steps[name]))]
        return {
            "version": VERSION,
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": self._started,
            "updated": tables.now(),
            "elapsed_s": round(self.elapsed_s, 1),
            "left_s": self._left_s(names) if state == "running" else None,
            "images_per_s": round(sum(speeds), 1) if speeds else None,
            "trials": total,
            "spaces": spaces,
            "running": [
                {
                    "trial": name,
                    "epoch": self._records.last_epoch(name),
                    "epochs": self.epochs_of(name),
                    "since_s": round((seen := self._watched(name)).since_s, 1),
                    "epoch_s": None if seen.epoch_s is None else round(seen.epoch_s, 1),
                    "step": step.step if (step := steps[name]) else None,
                    "steps": step.steps if step else None,
                }
                for name in names
            ],
            "last_error": {"trial": None, "error": error} if error else self._last_error(),
        }

    def step(self, trial: str) -> Step | None:
        """The last step that a trial told of in the epoch after its last finished one."""
        return self._told(trial, self._records.last_epoch(trial) + 1)

    def _speed(self, trial: str, step: Step | None) -> float | None:
        """Images that a trial trains on a second."""
        if step and step.images_per_s:
            return step.images_per_s
        last: float | None = self._records.last(trial).get("images_per_s")
        return last

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

    def _left_s(self, running: list[str]) -> float | None:
        """Of one space after the other, as they are searched; never beyond the time budget."""
        self._most_at_a_time = max(self._most_at_a_time, len(running))
        spaces: dict[str, list[Watched]] = {space: [] for space in self._records.run["spaces"]}
        for name in dict.fromkeys([*running, *self._records.trials]):
            spaces[self._records.trials[name]["space"]].append(self._watched(name))
        # What has not begun is taken to be like what has.
        like = [one for trials in spaces.values() for one in trials]
        parts = [
            time_left(trials, self._trials - len(trials), self._most_at_a_time, self._stops, like)
            for trials in spaces.values()
        ]
        known = [part for part in parts if part is not None]
        left = sum(known) if len(known) == len(parts) else None
        if self._ends is not None:
            budget = max(0.0, self._ends - time.monotonic())
            left = budget if left is None else min(left, budget)
        return None if left is None else round(left, 1)

    def _listen(self, running: list[str]) -> None:
        """Note since when each running trial is silent."""
        before, now = self._heard, time.monotonic()
        self._heard = {}
        for name in running:
            epoch = self._records.last_epoch(name)
            known = before.get(name)
            self._heard[name] = known if known and known[0] == epoch else (epoch, now)

    def _watched(self, trial: str) -> Watched:
        if known := self._past.get(trial):
            return known
        row, epochs = self._records.trials[trial], self._records.epochs.get(trial, {})
        ended = row["state"] in _ENDED
        took_s = None
        if ended and self._started <= str(row["started"]):
            took = datetime.fromisoformat(row["ended"]) - datetime.fromisoformat(row["started"])
            took_s = took.total_seconds()
        found = Watched(
            self.epochs_of(trial),
            self._records.last_epoch(trial),
            ended,
            self._records.last(trial).get("seconds", 0.0),
            epochs[1]["seconds"] if 1 in epochs else 0.0,
            time.monotonic() - self._heard[trial][1] if trial in self._heard else 0.0,
            took_s,
            bool(row["baseline"]),
            step.epoch_s if not ended and (step := self.step(trial)) else None,
        )
        if ended:
            self._past[trial] = found
        return found

    def _last_error(self) -> dict[str, Any] | None:
        failed = [row for row in self._records.trials.values() if row["state"] == "failed"]
        if not failed:
            return None
        last = max(failed, key=lambda row: row["ended"] or "")
        return {"trial": last["trial"], "error": last["error"]}
