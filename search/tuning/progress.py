"""Progress of a session: a live table on a terminal, elsewhere a line now and then; its status.

A live table is drawn in a thread of its own, from the last status; only the status reads records.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from captcha_models.errors import one_line
from captcha_models.secrets import hide
from search.store.leaderboard import METRICS, is_starting_point, state_of
from search.store.records import Records
from search.store.status import EVERY_S, RunState, Status, Step
from search.tuning.steps import Steps
from search.tuning.stopping import Stopping

LINE_EVERY_S = 60.0
SHOWN = 8
"""Running trials in the live table, or in a line."""
LIST = "list"
"""What a list of trials has in the place of a space."""
MARK = "*"
"""Of a trial that was put in by hand: what it reads the search has not found."""


class Progress:
    """Progress of a session on the screen, and its status file; decides nothing.

    Args:
        records: kept up to date by the recorder.
        trials: how many each space is to have.
        epochs: full budget of a trial whose configuration does not say.
        console: where to draw; standard error by default.
        stopping: knows whether the search was interrupted.
        ends: `time.monotonic()` at which the time budget is spent; None is never.
        stops: the share of trials that is expected to be stopped after an epoch.
        steps: hears of epochs under way; by default of none.
    """

    def __init__(
        self,
        records: Records,
        trials: int,
        epochs: int,
        console: Console | None = None,
        *,
        stopping: Stopping | None = None,
        ends: float | None = None,
        stops: Mapping[int, float] | None = None,
        steps: Steps | None = None,
    ) -> None:
        self.steps = steps or Steps(None)
        self._records = records
        self._console = console or Console(stderr=True)
        self._stopping = stopping
        self._status = Status(records, trials, epochs, ends, stops, self.steps.of)
        self._running: dict[str, None] = {}
        self._found = self._status.now(())
        self._next_status = 0.0
        self._next_line = LINE_EVERY_S
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._refresh()
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
        self._running.clear()
        state: RunState = "failed" if error or self._status.all_failed() else "finished"
        if isinstance(error, KeyboardInterrupt) or (self._stopping and self._stopping.interrupted):
            state, error = "interrupted", None
        self._refresh(state, one_line(error) if error else None)

    def update(self, *, running: str | None = None, ended: str | None = None) -> None:
        """Note that a trial runs, or has ended."""
        if running:
            self._running[running] = None
        if ended:
            self._running.pop(ended, None)
            if not self._live and ended in self._records.trials:
                self._say(self._ending(ended))
        self._refresh()
        self.tick()

    def tick(self) -> None:
        """Keep the status fresh; print lines when the last are long ago and there is no table."""
        if self._status.elapsed_s >= self._next_status:
            self._refresh()
        if not self._live and self._status.elapsed_s >= self._next_line and self._running:
            self._say(self._summary())

    def _refresh(self, state: RunState = "running", error: str | None = None) -> None:
        self._found = self._status.now(self._running, state, error)
        self._status.write(self._found)
        self._next_status = self._status.elapsed_s + EVERY_S

    def _say(self, line: str) -> None:
        elapsed = self._status.elapsed_s
        self._console.print(
            f"[{_clock(elapsed)}] {hide(line)}", markup=False, highlight=False, soft_wrap=True
        )
        self._next_line = elapsed + LINE_EVERY_S

    def _ending(self, trial: str) -> str:
        row = self._records.trials[trial]
        # A trial of a list is known by what it says of itself.
        name = f"{row['says']}:" if "says" in row else trial
        text = f"{name} {state_of(row)} at {self._at(trial)}"
        why = row["error"] or row.get("reason")
        return f"{text}: {why}" if why else text

    def _at(self, trial: str) -> str:
        epoch = self._records.last_epoch(trial)
        metrics = self._records.epochs[trial][epoch] if epoch else {}
        return f"epoch {epoch}/{self._status.epochs_of(trial)}" + _figures(metrics)

    def _draw(self) -> Group:
        found = self._found
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for name in ("space", "ended", "completed", "stopped", "failed", "best", "valid nll",
                     "gap", "captchas"):  # fmt: skip
            left = name in ("space", "best")
            table.add_column(name, justify="left" if left else "right", no_wrap=True)
        for space, part in found["spaces"].items():
            states, best = part["trials"], part["best"]
            cells = [f"{states['ended']}/{states['wanted']}"]
            cells += [str(states[state]) for state in ("completed", "stopped", "failed")]
            # Trainings of a list differ in their folds: none is the best.
            if best and space != LIST:
                cells += [
                    self._marked(best["trial"]),
                    f"{best['valid_nll']:.4f}",
                    f"{best['gap']:.4f}",
                ]
                cells.append(f"{100 * best['valid_exact_match']:.1f} %")
            table.add_row("trainings" if space == LIST else space, *cells)
        # The clock goes on between two of them.
        waited = self._status.elapsed_s - found["elapsed_s"]
        width = self._console.width
        lines = [
            Text(_fitted(f"  {self._marked(row['trial'])}  ", self._under_way(row, waited), width))
            for row in found["running"][:SHOWN]
        ]
        if more := found["running"][SHOWN:]:
            lines.append(Text(f"  and {len(more)} more"))
        shown = [row["trial"] for row in found["running"][:SHOWN]]
        shown += [part["best"]["trial"] for part in found["spaces"].values() if part["best"]]
        if any(is_starting_point(self._records, trial) for trial in shown):
            lines.append(Text(f"{MARK} starting point: put in by hand, not found", style="dim"))
        parts = [f"{_clock(self._status.elapsed_s)} elapsed", *_pace(found, waited)]
        lines.append(Text(", ".join(parts), style="dim"))
        if found["last_error"]:
            text = Text(hide(_error(found)), style="red", overflow="ellipsis", no_wrap=True)
            lines.append(text)
        return Group(table, *lines)

    def _under_way(self, row: Mapping[str, Any], waited_s: float) -> list[str]:
        """How far a trial is: by its steps, or by what an epoch took before."""
        done, epochs = row["epoch"], row["epochs"]
        if done >= epochs:
            return [f"epoch {done}/{epochs}"]
        step = self.steps.of(row["trial"], done + 1)
        since_s, epoch_s = row["since_s"] + waited_s, row["epoch_s"]
        if step and step.epoch_s and not done:
            # Before its first epoch a worker starts, and nobody knows how long scoring takes.
            since_s, epoch_s = step.seconds, step.epoch_s
        since = _duration(since_s)
        about = f" of about {_duration(epoch_s)}" if epoch_s else ""
        if step is None:
            return [f"epoch {done}/{epochs}, the next for {since}{about}"]
        speed = f"{step.images_per_s:,.0f} images/s" if step.images_per_s else ""
        return [part for part in (_at(step, epochs), f"{since}{about}", speed) if part]

    def _marked(self, trial: str) -> str:
        """What a trial is called: of a list by what it says of itself."""
        name: str = self._records.trials[trial].get("says", trial)
        return name + MARK * is_starting_point(self._records, trial)

    def _summary(self) -> str:
        """The status in one line."""
        found = self._found
        trials = found["trials"]
        states = [f"{trials[s]} {s}" for s in ("completed", "stopped", "failed") if trials[s]]
        ended = f"{trials['ended']} of {trials['wanted']} trials ended"
        parts = [f"{ended}: {', '.join(states)}" if states else ended]
        for part in found["spaces"].values():
            if part["best"]:
                point = " (a starting point)" * is_starting_point(
                    self._records, part["best"]["trial"]
                )
                parts.append(f"best {part['best']['trial']}{point}" + _figures(part["best"]))
        running = []
        for row in found["running"]:
            step = self.steps.of(row["trial"], row["epoch"] + 1)
            at = _at(step, row["epochs"]) if step else f"epoch {row['epoch']}/{row['epochs']}"
            running.append(f"{row['trial']} {at}")
        more = [f"{len(running) - SHOWN} more"] if running[SHOWN:] else []
        parts.append("running " + ", ".join([*running[:SHOWN], *more]))
        parts += _pace(found)
        if found["last_error"]:
            parts.append(_error(found))
        return "; ".join(parts)


def _at(step: Step, epochs: int) -> str:
    """The epoch under way, and the step in it; after its last one the epoch is scored."""
    whole = step.step == step.steps
    return f"epoch {step.epoch}/{epochs}: " + (
        "scoring" if whole else f"step {step.step:,}/{step.steps:,}"
    )


def _fitted(name: str, parts: Sequence[str], width: int) -> str:
    """As many parts after a name as a line has room for; the first in any case."""
    shown = list(parts)
    while len(shown) > 1 and len(name) + len(", ".join(shown)) > width:
        shown.pop()
    return name + ", ".join(shown)


def _pace(found: dict[str, Any], waited_s: float = 0.0) -> list[str]:
    """Time left, so long after the status was taken, and images per second, as far as known."""
    parts = []
    # What has taken longer than was thought says nothing of what is left.
    if found["left_s"] is not None and (left := found["left_s"] - waited_s) >= 1.0:
        parts.append(f"about {_duration(left)} left")
    if found["images_per_s"]:
        parts.append(f"{found['images_per_s']:,.0f} images/s")
    return parts


def _error(found: dict[str, Any]) -> str:
    last = found["last_error"]
    return f"last error: {last['trial']}: {last['error']}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _clock(elapsed_s: float) -> str:
    minutes, seconds = divmod(int(elapsed_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _figures(metrics: dict[str, Any]) -> str:
    """`, valid_nll 0.1, gap 0.05, accuracy 97.1 %` of an epoch."""
    if not metrics or any(metrics[name] is None for name in METRICS[:4]):
        return ""
    accuracy = 100 * metrics["valid_exact_match"]
    return (
        f", valid_nll {metrics['valid_nll']:.4g}, gap {metrics['gap']:.3g}, "
        f"captchas read {accuracy:.1f} %"
    )
