"""Estimate of the time left: near the truth on simulated and on recorded searches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heapreplace
from math import log
from pathlib import Path
from statistics import mean

import pytest

from search.store.estimate import Watched, time_left
from search.store.records import read_run
from search.tuning.settings import STOPPED

RESULTS = Path(__file__).parents[3] / "results"


@dataclass(frozen=True)
class Timed:
    """A trial as it came: its budget, its beginning and end, when each of its epochs ended."""

    epochs: int
    began: float
    ended: float
    reports: tuple[float, ...]
    seconds: tuple[float, ...]
    is_baseline: bool = False

    def at(self, time: float) -> Watched:
        done = sum(report <= time for report in self.reports)
        is_over = self.ended <= time
        last = self.reports[done - 1] if done else self.began
        return Watched(
            self.epochs, done, is_over, self.seconds[done - 1] if done else 0.0,
            self.seconds[0] if done else 0.0, 0.0 if is_over else time - last,
            self.ended - self.began if is_over else None, self.is_baseline,
        )  # fmt: skip


def simulated(
    lasting: Sequence[int], epochs: int, paces: Sequence[float], lanes: int = 2,
    start_s: float = 8.0, warm_s: float = 4.0,
) -> list[Timed]:  # fmt: skip
    """Trials of so many epochs each, which begin when a lane is free."""
    free, found = [0.0] * lanes, []
    for lasts, pace in zip(lasting, paces, strict=True):
        began = free[0]
        seconds = tuple(warm_s + pace * (i + 1) for i in range(lasts))
        reports = tuple(began + start_s + one for one in seconds)
        found.append(Timed(epochs, began, reports[-1], reports, seconds))
        heapreplace(free, reports[-1])
    return found


def recorded(run: str, space: str) -> list[Timed]:
    """The trials of a recorded search; of each epoch it is known how long before the end it was."""
    records = read_run(RESULTS / run)
    rows = [row for row in records.trials.values() if row["space"] == space]
    first = min(datetime.fromisoformat(row["started"]) for row in rows)
    found = []
    for row in rows:
        began, ended = (
            (datetime.fromisoformat(row[key]) - first).total_seconds()
            for key in ("started", "ended")
        )
        seconds = [one["seconds"] for _, one in sorted(records.epochs[row["trial"]].items())]
        reports = tuple(ended - seconds[-1] + one for one in seconds)
        found.append(
            Timed(row["config"]["epochs"], began, ended, reports, tuple(seconds), row["baseline"])
        )
    return found


def ratios(trials: Sequence[Timed], stops: dict[int, float], lanes: int = 2) -> list[float]:
    """Estimated by true time left, every 30 s; the end hangs on whether one trial is stopped."""
    end, found = max(one.ended for one in trials), []
    for time in range(60, int(0.8 * end), 30):
        begun = [one.at(time) for one in trials if one.began <= time]
        left = time_left(begun, len(trials) - len(begun), lanes, stops)
        assert left is not None
        found.append(left / (end - time))
    return found


@pytest.mark.parametrize("pace", [4.0, 12.0, 25.0])
@pytest.mark.parametrize(
    ("lasting", "stops"),
    [([10] * 8, {}), ([10, 5, 10, 5, 8, 10, 5, 10], {5: STOPPED, 8: STOPPED})],
    ids=["all whole", "some stopped"],
)
def test_near_the_truth_from_the_second_minute_on(
    pace: float, lasting: list[int], stops: dict[int, float]
) -> None:
    trials = simulated(
        lasting, 10, [pace * factor for factor in (1.2, 0.9, 1, 1.1, 0.9, 1, 1, 0.9)]
    )
    found = ratios(trials, stops)
    assert len(found) > 2
    assert all(0.7 < ratio < 1.3 for ratio in found), found


def test_recorded_searches_nearer_than_by_the_share_of_trials_done() -> None:
    """As long for each trial as so far counts a warming up as if each epoch had one."""
    errors, formers = [], []
    for space in ("crnn", "pooled", "spatial"):
        trials = recorded("real", space)
        end = max(one.ended for one in trials)
        times = range(60, int(0.8 * end), 30)
        for time, ratio in zip(times, ratios(trials, {8: STOPPED, 12: STOPPED}), strict=True):
            begun = [one.at(time) for one in trials if one.began <= time]
            done = sum(1.0 if one.ended else one.done / one.epochs for one in begun)
            errors.append(abs(log(ratio)))
            formers.append(abs(log((len(trials) - done) * time / done / (end - time))))
    assert mean(errors) < 0.5 * mean(formers)
    assert mean(error < log(1.3) for error in errors) > 0.7


def test_a_first_epoch_of_a_few_seconds_tells_nothing() -> None:
    warming = Watched(10, 1, seconds=6.0, first_s=6.0)
    assert time_left([warming], 7, 2) is None
    assert time_left([], 8, 2) is None
    long = Watched(10, 1, seconds=40.0, first_s=40.0)
    assert time_left([long], 0, 1) == pytest.approx(9 * 40.0)


def test_the_epoch_under_way_counts_and_a_late_one_does_not_go_below_the_next() -> None:
    def left(since_s: float) -> float | None:
        return time_left([Watched(10, 5, seconds=50.0, first_s=10.0, since_s=since_s)], 0, 1)

    assert left(4.0) == pytest.approx(46.0)
    assert left(300.0) == pytest.approx(40.0)


def test_running_trials_that_passed_a_rung_count_against_stopping() -> None:
    """Those that are stopped end first: by ended trials alone all would be stopped."""
    stopped = Watched(10, 5, ended=True, seconds=50.0, first_s=10.0, took_s=50.0)
    passed = [Watched(10, 7, seconds=70.0, first_s=10.0)] * 3
    alone = time_left([stopped], 4, 1)
    both = time_left([stopped, *passed], 4, 1)
    assert alone is not None
    assert both is not None
    rest = both - sum(30.0 for _ in passed)
    # One of one, and of four: with four more that are not stopped there.
    assert alone == pytest.approx(4 * 10.0 * (5 + 5 * 0.8))
    assert rest == pytest.approx(4 * 10.0 * (5 + 5 * 0.875))


def test_the_pace_of_the_baseline_is_not_that_of_others() -> None:
    slow = Watched(10, 2, seconds=80.0, first_s=40.0, is_baseline=True)
    assert time_left([slow], 1, 2) == pytest.approx(400.0)  # All there is to go by.
    fast = Watched(10, 2, seconds=20.0, first_s=10.0)
    assert time_left([slow, fast], 4, 2) == pytest.approx(8 * 40.0 + 10 * 10.0)


def test_lanes_are_filled_as_they_fall_free_and_nothing_open_is_no_time() -> None:
    running = [
        Watched(10, 9, seconds=90.0, first_s=10.0),
        Watched(10, 2, seconds=20.0, first_s=10.0),
    ]
    assert time_left(running, 1, 2) == pytest.approx(110.0)
    assert time_left([Watched(10, 10, ended=True, seconds=100.0, first_s=10.0)], 0, 2) == 0.0


def test_a_space_that_has_not_begun_is_taken_to_be_like_the_others() -> None:
    other = Watched(10, 10, ended=True, seconds=100.0, first_s=10.0, took_s=104.0)
    assert time_left([], 2, 2, like=[other]) == pytest.approx(104.0)


def test_thousands_of_trials_are_told_in_a_moment() -> None:
    """The driver asks every two seconds."""
    from time import perf_counter

    trials = [Watched(12, 1 + i % 12, ended=i > 30, seconds=60.0, first_s=5.0) for i in range(5000)]
    began = perf_counter()
    assert time_left(trials, 5000, 30) is not None
    assert perf_counter() - began < 1.0
