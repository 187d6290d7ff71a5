"""A run's curves for TensorBoard: event files from the epochs table, also while it grows.

Each trial has two curves in one chart, NLL on training and on validation images, over images
trained on. The files are made anew for each look and lie outside the run folder.
"""

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from search.store.records import Records

SIDES = {"train": ("train_nll", "train_loss"), "valid": ("valid_nll", "valid_loss")}
"""What both sides have, under one name: `nll`, `loss`."""
ALONE = ("gap", "valid_exact_match", "valid_position_accuracy", "lr", "images_per_s")


class Curves:
    """Writes what is new in a run's records.

    Args:
        place: folder for the event files, one folder in it for each trial and side.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._writers: dict[str, Any] = {}
        self._written: dict[str, int] = {}

    def follow(self, records: Records) -> int:
        """Append the epochs that are new since the last call; how many there were."""
        count = 0
        for trial, rows in records.epochs.items():
            began = _unix(records.trials[trial]["started"]) if trial in records.trials else 0.0
            for epoch, row in sorted(rows.items()):
                if epoch > self._written.get(trial, 0):
                    self._append(trial, row, began + (row["seconds"] or 0.0))
                    self._written[trial] = epoch
                    count += 1
        for writer in self._writers.values():
            writer.flush()
        return count

    def _append(self, trial: str, row: dict[str, Any], at: float) -> None:
        for side, (nll, loss) in SIDES.items():
            self._add(
                f"{trial}/{side}", {"nll": row[nll], "loss": row[loss]}, row["images_seen"], at
            )
        self._add(f"{trial}/valid", {name: row.get(name) for name in ALONE}, row["images_seen"], at)

    def _add(self, name: str, values: dict[str, Any], step: int, at: float) -> None:
        from tensorboardX import SummaryWriter

        if name not in self._writers:
            self._writers[name] = SummaryWriter(str(self._place / name), flush_secs=3600)
        for tag, value in values.items():
            if value is not None:
                self._writers[name].add_scalar(tag, value, step, walltime=at)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers.values():
            writer.close()


def _unix(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
