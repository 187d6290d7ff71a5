"""`ray up` of three hosts, a search that loses one of its two workers, `ray down`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.store.leaderboard import counts
from search.store.records import Records, read_run
from search.store.storage import Storage
from search.store.sync import bring_up
from tests.cluster._hosts import DESK, ROOT, Hosts, ray

pytestmark = [
     pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),
]  # fmt: skip

TRIALS, EPOCHS = 4, 8
# The newer autoscaler leaves the last machine of one's own out; see clusters/onprem.yaml.
OLDER = {"RAY_UP_enable_autoscaler_v2": "0"}


def own_machines(hosts: Hosts) -> Path:
    """The shipped file for these hosts: their addresses and key, and the environment they see."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "clusters" / "onprem.yaml").read_text())
    head, *workers = (hosts.address(f"h{i}") for i in range(3))
    values["provider"] |= {"head_ip": head, "worker_ips": workers}
    values["auth"] = {"ssh_user": "root", "ssh_private_key": str(hosts.key)}
    given = hosts.shared / "kept"
    return written(hosts, lean(values, f"export CAPTCHA_STORAGE={given} CAPTCHA_PRICES=0.05"))


def lean(values: dict[str, Any], told: str, cpus: int | None = 1) -> dict[str, Any]:
    """A cluster file whose set-up takes this environment in the place of a new one."""
    link = f"ln -sfn {sys.prefix} ~/captcha-search/.venv"
    for key in ("setup_commands", "head_setup_commands"):
        values[key] = [
            line.replace("make setup", link) for line in values[key]
            if "SET-ME" not in line and "apt-get" not in line and "CAPTCHA_PRICES" not in line
        ]  # fmt: skip
    values["head_setup_commands"].append(f"echo '{told}' >> ~/.bashrc")
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        more = f" --num-cpus={cpus}" if cpus and key.startswith("worker") else ""
        values[key] = [
            line.replace("ulimit -n 65536; ", "") + " --object-store-memory=100000000" + more
            if "ray start" in line else line
            for line in values[key]
        ]  # fmt: skip
    return values


def written(hosts: Hosts, values: dict[str, Any]) -> Path:
    path = hosts.folder / "cluster.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def test_a_search_survives_a_lost_worker(three_hosts: Hosts) -> None:
    hosts = three_hosts
    token = hosts.run(DESK, sys.executable, "-m", "ray.scripts.scripts", "get-auth-token",
                      "--generate")  # fmt: skip
    assert token.returncode == 0, token.stderr
    path = str(own_machines(hosts))
    succeed(ray(hosts, "up", "-y", "--no-config-cache", path, **OLDER))
    assert len(hosts.processes("h0", "gcs_server")) == 1
    wait(lambda: all(hosts.processes(h, "raylet") for h in ("h1", "h2")), 120)

    run = hosts.shared / "runs" / "r"
    search = subprocess.Popen(
        ray(hosts, "exec", path, command(run), **OLDER),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait(lambda: bool(going_on(run)), 240, search)
        hit = going_on(run).pop()
        # The driver is the head's, the trials are the workers'.
        (host,) = (h for h in ("h1", "h2") if hit in hosts.folders(h))
        (lost,) = hosts.processes(host, "raylet")
        os.kill(lost, signal.SIGKILL)
        output, _ = search.communicate(timeout=400)
    finally:
        search.kill()
    assert search.returncode == 0, output[-4000:]
    assert_whole(read_run(run), hit)
    bring_up(Storage(str(hosts.shared / "kept" / run.name)), hosts.folder / "fetched")
    assert read_run(hosts.folder / "fetched").trials == read_run(run).trials

    # The other ways in: a file sent to the head, and a job for the cluster. Nothing runs again.
    before = (run / "trials.jsonl").read_bytes()
    again = ["--resume", "--name", run.name, "--runs-dir", str(run.parent)]
    succeed(ray(hosts, "submit", path, "search/run.py", "--", *again, **OLDER))
    job = f"ray job submit -- python -m search.run {' '.join(again)}"
    assert "succeeded" in succeed(ray(hosts, "exec", path, job, **OLDER))
    assert (run / "trials.jsonl").read_bytes() == before
    assert len(read_run(run).run["sessions"]) == 3

    succeed(ray(hosts, "down", "-y", path, **OLDER))
    # Workers of one's own notice by themselves that the head is gone.
    wait(lambda: not running(hosts), 120)


def command(run: Path) -> str:
    """The search, as it is typed on the head."""
    small = f"--data synthetic:80 --trials {TRIALS} --epochs {EPOCHS}"
    return f"python -m search.run --space crnn {small} --runs-dir {run.parent} --name {run.name}"


def going_on(run: Path) -> set[str]:
    """Trials that run, and have a checkpoint."""
    if not (run / "run.json").is_file():
        return set()
    records = read_run(run)
    return {
        name for name, row in records.trials.items()
        if row["state"] == "running" and any(e["checkpoint"] for e in records.epochs.get(
            name, {}).values())
    }  # fmt: skip


def assert_whole(records: Records, hit: str) -> None:
    """Every trial ended once and well; the one hit went on from its checkpoint."""
    found = counts(records, "crnn")
    assert found["failed"] == found["unfinished"] == 0
    assert found["completed"] + found["stopped"] == TRIALS
    rows = table(records.path / "trials.jsonl")
    endings = Counter(row["trial"] for row in rows if row["state"] != "running")
    assert set(endings.values()) == {1}
    epochs = table(records.path / "epochs.jsonl")
    for name, row in records.trials.items():
        numbers = [e["epoch"] for e in epochs if e["trial"] == name]
        # What a trial repeats it had done since its last checkpoint; no epoch is left out.
        assert sorted(set(numbers)) == list(range(1, row["epochs"] + 1))
        again = [n for n, number in Counter(numbers).items() if number > 1]
        kept = [e["epoch"] for e in epochs if e["trial"] == name and e["checkpoint"]]
        assert not again or (name == hit and min(again) > min(kept))


def table(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def running(hosts: Hosts) -> list[int]:
    names = ("raylet", "gcs_server")
    return [p for host in ("h0", "h1", "h2") for n in names for p in hosts.processes(host, n)]


def succeed(line: Any) -> str:
    done = subprocess.run(line, capture_output=True, text=True, timeout=280,
                          stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def wait(
    until: Callable[[], bool], seconds: float, process: subprocess.Popen[str] | None = None
) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended too early: {process.communicate()[0][-4000:]}")
        assert time.monotonic() < deadline
        time.sleep(0.3)
