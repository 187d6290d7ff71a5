"""Connection to Ray: what the cluster has, and what of it each trial gets."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from captcha_models.errors import InputError
from search.cluster.address import check_address, has_token
from search.tuning.settings import Settings

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    # Our records are the log; Ray would write each result three more times.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # A trial that failed reports why, and no metric.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # What a lost worker means for its trial the recorder says, in a line.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    # Trials bring environments of their own: workers started before would end unused.
    "RAY_prestart_worker_first_driver": "0",
    # Signals are ours: search/tuning/stopping.py.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # A stopped trial that does not let go of its share is ended; Ray would wait ten minutes.
    "TUNE_FORCE_TRIAL_CLEANUP_S": "20",
    # Nobody reads Ray's snapshot of all trials so far: one at the start, one at the end.
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
    # Of a trial's checkpoints Ray remembers all reports to its end; ours are in the records.
    "TUNE_ONLY_STORE_CHECKPOINT_SCORE_ATTRIBUTE": "1",
}


BOOTSTRAP = "ray_bootstrap_config.yaml"
"""What `ray up` leaves in the home of the head: the cluster's file, with all that it left out."""

_ROOT = Path(__file__).parents[2]
_PROGRAM = ("captcha_models", "spaces", "search")


@dataclass(frozen=True)
class Node:
    """CPUs and GPUs of one machine, its kind's name in the cluster's file, and where it is."""

    cpus: float
    gpus: float
    kind: str = ""
    address: str = field(default="", compare=False)


@dataclass(frozen=True)
class Cluster:
    """What we are connected to.

    Attributes:
        description: for the person, such as `a private local Ray: 2 CPUs, no GPU`.
        nodes: its machines that are up.
        growth: the machines that the autoscaler may add to them.
        private: whether it is this process's own, on this machine.
    """

    description: str
    nodes: tuple[Node, ...]
    growth: tuple[Node, ...] = ()
    private: bool = False

    @property
    def machines(self) -> tuple[Node, ...]:
        """Those that are up and those that may come."""
        return (*self.nodes, *self.growth)


@dataclass(frozen=True)
class Share:
    """What each trial gets, and how many run at a time."""

    cpus: int
    gpus: float
    concurrent: int

    def fits(self, node: Node) -> bool:
        """Whether the machine, empty, could hold a trial."""
        return _fits(node, self.cpus, self.gpus) > 0


_own: list[tuple[str, bool]] = []
"""What `connect` has connected this process to: how it is called, whether it is private."""


