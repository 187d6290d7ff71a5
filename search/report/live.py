"""Live page of a run: the report as it is at each request, served while the search goes on.

    /        the page, as `--html` writes it, that asks for what has changed
    /state   what the search is doing, and the version of what can be read of the run
    /report  the page again, without the library that draws figures

What a search is writing is read as far as it is whole. Importances take seconds of a processor that
the search needs: they are computed beside the answers, and again when a tenth more trials have
ended.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from captcha_models.commands import command
from captcha_models.errors import InputError
from captcha_models.words import counted
from search.report import formats
from search.report.advice import SILENT
from search.report.loader import Run, clean
from search.report.page import page
from search.report.parameters import importance
from search.report.report import Report
from search.store.records import whole
from search.store.status import STATUS_FILE
from search.store.test_set_log import LEDGER_FILE

GROWTH = 1.1
"""Importances are computed again when so many times the trials have ended."""
SOURCES = ("run.json", "trials.jsonl", "epochs.jsonl", "*readings.jsonl", "predictions.jsonl",
           "valid.json", "confirmed/**/*.json*")  # fmt: skip
"""What the page shows; status.json, which is written every few seconds, is told by /state."""

Start = Callable[..., Any]


class Live:
    """A WSGI application of the page; see the module's text.

    Args:
        run: the run folder.
        images: with the pictures of misread images.

    Raises:
        InputError: no run folder, or one that cannot be read.
    """

    def __init__(self, run: Path, *, images: bool = True) -> None:
        self._run, self._images = run, images
        self._importances = Importances()
        self._lock = Lock()
        self._made: tuple[str, Report] | None = None
        self._report()

    def __call__(self, environ: Mapping[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request."""
        answers = {"/": self._page, "/report": self._changed, "/state": self._state}
        answer = answers.get(environ["PATH_INFO"])
        if answer is None:
            return _send(start, "404 Not Found", "text/plain", "there is nothing here: /")
        try:
            return answer(start)
        except (InputError, OSError) as error:
            return _send(start, "503 Service Unavailable", "text/plain", str(error))

    def _page(self, start: Start) -> Iterable[bytes]:
        return self._html(start, whole=True)

    def _changed(self, start: Start) -> Iterable[bytes]:
        return self._html(start, whole=False)

    def _state(self, start: Start) -> Iterable[bytes]:
        found = {"version": self._version(), "says": says(self._run)}
        return _send(start, "200 OK", "application/json", json.dumps(found))

    def _html(self, start: Start, *, whole: bool) -> Iterable[bytes]:
        with self._lock:
            version, report = self._report()
            live = {
                "version": version,
                "says": says(self._run),
                "command": command("search.analyse", self._run, "--serve"),
            }
            text = page(report, images=self._images, live=live, whole=whole)
        return _send(start, "200 OK", "text/html", text, ("X-Version", version))

    def _report(self) -> tuple[str, Report]:
        # What is written between the two is a newer version, and read the next time.
        version = self._version()
        if self._made is None or self._made[0] != version:
            with whole(self._run):
                report = Report(Report.of(self._run).run, self._importances.of)
                # All that may be missing is missed here, in one line.
                report.to_json()
            self._made = version, report
        return self._made

    def _version(self) -> str:
        files = [file for pattern in SOURCES for file in sorted(self._run.glob(pattern))]
        found = [str(self._importances.generation)]
        for file in (*files, self._run.resolve().parent / LEDGER_FILE):
            try:
                stat = file.stat()
            except OSError:
                continue
            found.append(f"{file.name} {stat.st_size} {stat.st_mtime_ns}")
        return sha256("\n".join(found).encode()).hexdigest()[:16]


class Importances:
    """Importances of each space's parameters, computed in a thread when enough trials have ended.

    Attributes:
        generation: how many have been computed.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._lock = Lock()
        self._found: dict[str, tuple[int, dict[str, Any]]] = {}
        self._begun: dict[str, int] = {}

    def of(self, run: Run, space: str, board: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """As `parameters.importance` has it, of the trials that had ended when it was computed."""
        ended = sum(row["state"] in ("completed", "stopped") for row in board)
        sessions = run.about["sessions"]
        running = bool(sessions) and sessions[-1].get("ended") is None
        with self._lock:
            begun = self._begun.get(space)
            if begun is None or (ended >= begun * GROWTH if running else ended != begun):
                self._begun[space] = ended
                Thread(target=self._compute, args=(run, space, board, ended), daemon=True).start()
            if space in self._found:
                return self._found[space][1]
        note = "This takes some seconds: it is being computed."
        return {"shares": {}, "telling": [], "chance": None, "num_trials": ended, "note": note}

    def _compute(
        self, run: Run, space: str, board: Sequence[Mapping[str, Any]], ended: int
    ) -> None:
        found = importance(run, space, board)
        with self._lock:
            if ended >= self._found.get(space, (0,))[0]:
                self._found[space] = ended, found
            self.generation += 1


def says(run: Path) -> str:
    """What the search is doing, in a line: from its status, or that there is none."""
    try:
        found = clean(json.loads((run / STATUS_FILE).read_text(encoding="utf-8")))
        state, trials = found["state"], found["trials"]
        progress = f"{trials['ended']} of {counted(trials['wanted'], 'trial')} ended"
        if state != "running":
            return f"The search is {state}: {progress}."
        silent = datetime.now(UTC) - datetime.fromisoformat(found["updated"])
        if silent > SILENT:
            return f"The search was killed: {progress}."
        parts = [progress]
        parts += [f"{one['trial']} at epoch {one['epoch']} of {one['epochs']}"
                  for one in found["running"]]  # fmt: skip
        if found["left_s"] is not None:
            parts.append(f"about {formats.minutes(found['left_s'])} to go")
        return f"The search is running: {', '.join(parts)}."
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "The page follows the run folder."


def _send(
    start: Start, status: str, kind: str, text: str, *headers: tuple[str, str]
) -> Iterable[bytes]:
    body = text.encode("utf-8", "backslashreplace")
    start(
        status,
        [
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            *headers,
        ],
    )
    return [body]
