"""Connect to Ray, know what the cluster has, and refuse at once what it can never hold."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from captcha_models.errors import InputError
from search.settings import Settings

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    # Our records are the log; Ray would write each result three more times.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # A trial that failed reports why, and no metric.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Signals are ours: search/control.py.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # A stopped trial that does not let go of its share is ended; Ray would wait ten minutes.
    "TUNE_FORCE_TRIAL_CLEANUP_S": "20",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


@dataclass(frozen=True)
class Node:
    """CPUs and GPUs of one machine that is up."""

    cpus: float
    gpus: float


@dataclass(frozen=True)
class Cluster:
    """What we are connected to.

    Attributes:
        description: for the person, such as `a private local Ray: 2 CPUs, no GPU`.
        nodes: its machines.
    """

    description: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Share:
    """What each trial gets, and how many run at a time."""

    cpus: int
    gpus: float
    concurrent: int


@contextmanager
def connect(address: str | None = None, *, num_cpus: int | None = None) -> Iterator[Cluster]:
    """Connect to Ray for the time of a search.

    Args:
        address: as `ray.init` takes it; None is RAY_ADDRESS if set, else a private local Ray.
        num_cpus: of a private local Ray; None is what the machine has.

    Raises:
        InputError: nothing answers there.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield _look("a Ray that was already connected")
        return
    wanted = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"include_dashboard": False} if wanted == "local" else {}
    if wanted == "local":
        # Without it a machine would join whatever cluster it finds.
        where, options["num_cpus"] = "a private local Ray", num_cpus
    else:
        where = f"Ray at {wanted}"
        _knock(wanted)
    try:
        ray.init(address=wanted, logging_level=logging.CRITICAL, log_to_driver=False, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"cannot connect to {where}: {reason}") from None
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        yield _look(where)
    finally:
        ray.shutdown()


def share(cluster: Cluster, settings: Settings) -> Share:
    """What each trial gets.

    Raises:
        InputError: no machine of the cluster can hold one trial; says what is missing.
    """
    most_gpus = max(node.gpus for node in cluster.nodes)
    most_cpus = max(node.cpus for node in cluster.nodes)
    gpus = settings.gpus_per_trial
    if gpus is None or isinstance(gpus, str):
        gpus = 1.0 if most_gpus >= 1 else 0.0
    cpus = settings.cpus_per_trial
    if cpus is None:
        slots = most_gpus // gpus if gpus else most_cpus
        cpus = max(1, min(4, int(most_cpus // max(1, slots))))
    room = sum(_fits(node, cpus, gpus) for node in cluster.nodes)
    if room == 0:
        wishes = [f"{gpus:g} GPU"] * (gpus > most_gpus) + [f"{cpus} CPUs"] * (cpus > most_cpus)
        wish = " and ".join(wishes) or f"{gpus:g} GPU together with {cpus} CPUs"
        raise InputError(
            f"each trial asks for {wish} on one machine, but {cluster.description}; "
            "lower --gpus-per-trial or --cpus-per-trial, or use a larger cluster"
        )
    return Share(cpus, gpus, min(room, settings.max_concurrent or room, settings.trials))


def _fits(node: Node, cpus: int, gpus: float) -> int:
    by_cpu = int(node.cpus // cpus)
    if not gpus:
        return by_cpu
    # The shares of a trial lie on one GPU, or are whole GPUs.
    by_gpu = int(node.gpus) * int(1 / gpus) if gpus < 1 else int(node.gpus // gpus)
    return min(by_cpu, by_gpu)


def _look(where: str) -> Cluster:
    import ray

    alive = [node["Resources"] for node in cast(Any, ray).nodes() if node["Alive"]]
    nodes = tuple(Node(r.get("CPU", 0.0), r.get("GPU", 0.0)) for r in alive)
    cpus, gpus = sum(n.cpus for n in nodes), sum(n.gpus for n in nodes)
    cards = f"{gpus:g} GPU{'s' * (gpus != 1)}" if gpus else "no GPU"
    machines = f" on {len(nodes)} machines" if len(nodes) > 1 else ""
    return Cluster(f"{where} has {cpus:g} CPU{'s' * (cpus != 1)} and {cards}{machines}", nodes)


def _knock(address: str) -> None:
    """Refuse an address nobody listens at; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return
    with contextlib.suppress(UnicodeError, OverflowError):
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            raise InputError(f"no Ray answers at {address}: {error.strerror or error}") from None
