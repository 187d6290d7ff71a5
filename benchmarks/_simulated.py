"""Workers that do not exist: in the place of Ray's, for Ray Tune's own loop around real trials.

Tune's controller, the searcher, the scheduler and the records are the real ones; only what happens
on workers is made up, from recorded curves, on a clock of its own. The clock moves by what the
driver spends, for it alone serves all workers, and jumps over the time in which it waits.
"""

import heapq
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.train._internal.session import _TrainingResult
from ray.tune import Checkpoint
from ray.tune.result import RESULT_DUPLICATE, SHOULD_CHECKPOINT

Curve = dict[int, dict[str, Any]]
"""Metrics of a recorded trial by epoch, from 1."""


class Worker:
    """One trial after another, on the simulated clock.

    Attributes:
        ready: when its last answer was ready, seconds.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self.ready = 0.0
        self.begin(given)

    def begin(self, given: dict[str, Any]) -> None:
        """Take up a trial."""
        self._config, self._storage = given["config"], given["storage"]
        self._epoch = 0
        self._last: dict[str, Any] = {}
        self._checkpoint: Checkpoint | None = None

    def train(self, curves: list[Curve], epochs: int, rungs: tuple[int, ...]) -> dict[str, Any]:
        """The report of the next epoch; the last once more when there is none."""
        if self._epoch == epochs:
            return {**self._last, "done": True, RESULT_DUPLICATE: True}
        self._epoch += 1
        curve = curves[self._config["number"] % len(curves)]
        recorded = curve[1 + (self._epoch - 1) * (len(curve) - 1) // max(1, epochs - 1)]
        metrics = {**recorded, "epoch": self._epoch}
        saving = self._epoch == epochs or self._epoch in rungs
        # As a Tune trainable reports it.
        self._last = {
            "epoch": self._epoch, "objective": metrics["valid_nll"], "metrics": metrics,
            "done": False, "training_iteration": self._epoch, "time_total_s": float(self._epoch),
            "time_this_iter_s": 1.0, "timestamp": int(time.time()), "pid": os.getpid(),
            "hostname": "simulated", "node_ip": "127.0.0.1", "config": self._config,
            "time_since_restore": float(self._epoch), "iterations_since_restore": self._epoch,
            "checkpoint_dir_name": None, SHOULD_CHECKPOINT: saving,
        }  # fmt: skip
        if saving:
            name = f"checkpoint_{self._epoch:06d}"
            place = Path(self._storage.trial_fs_path) / name
            place.mkdir(parents=True, exist_ok=True)
            for file in ("model.safetensors", "checkpoint.safetensors"):
                (place / file).write_bytes(b"none")
            self._checkpoint = Checkpoint(str(place), self._storage.storage_filesystem)
            self._last["checkpoint_dir_name"] = name
        return dict(self._last)

    def save(self) -> _TrainingResult:
        """What Tune asks for after a report with a checkpoint."""
        return _TrainingResult(checkpoint=self._checkpoint, metrics=self._last)


class Workers:
    """Stands in for Ray's actor manager; see there for what the methods mean.

    Attributes:
        busy_s: seconds that all workers have trained.
        waited_s: seconds that they have waited for the driver.
        driver_s: seconds that the driver has worked.
        reports: so many reports it was given.
    """

    most = 1
    """Workers at a time."""
    epoch_s = 1.0
    """Seconds that an epoch takes."""
    epochs = 8
    rungs: tuple[int, ...] = ()
    curves: list[Curve] = []
    driver_clock: Callable[[], float] = time.thread_time
    last: "Workers"

    def __init__(self, resource_manager: object) -> None:
        Workers.last = self
        self.busy_s = self.waited_s = self.driver_s = 0.0
        self.reports = 0
        self._clock, self._mark = 0.0, self._measure()
        self._order = itertools.count()
        self._events: list[tuple[float, int, TrackedActor, Callable[[], None]]] = []
        self._pending: list[tuple[TrackedActor, Worker]] = []
        self._workers: dict[TrackedActor, Worker] = {}
        self._live_actors_to_ray_actors_resources: dict[TrackedActor, tuple[Any, None]] = {}

    @staticmethod
    def _measure() -> float:
        return Workers.driver_clock()

    def _now(self) -> float:
        return self._clock + self._measure() - self._mark

    def next(self, timeout: float | None = None) -> bool:
        """Let the driver have what it waits for; False if there is nothing."""
        spent = self._measure() - self._mark
        self.driver_s += spent
        self._clock += spent
        if self._pending and len(self._workers) < self.most:
            actor, worker = self._pending.pop(0)
            self._workers[actor] = worker
            self._live_actors_to_ray_actors_resources[actor] = (_Handle(), None)
            self._mark = self._measure()
            assert actor._on_start
            actor._on_start(actor)
            return True
        if not self._events:
            self._mark = self._measure()
            return False
        ready, _, _, answer = heapq.heappop(self._events)
        self._clock = max(self._clock, ready)
        self._mark = self._measure()
        answer()
        return True

    def add_actor(
        self, cls: object, resource_request: object, kwargs: dict[str, Any],
        on_start: Any = None, on_stop: Any = None, on_error: Any = None,
    ) -> TrackedActor:  # fmt: skip
        """A further worker, as soon as there is room."""
        number = next(self._order)
        actor = TrackedActor(number, on_start=on_start, on_stop=on_stop, on_error=on_error)
        self._pending.append((actor, Worker(kwargs)))
        return actor

    def remove_actor(
        self, tracked_actor: TrackedActor, kill: bool = False, stop_future: object = None
    ) -> bool:
        """End a worker; its room is free at once."""
        self._pending = [entry for entry in self._pending if entry[0] is not tracked_actor]
        self._live_actors_to_ray_actors_resources.pop(tracked_actor, None)
        if self._workers.pop(tracked_actor, None) is None:
            return False
        if tracked_actor._on_stop:
            stopped = tracked_actor._on_stop
            self._answer(self._now(), tracked_actor, lambda: stopped(tracked_actor))
        return True

    def schedule_actor_task(
        self, tracked_actor: TrackedActor, method_name: str, args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None, on_result: Any = None, on_error: Any = None,
        _return_future: bool = False,
    ) -> object:  # fmt: skip
        """Have a worker do something; the time its making-up takes here is not the driver's."""
        worker = self._workers.get(tracked_actor)
        if worker is None or method_name == "stop":
            return object()
        begin = self._measure()
        ready, result = self._now(), cast(Any, None)
        if method_name == "train":
            result = worker.train(self.curves, self.epochs, self.rungs)
            if not result["done"]:
                self.waited_s += ready - worker.ready
                self.busy_s += self.epoch_s
                self.reports += 1
                ready += self.epoch_s
                worker.ready = ready
        elif method_name == "save":
            result = worker.save()
        elif method_name == "reset":
            worker.begin({"config": args[0], "storage": (kwargs or {}).get("storage")})
            result = True
        self._mark += self._measure() - begin
        if on_result:
            self._answer(ready, tracked_actor, lambda: on_result(tracked_actor, result))
        return object()

    def _answer(self, ready: float, actor: TrackedActor, answer: Callable[[], None]) -> None:
        heapq.heappush(self._events, (ready, next(self._order), actor, answer))

    def clear_actor_task_futures(self, tracked_actor: TrackedActor) -> None:
        """Forget what a worker was to answer."""
        self._events = [e for e in self._events if e[2] is not tracked_actor]
        heapq.heapify(self._events)

    def is_actor_started(self, tracked_actor: TrackedActor) -> bool:
        """Whether it is up."""
        return tracked_actor in self._workers

    def is_actor_failed(self, tracked_actor: TrackedActor) -> bool:
        """Never."""
        return False

    def get_live_actors_resources(self) -> dict[str, float]:
        """For a line that nobody reads."""
        return {}

    def cleanup(self) -> None:
        """Nothing is left to be cleaned."""

    @property
    def num_pending_actors(self) -> int:
        """Workers that wait for room."""
        return len(self._pending)

    @property
    def num_live_actors(self) -> int:
        """Workers that are up."""
        return len(self._workers)

    @property
    def num_total_actors(self) -> int:
        """Both."""
        return len(self._workers) + len(self._pending)

    @property
    def num_actor_tasks(self) -> int:
        """Answers to come."""
        return len(self._events)


class _Handle:
    """In the place of an actor's handle; Tune asks it what to show before the first report."""

    def __init__(self) -> None:
        self.get_auto_filled_metrics = self

    def remote(self, **asked: object) -> dict[str, Any]:
        """Nothing."""
        return {}
