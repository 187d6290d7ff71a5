"""How Optuna's database is written: dozens of small commits a trial, each without a sync.

With SQLite's write-ahead log a commit survives the death of the process by itself, and a power cut
may take the last commits but never damages the file. Those that may not be lost are synced here;
for what else is, the records stand (search/reconcile.py).
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any


class WrittenAhead(sqlite3.Connection):
    """A connection that logs ahead, where the file system can; else with SQLite's own care."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",):
            self.execute("PRAGMA synchronous=NORMAL")


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
