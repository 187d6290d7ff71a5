"""Estimated against true time left of recorded searches, every 30 s, as a picture.

    python -m benchmarks.time_left RUN... [--out docs/time-left.png]

What the search knew at a moment is rebuilt from when its trials began, reported and ended; the
estimate is the live screen's own. Only runs of a single session tell, for one that was interrupted
has no true time left. Records hold no steps, by which a first epoch is told since.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from captcha_models.cli import command_line
from captcha_models.errors import InputError
from search.store.estimate import Watched, time_left
from search.store.records import Records, read_run
from search.tuning.settings import STOPPED, Settings

EVERY_S, FIRST_S = 30, 60
"""Moments, and the first that counts: the second minute begins."""
NEAR = 0.3


@dataclass(frozen=True)
class Timed:
    """A trial as it came, in seconds since its search began.

    Attributes:
        epochs: its full budget.
        began: when it was suggested.
        ended: when its end was recorded.
        seconds: of training until the end of each epoch.
        is_baseline: whether it is the source's own settings.
    """

    epochs: int
    began: float
    ended: float
    seconds: tuple[float, ...]
    is_baseline: bool

    def at(self, time: float) -> Watched:
        """What was known of it at a time after its beginning.

        Of each epoch it is recorded how long before the last one it ended.
        """
        if not self.seconds:
            over = self.ended <= time
            took = self.ended - self.began if over else None
            return Watched(self.epochs, 0, over, since_s=0 if over else time - self.began,
                           took_s=took, is_baseline=self.is_baseline)  # fmt: skip
        reports = [self.ended - self.seconds[-1] + one for one in self.seconds]
        done, over = sum(one <= time for one in reports), self.ended <= time
        last = reports[done - 1] if done else self.began
        return Watched(
            self.epochs,
            done,
            over,
            self.seconds[done - 1] if done else 0.0,
            self.seconds[0] if done else 0.0,
            0.0 if over else time - last,
            self.ended - self.began if over else None,
            self.is_baseline,
        )


@dataclass(frozen=True)
class Moment:
    """Seconds since the search began, and seconds left: estimated (None: not yet), and true."""

    time: float
    estimated: float | None
    true: float

    @property
    def is_near(self) -> bool:
        """Whether the estimate is within 30 % of the truth."""
        return self.estimated is not None and abs(self.estimated / self.true - 1) <= NEAR


def timed(records: Records) -> dict[str, list[Timed]]:
    """The trials of each space of a run, in the order in which they began.

    Raises:
        InputError: it took several sessions, or has not ended.
    """
    rows = list(records.trials.values())
    if len(records.run["sessions"]) != 1 or not rows or any(not row["ended"] for row in rows):
        raise InputError(f"{records.path}: a search that ended in its first session is needed")
    first = min(datetime.fromisoformat(row["started"]) for row in rows)
    found: dict[str, list[Timed]] = {space: [] for space in records.run["spaces"]}
    for row in sorted(rows, key=lambda row: str(row["started"])):
        began, ended = (
            (datetime.fromisoformat(row[key]) - first).total_seconds()
            for key in ("started", "ended")
        )
        epochs = sorted(records.epochs.get(row["trial"], {}).items())
        seconds = tuple(one["seconds"] for _, one in epochs)
        found[row["space"]].append(
            Timed(row["config"]["epochs"], began, ended, seconds, row["baseline"])
        )
    return found


def moments(records: Records) -> list[Moment]:
    """What the screen said and what was true, every 30 s from the second minute on."""
    spaces = timed(records)
    settings = Settings.parse({k: v for k, v in records.run["settings"].items() if k != "data"})
    stops = dict.fromkeys(settings.rungs, STOPPED)
    end = max(one.ended for trials in spaces.values() for one in trials)
    found, most = [], 0
    for time in range(FIRST_S, math.ceil(end), EVERY_S):
        begun = {
            name: [one.at(time) for one in trials if one.began <= time]
            for name, trials in spaces.items()
        }
        # As the session's status has it: search/store/status.py.
        every = [one for trials in begun.values() for one in trials]
        most = max(most, sum(not one.ended for one in every))
        parts = [
            time_left(trials, settings.trials - len(trials), most, stops, every)
            for trials in begun.values()
        ]
        known = [part for part in parts if part is not None]
        left = sum(known) if len(known) == len(parts) else None
        found.append(Moment(time, left, end - time))
    return found


def draw(runs: dict[str, list[Moment]], out: Path) -> None:
    """One panel a run: both times left in minutes, and 30 % about the truth."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(runs), figsize=(3.4 * len(runs), 3.2), squeeze=False, layout="constrained"
    )
    for panel, (name, points) in zip(panels[0], runs.items(), strict=True):
        times = [one.time / 60 for one in points]
        true = [one.true / 60 for one in points]
        low, high = ([(1 + side * NEAR) * one for one in true] for side in (-1, 1))
        panel.fill_between(times, low, high, color="#bbbbbb", alpha=0.5, label="within 30 %")
        panel.plot(times, true, color="#444444", linewidth=1, label="true")
        shown = [math.nan if one.estimated is None else one.estimated / 60 for one in points]
        panel.plot(times, shown, color="#1f6fb4", marker=".", markersize=4, label="estimated")
        near = sum(one.is_near for one in points)
        panel.set_title(f"{name}: {near} of {len(points)}", fontsize=9)
        panel.set_xlabel("minutes of the search")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("minutes left")
    panels[0][0].legend(fontsize=8)
    figure.savefig(out, dpi=90)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Picture, as PNG.")
def main(runs: Sequence[Path], out: Path | None) -> None:
    """Compare the estimates of RUNS, folders of ended searches, with what was true."""
    found = {path.name: moments(read_run(path)) for path in runs}
    for name, points in found.items():
        first = points[: math.ceil(len(points) / 2)]
        click.echo(
            f"{name}: {sum(one.is_near for one in points)} of {len(points)} moments from the "
            f"second minute on within {NEAR:.0%} of the truth; in the first half "
            f"{sum(one.is_near for one in first)} of {len(first)}"
        )
    every = [one for points in found.values() for one in points]
    near = sum(one.is_near for one in every)
    click.echo(f"together: {near} of {len(every)}, {100 * near / len(every):.1f} %")
    if out:
        draw(found, out)
        click.echo(f"wrote {out}", err=True)


if __name__ == "__main__":
    command_line(main)
