"""Replay: a search against recorded curves, the recorded seconds as its clock.

What proposes and what stops are the objects that run live; only trainings and the clock are played.
"""

import heapq
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.curves.surrogate import Played, Surrogate


class Method(Protocol):
    """A way to search: what proposes trials and what stops them."""

    def ask(self, name: str) -> tuple[Mapping[str, Any], int]:
        """The configuration of the next trial and the seed that it trains by."""

    def report(self, name: str, epoch: int, nll: float, seconds: float) -> bool:
        """Take in what a trial reports after an epoch; whether it goes on."""

    def tell(self, name: str) -> None:
        """Take in that a trial has ended."""


@dataclass(frozen=True)
class Step:
    """A moment at which the best trial became another one, or better.

    Attributes:
        seconds: since the search began.
        nll: nats that the best trial so far is expected to have, the luck of its seed left out.
        trials: begun by then.
    """

    seconds: float
    nll: float
    trials: int


@dataclass
class Incumbent:
    """The best trial so far, by what was reported: over time.

    Attributes:
        steps: each change.
    """

    steps: list[Step] = field(default_factory=list)
    _reported: float = math.inf

    def take(self, seconds: float, reported: float, expected: float, trials: int) -> None:
        """Take in a report."""
        if reported < self._reported:
            self._reported = reported
            self.steps.append(Step(seconds, expected, trials))

    def time_to(self, nll: float) -> float:
        """Seconds until the best trial is as good, and stays it; infinite if it never is."""
        reached = math.inf
        for step in self.steps:
            if step.nll > nll:
                reached = math.inf
            elif reached == math.inf:
                reached = step.seconds
        return reached

    def at(self, seconds: float) -> float:
        """Nats of the best trial at a time; infinite before the first report."""
        before = [step.nll for step in self.steps if step.seconds <= seconds]
        return before[-1] if before else math.inf


def play(
    method: Method, surrogate: Surrogate, workers: int, budget_s: float, repeat: int = 0
) -> Incumbent:
    """Search until the budget is spent.

    Args:
        method: begins anew.
        surrogate: what trials come to.
        workers: trials at a time.
        budget_s: seconds of the recorded clock.
        repeat: which of several searches it is: the trials of each have luck of their own.
    """
    found = Incumbent()
    numbers = itertools.count()
    events: list[tuple[float, int, str, int, Played]] = []

    def begin(now: float) -> None:
        number = next(numbers)
        name = f"trial-{number:04d}"
        config, seed = method.ask(name)
        played = surrogate.play(config, seed, repeat)
        heapq.heappush(events, (now + played.seconds[0], number, name, 1, played))

    for _ in range(workers):
        begin(0.0)
    while events:
        now, number, name, epoch, played = heapq.heappop(events)
        if now > budget_s:
            break
        nll = float(played.nll[epoch - 1])
        begun = number + 1
        found.take(now, nll, float(played.expected[epoch - 1]), begun)
        goes_on = method.report(name, epoch, nll, float(played.seconds[epoch - 1]))
        if goes_on and epoch < surrogate.epochs:
            step = float(played.seconds[epoch] - played.seconds[epoch - 1])
            heapq.heappush(events, (now + step, number, name, epoch + 1, played))
        else:
            method.tell(name)
            begin(now)
    return found
