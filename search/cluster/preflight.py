"""Checks before the first trial: every machine sees the storage and runs what the driver runs.

A wrong machine is found out here, for nothing, and not after an hour by its first checkpoint. All
that is wrong is said at once.
"""

import hashlib
import importlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from captcha_models.errors import InputError, one_line
from captcha_models.words import counted
from search.cluster.connection import Cluster, Share
from search.store.provenance import versions
from search.store.storage import Storage

OUR_PACKAGES = ("captcha_models", "spaces", "search")
ANSWER_S = 90.0
"""So long a machine may take to answer: it starts a process there, and loads torch for a GPU."""
FIRST_S = 900.0
"""So long the first worker of a cluster that grows may take to come up."""

Look = dict[str, Any]


def preflight(cluster: Cluster, each: Share, storage: Storage, say: Callable[[str], None]) -> None:
    """Look at every machine of a cluster.

    Where no machine that is up could hold a trial, the first that comes for one is waited for.

    Args:
        cluster: connected to.
        each: what a trial asks for.
        storage: where checkpoints will go.
        say: prints one line.

    Raises:
        InputError: names everything that is wrong, machine by machine.
    """
    if cluster.private:
        return
    import ray

    if not any(each.fits(node) for node in cluster.nodes):
        say("waiting for the first machine that can hold a trial")
        first = ray.remote(num_cpus=each.cpus, num_gpus=each.gpus)(_host)
        try:
            ray.get(first.remote(), timeout=FIRST_S)
        except Exception as error:
            text = f"no machine for a trial came up within {FIRST_S:g} s: {one_line(error)}"
            raise InputError(text) from None
    mark = f".preflight-{uuid.uuid4().hex[:12]}"
    try:
        found = _look_around(storage, mark)
        wrong = [line for name, look in found.items() for line in _judge(name, look, storage)]
        wrong += _unseen(found, storage)
    finally:
        storage.delete(mark)
    if wrong:
        raise InputError("this cluster cannot run the search: " + "; ".join(wrong))
    machines = counted(len(found), "machine")
    say(f"checked: {machines} with {storage.place} in common and the same versions")


def _host() -> str:
    return socket.gethostname()


def _look_around(storage: Storage, mark: str) -> dict[str, Look]:
    """What each machine says, by a name for the person; an `error` in the place of an answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    try:
        storage.write(f"{mark}/driver", b"here")
    except OSError as error:
        raise InputError(f"storage {storage.place} cannot be written: {one_line(error)}") from None
    # A process for this alone, for it may load torch and look at a GPU.
    task = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(look)
    asked = {}
    for node in cast(Any, ray).nodes():
        if node["Alive"]:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            gpus = int(node["Resources"].get("GPU", 0))
            told = task.options(scheduling_strategy=place).remote(
                storage, f"{mark}/{node['NodeID']}", f"{mark}/driver", gpus
            )
            asked[f"{node['NodeManagerAddress']} ({node['NodeID'][-6:]})"] = told
    until = time.monotonic() + ANSWER_S
    return {name: _answer(told, until) for name, told in asked.items()}


def _answer(told: Any, until: float) -> Look:
    import ray

    try:
        return dict(ray.get(told, timeout=max(1.0, until - time.monotonic())))
    except ray.exceptions.GetTimeoutError:
        return {"error": f"did not answer within {ANSWER_S:g} s"}
    except Exception as error:
        return {"error": one_line(error)}


def look(storage: Storage, mine: str, drivers: str, gpus: int) -> Look:
    """What runs on each machine: its versions, its GPUs, and what it sees of the storage.

    Args:
        storage: to be read and written.
        mine: name of the file to write there.
        drivers: name of the file that the driver has written.
        gpus: so many Ray believes are there; 0 spares the seconds torch takes to load.
    """
    found: Look = {"host": socket.gethostname(), "versions": {**versions(), **code()}}
    try:
        found["reads"] = storage.exists(drivers)
        storage.write(mine, b"here")
        found["wrote"] = mine
    except (OSError, InputError) as error:
        found["storage_error"] = one_line(error)
    if gpus:
        # Ray hides the GPUs from a task that asks for none.
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        import torch

        found["gpus"] = torch.cuda.device_count()
    return found | {"gpus_believed": gpus}


@cache
def code() -> Mapping[str, str]:
    """A digest of this project's own program, as it is imported here."""
    state = hashlib.sha256()
    for name in OUR_PACKAGES:
        root = Path(str(importlib.import_module(name).__file__)).parent
        for file in sorted(root.rglob("*.py")):
            state.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return {"this program": state.hexdigest()[:8]}


def _judge(name: str, look: Look, storage: Storage) -> list[str]:
    """What is wrong with one machine."""
    if "error" in look:
        return [f"{name}: {look['error']}"]
    wrong = []
    ours = {**versions(), **code()}
    for package in sorted(ours.keys() | look["versions"].keys()):
        here, there = ours.get(package, "none"), look["versions"].get(package, "none")
        if here != there:
            wrong.append(f"{name} has {package} {there}, the driver has {here}")
    if "storage_error" in look:
        wrong.append(f"{name} cannot use the storage {storage.place}: {look['storage_error']}")
    elif not look["reads"]:
        wrong.append(
            f"{name} does not see what the driver wrote to {storage.place}: give a folder that "
            "all machines share, or object storage, with --storage"
        )
    if look["gpus_believed"] > look.get("gpus", 0):
        wrong.append(
            f"{name} is said to have {counted(look['gpus_believed'], 'GPU')}, but torch finds "
            f"{look['gpus']} there: see its driver (nvidia-smi)"
        )
    return wrong


def _unseen(found: Mapping[str, Look], storage: Storage) -> list[str]:
    """Machines whose file the driver cannot read back, unless that was said already."""
    written = [look["wrote"] for look in found.values() if "wrote" in look and look["reads"]]
    # Asked for by their names: a storage may be late to list what is there.
    back = sum(map(storage.exists, written))
    if back < len(written):
        return [f"the driver sees only {back} of {len(written)} files written to {storage.place}"]
    return []
