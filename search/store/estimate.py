"""Estimate of the time that a search still takes, from what its trials have taken so far.

Trials differ in how long an epoch takes and in how many they are given: some are stopped early.
How many is told as survival is, by all trials that came so far, running ones among them: those that
end early end first, so that a mean over ended trials alone would be too short.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from statistics import mean

LONG_S = 15.0
"""Warming up takes seconds: of a first epoch that takes so long it is a small part."""
WEIGHT = 4.0
"""Trials that what is expected of a rung counts as, beside those that were seen there."""


@dataclass(frozen=True)
class Watched:
    """What is known of a trial.

    Attributes:
        epochs: its full budget.
        done: epochs that are finished.
        ended: whether no more will come.
        seconds: of training, until the last finished epoch.
        first_s: of those, the first epoch's, in which a training warms up.
        since_s: seconds since it began or last reported; 0 while it waits.
        took_s: from its beginning to its end by the clock, if it ended in this session.
        is_baseline: whether it is the source's own settings, which say nothing of the pace of those
            that are still to be proposed.
        steps_s: seconds that the steps of the epoch under way take, if they tell.
    """

    epochs: int
    done: int = 0
    ended: bool = False
    seconds: float = 0.0
    first_s: float = 0.0
    since_s: float = 0.0
    took_s: float | None = None
    is_baseline: bool = False
    steps_s: float | None = None

    @property
    def later_s(self) -> float | None:
        """Seconds of an epoch after the first; None if there was none."""
        return (self.seconds - self.first_s) / (self.done - 1) if self.done > 1 else None

    @property
    def epoch_s(self) -> float | None:
        """Seconds of an epoch, if what is known of them means anything."""
        if self.done > 1:
            return self.later_s
        told = self.done and (self.ended or self.first_s >= LONG_S)
        return self.first_s if told else self.steps_s


def time_left(
    trials: Sequence[Watched],
    to_come: int,
    at_a_time: int,
    stops: Mapping[int, float] | None = None,
    like: Sequence[Watched] = (),
) -> float | None:
    """Seconds until all trials have ended; None while there is nothing to go by.

    Args:
        trials: all that have begun, ended ones among them; those that run before those that wait.
        to_come: how many others are still to begin.
        at_a_time: how many run beside each other.
        stops: the share of trials that is expected to be stopped after an epoch.
        like: trials to go by until these tell something.
    """
    known = trials if any(one.epoch_s is not None for one in trials) else [*trials, *like]
    opened = [one for one in trials if not one.ended]
    if not (opened or to_come > 0):
        return 0.0
    pace = _pace(known)
    if pace is None:
        return None
    survival = _Survival(known, stops or {})
    start_s = _start_s(known)
    lanes = [0.0] * max(1, at_a_time)
    for one in opened:
        own = one.epoch_s or pace
        ahead = survival.ahead(one.done, one.epochs) * own + (0.0 if one.done else start_s)
        # The epoch under way may take longer than others, but those after it come for certain.
        heapreplace(lanes, lanes[0] + max(ahead - one.since_s, ahead - own - start_s, 0.0))
    budgets = Counter(one.epochs for one in known)
    epochs = sum(num * survival.ahead(0, budget) for budget, num in budgets.items()) / len(known)
    usual = _pace([one for one in known if not one.is_baseline]) or pace
    new = start_s + usual * survival.begins * epochs
    for _ in range(to_come):
        heapreplace(lanes, lanes[0] + new)
    return max(lanes)


class _Survival:
    """How many of the trials that finish an epoch go on to the next."""

    def __init__(self, trials: Sequence[Watched], stops: Mapping[int, float]) -> None:
        early = Counter(one.done for one in trials if one.ended and one.done < one.epochs)
        further = Counter(one.done for one in trials)
        decided, self._goes_on = 0, [1.0] * (1 + max(one.epochs for one in trials))
        for epoch in range(max(len(self._goes_on), *further), -1, -1):
            # Of a trial that runs nothing is known but that it went on so far.
            if epoch < len(self._goes_on):
                stopped = early[epoch] + WEIGHT * stops.get(epoch, 0.0)
                self._goes_on[epoch] -= stopped / (decided + early[epoch] + WEIGHT)
            decided += further[epoch]

    @property
    def begins(self) -> float:
        """The share of trials that do not fail before their first epoch."""
        return self._goes_on[0]

    def ahead(self, done: int, epochs: int) -> float:
        """Epochs that are still to be expected of a trial that goes on after so many."""
        alive, total = 1.0, 0.0
        for epoch in range(done + 1, epochs + 1):
            total += alive
            alive *= self._goes_on[epoch]
        return total


def _pace(trials: Sequence[Watched]) -> float | None:
    """Seconds of an epoch; the first ones, in which a training warms up, where there are others."""
    later = [(one.seconds - one.first_s, one.done - 1) for one in trials if one.done > 1]
    first = [(epoch_s, 1) for one in trials if (epoch_s := one.epoch_s) is not None]
    found = later or first
    return sum(s for s, _ in found) / sum(n for _, n in found) if found else None


def _start_s(trials: Sequence[Watched]) -> float:
    """Seconds of a trial beside its epochs: its worker starts, its first epoch warms up."""
    whole = [
        one.took_s - one.done * own
        for one in trials
        if one.took_s is not None and (own := one.epoch_s) is not None
    ]
    warm = [one.first_s - later for one in trials if (later := one.later_s) is not None]
    found = whole or warm
    return max(0.0, mean(found)) if found else 0.0
