"""Log of test-set evaluations: a test set that is evaluated often takes part in the choice.

Looks are counted per test set, by its digest, in one file beside the runs.
"""

import hashlib
from pathlib import Path
from typing import Any

from filelock import FileLock

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import locked
from captcha_models.errors import InputError
from captcha_models.words import counted
from search.store.jsonl import Table, read_table
from search.store.records import now

LEDGER_FILE = "test-looks.jsonl"


def locked_digest(images: LabelledImages) -> str:
    """Sha256 (hex) over names and pixels of the locked test images, whatever else there is."""
    state = hashlib.sha256()
    of = locked(images.units, images.parts)
    for name, pixels, is_locked in zip(images.names, images.pixels, of, strict=True):
        if is_locked:
            state.update(name.encode() + b"\0" + pixels.tobytes())
    return state.hexdigest()


class Ledger:
    """The looks at one test set."""

    def __init__(self, runs_dir: Path, digest: str) -> None:
        self.path = runs_dir / LEDGER_FILE
        self.digest = digest

    def looks(self) -> list[dict[str, Any]]:
        """The looks taken so far, in order."""
        rows = read_table(self.path) if self.path.exists() else []
        return [row for row in rows if row["digest"] == self.digest and row["event"] == "look"]

    def assert_free(self, plan: str, force: bool) -> None:
        """Refuse another look.

        Args:
            plan: what tells this look from others; one that was begun and not finished may go on.
            force: allow it all the same.

        Raises:
            InputError: the test set was looked at before.
        """
        earlier = self.looks()
        if force or not earlier or self._begun(plan):
            return
        last = earlier[-1]
        raise InputError(
            f"the locked test set was looked at on {last['time'][:16].replace('T', ' ')} by "
            f"{last['run']} ({counted(len(earlier), 'evaluation')} in {self.path}): another would "
            "let it choose; --no-test shows what it found, --force evaluates all the same, and is "
            "recorded"
        )

    def take(self, plan: str, run: str, force: bool, **about: Any) -> None:
        """Record a look, before it is taken; one that was begun and not finished just goes on.

        Args:
            plan: see `assert_free`.
            run: who looks.
            force: look although it was looked at before.
            about: further plain values for the record.

        Raises:
            InputError: the test set was looked at before.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            self.assert_free(plan, force)
            if not self._begun(plan):
                self._append("look", plan, run=run, forced=bool(self.looks()), **about)

    def finish(self, plan: str) -> None:
        """Record that a look is over: from now on the same plan is another look."""
        with FileLock(f"{self.path}.lock"):
            self._append("finished", plan)

    def _begun(self, plan: str) -> bool:
        rows = read_table(self.path) if self.path.exists() else []
        events = [r["event"] for r in rows if (r["digest"], r["plan"]) == (self.digest, plan)]
        return events[-1:] == ["look"]

    def _append(self, event: str, plan: str, **values: Any) -> None:
        with Table(self.path) as table:
            table.append(
                {"event": event, "digest": self.digest, "plan": plan, "time": now(), **values}
            )
