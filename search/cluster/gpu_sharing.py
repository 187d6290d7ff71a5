"""Number of trials that share one device best: measured, then chosen.

    python -m search.cluster.gpu_sharing          (started by `measure`; reads one JSON object)

Trainings of the same configuration run side by side, each in a process of its own as trials do, for
one epoch to warm up and one that counts; all begin the latter together.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.cluster.connection import Cluster
from search.tuning.settings import gpu_share

TRIED = (1, 2, 4, 8)
GAIN = 1.1
"""More trials have to bring more than a tenth: each gets slower, and ASHA decides later."""
MARGIN = 0.8
"""Share of the memory that the measured configuration may fill: others need more."""

CONTEXT_BYTES = 600 * 2**20
"""What a process takes of a GPU before its first tensor, roughly; not in torch's own counts."""


@dataclass(frozen=True)
class Packing:
    """What so many trials side by side came to.

    Attributes:
        trials: n.
        images_per_s: of all together, training and validation; 0 if one of them failed.
        peak_bytes: memory of the device that the largest of them took; 0 on the CPU.
        total_bytes: memory of the device; 0 on the CPU.
    """

    trials: int
    images_per_s: float
    peak_bytes: int = 0
    total_bytes: int = 0

    @property
    def fits(self) -> bool:
        """Whether none failed, and all of them leave the margin free."""
        return self.images_per_s > 0 and (
            self.trials * self.peak_bytes <= MARGIN * self.total_bytes
        )


def choose(found: Sequence[Packing]) -> int:
    """The largest number of trials that fits and is worth it.

    Args:
        found: by rising number of trials, the first of one trial.
    """
    best = found[0]
    for more in found[1:]:
        if not more.fits or more.images_per_s <= GAIN * best.images_per_s:
            break
        best = more
    return best.trials


def probe(arch: str, config: Mapping[str, Any]) -> float:
    """The share of a GPU that a trial should get, measured on the one this process sees."""
    found: list[Packing] = []
    for trials in TRIED:
        found.append(measure(arch, config, trials, gpus=gpu_share(f"1/{trials}")))
        if choose(found) < trials:
            break
    return gpu_share(f"1/{choose(found)}")


def measured_share(
    cluster: Cluster, arch: str, config: Mapping[str, Any], say: Callable[[str], None]
) -> float:
    """The share of a GPU that a trial should get, measured on a machine of the cluster; or 0."""
    if not any(node.gpus >= 1 for node in cluster.machines):
        return 0.0
    import ray

    from captcha_models.architectures import built_in

    if arch not in built_in():
        say(f"GPU sharing: not measured for {arch}, which is from outside: one trial a GPU")
        return 1.0
    say("GPU sharing: measuring how many trials share a GPU best (some minutes)")
    # A process for this alone: one that has seen a GPU keeps it.
    measuring = ray.remote(num_gpus=1, max_calls=1)(probe)
    return float(ray.get(measuring.remote(arch, config)))


def measure(
    arch: str,
    config: Mapping[str, Any],
    trials: int,
    *,
    cpus: int = 1,
    gpus: float = 0.0,
    num_images: int = 600,
) -> Packing:
    """Train side by side and time it.

    Args:
        arch: the architecture.
        config: fields of its Config.
        trials: how many at a time.
        cpus: threads of each.
        gpus: share of the GPU each gets; 0 trains on the CPU.
        num_images: generated images that each trains and validates on.
    """
    task = {"arch": arch, "config": {**config, "epochs": 2}, "cpus": cpus, "gpus": gpus}
    given = json.dumps({"task": task, "num_images": num_images})
    # Files are found from any working directory, also on another machine of a cluster.
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "search.cluster.gpu_sharing"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(trials)
    ]
    try:
        for child in children:
            _tell(child, given)
        ready = [_hear(child) for child in children]
        if not all(ready):
            return Packing(trials, 0.0)
        for child in children:
            _tell(child, "go")
        ends = [_hear(child) for child in children]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    if not all(ends):
        return Packing(trials, 0.0)
    slowest = max(end["seconds"] for end in ends)
    return Packing(
        trials,
        trials * num_images / slowest,
        max(end["peak_bytes"] for end in ends),
        ends[0]["total_bytes"],
    )


def _tell(child: subprocess.Popen[str], line: str) -> None:
    assert child.stdin
    try:
        child.stdin.write(line + "\n")
        child.stdin.flush()
    except BrokenPipeError:
        pass  # It has failed; `_hear` finds out.


def _hear(child: subprocess.Popen[str]) -> dict[str, Any]:
    """The child's next line; empty if it has ended."""
    assert child.stdout
    line = child.stdout.readline()
    return dict(json.loads(line)) if line else {}


def _train() -> None:
    """What each child does."""
    import torch

    from captcha_models.data.sources import open_images
    from captcha_models.data.splits import make_split
    from search.tuning.task import Data, Task, train

    given = json.loads(input())
    images = open_images(f"synthetic:{given['num_images']}")
    begin = 0.0

    def wait(metrics: Any, snapshot: object) -> None:
        nonlocal begin
        if metrics.epoch == 1:
            print(json.dumps({"ready": True}), flush=True)  # noqa: T201
            input()
            begin = time.perf_counter()
            return
        seconds, peak, total = time.perf_counter() - begin, 0, 0
        if given["task"]["gpus"]:
            _, total = torch.cuda.mem_get_info()
            peak = torch.cuda.max_memory_reserved() + CONTEXT_BYTES
        end = {"seconds": seconds, "peak_bytes": peak, "total_bytes": total}
        print(json.dumps(end), flush=True)  # noqa: T201

    train(Task(seed=0, **given["task"]), Data(images, make_split(images.units)), wait, None)


if __name__ == "__main__":
    _train()
