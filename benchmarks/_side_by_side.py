"""Shared parts of benchmarks of whole trainings: two clocks, a rows file, the line of JSON."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from captcha_models.errors import InputError
from captcha_models.renamed import renamed

Row = dict[str, Any]


@dataclass(frozen=True)
class Spent:
    """Seconds by the wall clock, and seconds of processor time of the whole process."""

    wall_s: float
    cpu_s: float


class Stopwatch:
    """Runs from its making, or from as long ago as `ahead` says."""

    def __init__(self, device: torch.device, ahead: Spent | None = None) -> None:
        self.device, self.ahead = device, ahead or Spent(0.0, 0.0)
        self.start = self._now()

    def read(self) -> Spent:
        """What was spent so far, work still queued on the device included."""
        now = self._now()
        return Spent(
            now.wall_s - self.start.wall_s + self.ahead.wall_s,
            now.cpu_s - self.start.cpu_s + self.ahead.cpu_s,
        )

    def _now(self) -> Spent:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return Spent(time.perf_counter(), time.process_time())


def clock_of(device: torch.device, threads: int) -> str:
    """Which clock a ratio goes by: on one thread processor time, which other programs cannot touch.

    Several threads wait for each other, and for a GPU, in processor time too.
    """
    return "cpu_s" if device.type == "cpu" and threads == 1 else "wall_s"


class Rows:
    """Finished measurements, a line of JSON each; kept in memory only without a file.

    Raises:
        InputError: the file holds a line that is no JSON object.
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self.rows = path, list[Row]()
        if path is not None and path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            for number, line in enumerate(text.splitlines(), 1):
                self.rows.append(_parse(line, f"{path}, line {number}"))

    def like(self, key: Mapping[str, Any]) -> list[Row]:
        """Rows that have all of these values."""
        return [row for row in self.rows if all(row.get(k) == v for k, v in key.items())]

    def add(self, row: Row) -> None:
        """Keep a row, on the disk too before this returns."""
        self.rows.append(row)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
                file.flush()
                os.fsync(file.fileno())


def _parse(line: str, where: str) -> Row:
    try:
        row = renamed(json.loads(line))
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is no JSON ({error}); delete that line") from None
    if not isinstance(row, dict):
        raise InputError(f"{where} is no JSON object; delete that line")
    return row


def print_ratio(ratio: float, low: float, high: float, **more: Any) -> None:
    """The last line of a benchmark, for programs."""
    values = {"ratio": ratio, "low": low, "high": high, **more}
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}))