@contextmanager
def connect(address: str | None = None, *, num_cpus: int | None = None) -> Iterator[Cluster]:
    """Connect to Ray for the time of a search; within another connection, stay with that one.

    Args:
        address: as `ray.init` takes it; None is RAY_ADDRESS if set, else a private local Ray.
        num_cpus: of a private local Ray; None is what the machine has.

    Raises:
        InputError: nothing answers there, or what clusters need is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    wanted = check_address(address)
    if wanted != "local" and has_token():
        # Ray uses a token by itself only where it starts a cluster.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray
    from ray.exceptions import RayError

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        where, private = _own[0] if _own else ("a Ray that was already connected", True)
        yield current_cluster(where, private=private)
        return
    options: dict[str, Any] = {"include_dashboard": False} if wanted == "local" else {}
    if wanted == "local":
        # Without it a machine would join whatever cluster it finds.
        where, options["num_cpus"] = "a private local Ray", num_cpus
    else:
        where = f"Ray at {wanted}"
        # Each worker runs the driver's own program, whatever lies on its machine.
        options["runtime_env"] = {"py_modules": [str(_ROOT / name) for name in _PROGRAM]}
    try:
        with _sheltered():
            ray.init(address=wanted, logging_level=logging.CRITICAL, log_to_driver=False, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, RayError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"cannot connect to {where}: {reason}") from None
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    _own.append((where, wanted == "local"))
    try:
        yield current_cluster(where, private=wanted == "local")
    finally:
        _own.clear()
        ray.shutdown()


@contextmanager
def _sheltered() -> Iterator[None]:
    """Let processes that are started meanwhile never see SIGTERM, and keep our handler of it.

    `timeout` and batch systems send it to the whole process group. Ray's own processes would go at
    once, and nothing could be brought to its end; so they leave it to us, as Ray has them do with
    Ctrl-C. `ray.shutdown` ends them all the same. The driver's own comes when all are up.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        # Ray has a handler of its own, which exits: another thread may have received the signal.
        raise KeyboardInterrupt from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def share(cluster: Cluster, settings: Settings) -> Share:
    """What each trial gets.

    Raises:
        InputError: no machine of the cluster can hold one trial; says what is missing.
    """
    most_gpus = max(node.gpus for node in cluster.machines)
    most_cpus = max(node.cpus for node in cluster.machines)
    gpus = settings.gpus_per_trial
    if gpus is None or isinstance(gpus, str):
        gpus = 1.0 if most_gpus >= 1 else 0.0
    cpus = settings.cpus_per_trial
    if cpus is None:
        slots = most_gpus // gpus if gpus else most_cpus
        cpus = max(1, min(4, int(most_cpus // max(1, slots))))
    room = sum(_fits(node, cpus, gpus) for node in cluster.machines)
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


def machines_up() -> tuple[tuple[Node, ...], int]:
    """The machines that are up now, and how many more the autoscaler may add."""
    import ray

    nodes = tuple(_node(node) for node in cast(Any, ray).nodes() if node["Alive"])
    return nodes, len(_growth(nodes))


def address_of(cluster: Cluster) -> str:
    """Address of this machine at which the cluster's workers find it."""
    if cluster.private:
        return "127.0.0.1"
    from ray import util

    return str(cast(Any, util).get_node_ip_address())


def current_cluster(where: str, *, private: bool = False) -> Cluster:
    """The cluster that this process is connected to; `where` begins its description."""
    import ray

    alive = [node for node in cast(Any, ray).nodes() if node["Alive"]]
    nodes = tuple(map(_node, alive))
    growth = () if private else _growth(nodes)
    machines = f" on {len(nodes)} machines" if len(nodes) > 1 else ""
    more = f", and can grow to {_amount((*nodes, *growth))}" if growth else ""
    return Cluster(f"{where} has {_amount(nodes)}{machines}{more}", nodes, growth, private)


def _node(row: dict[str, Any]) -> Node:
    resources, kind = row["Resources"], row.get("Labels", {}).get("ray.io/node-group", "")
    address = row["NodeManagerAddress"]
    return Node(resources.get("CPU", 0.0), resources.get("GPU", 0.0), kind, address)


def _amount(nodes: tuple[Node, ...]) -> str:
    cpus, gpus = sum(n.cpus for n in nodes), sum(n.gpus for n in nodes)
    cards = f"{gpus:g} GPU{'s' * (gpus != 1)}" if gpus else "no GPU"
    return f"{cpus:g} CPU{'s' * (cpus != 1)} and {cards}"


def _growth(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Machines the autoscaler may still start: the file of `ray up` knows, Ray does not."""
    file = Path.home() / BOOTSTRAP
    if not file.is_file():
        return ()
    import yaml  # Ray brings it.

    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    found: list[Node] = []
    for kind, about in config["available_node_types"].items():
        cpus, gpus = (about["resources"].get(name, 0) for name in ("CPU", "GPU"))
        up = sum(node.kind == kind for node in nodes)
        # The head is up, and machines of one's own declare nothing: they count once they are up.
        if kind != config["head_node_type"] and (cpus or gpus):
            found += [Node(cpus, gpus, kind)] * max(0, about["max_workers"] - up)
    return tuple(found[: max(0, config["max_workers"] + 1 - len(nodes))])
