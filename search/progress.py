"""One quiet live table on standard error; without a terminal, a line now and then."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search.records import Records
from search.results import METRICS, counts, ranking, state_of

LINE_EVERY_S = 30.0


class Progress:
    """Shows how a search goes; reads the records, decides nothing.

    Args:
        records: kept up to date by the recorder.
        trials: how many each space is to have.
        epochs: full budget of a trial whose configuration does not say.
        console: where to draw; standard error by default.
    """

    def __init__(
        self, records: Records, trials: int, epochs: int, console: Console | None = None
    ) -> None:
        self._records = records
        self._trials = trials
        self._epochs = epochs
        self._console = console or Console(stderr=True)
        self._start = time.monotonic()
        self._next_line = self._start + LINE_EVERY_S
        self._running: dict[str, None] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._draw,
                refresh_per_second=2,
                transient=True,
            )
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def update(self, *, running: str | None = None, ended: str | None = None) -> None:
        """Note that a trial runs, or has ended."""
        if running:
            self._running[running] = None
        if ended:
            self._running.pop(ended, None)
            if not self._live and ended in self._records.trials:
                self._say(self._ending(ended))
        self.tick()

    def tick(self) -> None:
        """Print a line when the last is long ago and there is no live table."""
        if not self._live and time.monotonic() >= self._next_line and self._running:
            self._say("running: " + ", ".join(f"{t} {self._at(t)}" for t in self._running))

    def _say(self, line: str) -> None:
        self._console.print(
            f"[{self._clock()}] {line}", markup=False, highlight=False, soft_wrap=True
        )
        self._next_line = time.monotonic() + LINE_EVERY_S

    def _ending(self, trial: str) -> str:
        row = self._records.trials[trial]
        text = f"{trial} {state_of(row)} at {self._at(trial)}"
        why = row["error"] or row.get("reason")
        return f"{text}: {why}" if why else text

    def _at(self, trial: str) -> str:
        epoch = self._records.last_epoch(trial)
        metrics = self._records.epochs[trial][epoch] if epoch else {}
        epochs = self._records.trials[trial]["config"].get("epochs", self._epochs)
        return f"epoch {epoch}/{epochs}" + _figures(metrics)

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"

    def _draw(self) -> Group:
        table = Table(box=None, pad_edge=False, title_justify="left")
        for name in ("space", "done", "completed", "stopped", "failed", "best so far"):
            table.add_column(name, justify="left" if name[0] in "b" else "right", no_wrap=True)
        for space in self._records.run["spaces"]:
            found = counts(self._records, space)
            ended = found["completed"] + found["stopped"] + found["failed"]
            first = next(iter(ranking(self._records, space)), None)
            best = ""
            if first:
                best = first[0] + _figures(self._records.epochs[first[0]][first[1]])
            states = (str(found[s]) for s in ("completed", "stopped", "failed"))
            table.add_row(space, f"{ended}/{self._trials}", *states, best)
        lines = [Text(f"  {trial}  {self._at(trial)}") for trial in list(self._running)[:8]]
        return Group(table, *lines, Text(f"{self._clock()} elapsed", style="dim"))


def _figures(metrics: dict[str, Any]) -> str:
    """`, valid_nll 0.1, gap 0.05, accuracy 97.1 %` of an epoch."""
    if not metrics or any(metrics[name] is None for name in METRICS[:4]):
        return ""
    accuracy = 100 * metrics["valid_captcha_accuracy"]
    return (
        f", valid_nll {metrics['valid_nll']:.4g}, gap {metrics['gap']:.3g}, "
        f"captcha accuracy {accuracy:.1f} %"
    )
