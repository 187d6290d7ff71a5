"""Monitor of running trials and machines: their cost, silence, and what waits for resources."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from captcha_models.words import counted
from search.cluster.connection import Node, Share, machines_up

LOOK_EVERY_S = 5.0
SAY_EVERY_S = 60.0
PATIENCE_S = 20.0
"""Seconds a trial may wait before the reason is printed; a worker takes some to start."""


@dataclass
class _Trial:
    """One that is under way: when it was last heard of, and what it has cost."""

    heard: float
    gpu_seconds: float = 0.0
    cost: float = 0.0


@dataclass
class Monitor:
    """Told of trials by the recorder, and called at each of Ray Tune's steps.

    Attributes:
        prices: money per hour of a machine, by its kind in the cluster's file; under "" of any
            other kind. Empty if not given.
        max_cost: money that a run may cost; None is no limit.
        stall_s: seconds without a report after which a trial is started again; None is never.
        share: what each trial holds.
        say: prints one line.
        spent: money that all machines together have cost so far, earlier sessions' too.
        gpu_seconds: seconds that trials have held a GPU in this session.
    """

    prices: Mapping[str, float]
    max_cost: float | None
    stall_s: float | None
    share: Share
    say: Callable[[str], None]
    spent: float = 0.0
    gpu_seconds: float = 0.0
    _trials: dict[str, _Trial] = field(default_factory=dict)
    _waiting: dict[str, float] = field(default_factory=dict)
    _nodes: tuple[Node, ...] = ()
    _growth: int = 0
    _looked: float | None = None
    _said: float = 0.0

    @property
    def cost_reached(self) -> bool:
        """Whether the run has cost as much as it may."""
        return self.max_cost is not None and self.spent >= self.max_cost

    def started(self, name: str) -> None:
        """A trial starts, or starts again."""
        self._trials.setdefault(name, _Trial(0.0)).heard = time.monotonic()
        self._waiting.pop(name, None)

    def heard(self, name: str, address: str) -> None:
        """A trial has reported from the machine there; what it has held goes on its bill."""
        trial, now = self._trials.setdefault(name, _Trial(time.monotonic())), time.monotonic()
        took, trial.heard = now - trial.heard, now
        held = took * self.share.gpus
        trial.gpu_seconds += held
        self.gpu_seconds += held
        for node in self._nodes:
            if node.address == address:
                trial.cost += took / 3600 * self._price(node) * self._part(node)

    def ended(self, name: str) -> dict[str, Any]:
        """What a trial has cost, for its record; the money is None if no price is known."""
        trial = self._trials.pop(name, _Trial(0.0))
        money = round(trial.cost, 6) if self.prices else None
        return {"gpu_seconds": round(trial.gpu_seconds, 3), "cost": money}

    def step(self, trials: Sequence[Any]) -> None:
        """Look at the machines now and then; start the silent again; say why others wait.

        Args:
            trials: Ray Tune's own.
        """
        now = time.monotonic()
        if self._looked is not None and now - self._looked < LOOK_EVERY_S:
            return
        self._nodes, self._growth = machines_up()
        if self._looked is not None:
            hour = (now - self._looked) / 3600
            self.spent += hour * sum(map(self._price, self._nodes))
        self._looked = now
        for trial in trials:
            if trial.status == "RUNNING":
                self._wake(trial, now)
        self._tell_waiting([t.config["trial"] for t in trials if t.status == "PENDING"], now)

    def _wake(self, trial: Any, now: float) -> None:
        """End the worker of a trial that is silent; Ray Tune tries it again elsewhere."""
        name = trial.config["trial"]
        known = self._trials.get(name)
        if self.stall_s is None or known is None or now - known.heard < self.stall_s:
            return
        actor = trial.temporary_state.ray_actor
        if actor is not None:
            import ray

            self.say(
                f"{name} has not reported for {(now - known.heard) / 60:.1f} min: it is started "
                "again from its last checkpoint"
            )
            known.heard = now
            ray.kill(actor)

    def _tell_waiting(self, names: list[str], now: float) -> None:
        self._waiting = {name: self._waiting.get(name, now) for name in names}
        long = [name for name, since in self._waiting.items() if now - since >= PATIENCE_S]
        if long and now - self._said >= SAY_EVERY_S:
            self._said = now
            self.say(f"waiting: {', '.join(long[:4])}{', ...' * (len(long) > 4)}: {self._why()}")

    def _why(self) -> str:
        gpus = f" and {self.share.gpus:g} GPU" * bool(self.share.gpus)
        wish = f"each asks for {counted(self.share.cpus, 'CPU')}{gpus}"
        if self._growth:
            return f"{wish}; a machine is to be added (up to {self._growth} more)"
        if not any(map(self.share.fits, self._nodes)):
            return f"{wish}; no machine that is up can hold that"
        return f"{wish}; all machines are in use"

    def _price(self, node: Node) -> float:
        return self.prices.get(node.kind, self.prices.get("", 0.0))

    def _part(self, node: Node) -> float:
        """The share of a machine that one trial holds."""
        cpus = self.share.cpus / node.cpus if node.cpus else 0.0
        gpus = self.share.gpus / node.gpus if node.gpus else 0.0
        return min(1.0, max(cpus, gpus))
