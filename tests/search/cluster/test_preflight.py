"""Clusters that cannot run a search: real ones, and the command that refuses each.

Each is a head and a second machine, which is a process of its own on this one. Where it has to see
another file system it gets a mount namespace, as a machine would have.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[3]
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
# The whole of it with a token, as on a cluster that others could reach.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "5" * 64}
LEAN = ["--object-store-memory=100000000", "--disable-usage-stats"]


@contextlib.contextmanager
def machine(
    *options: str, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
) -> Iterator[None]:
    """A machine of a cluster, for as long as the block lasts."""
    command = [*before, *RAY, "start", "--block", *LEAN, *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **TOKEN, **(env or {})}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        # It ends what it has started; the rest is for what it could not end.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        for option in options:
            if option.startswith("--temp-dir="):
                shutil.rmtree(option.partition("=")[2], ignore_errors=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster's address; its head has a processor, and none of its machines a GPU."""
    port = free_port()
    place = Path("/tmp") / f"cs{os.getpid()}"  # Short, for sockets have to fit.
    first = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={place}")
    with machine(*first, "--num-cpus=1"):
        address = f"127.0.0.1:{port}"
        until_alive(address, 1)
        yield address


def until_alive(address: str, count: int) -> None:
    """Wait until so many machines have joined."""
    code = (
        "import ray, sys, time\n"
        "ray.init(sys.argv[1], log_to_driver=False)\n"
        "while sum(n['Alive'] for n in ray.nodes()) != int(sys.argv[2]): time.sleep(0.2)\n"
    )
    deadline = time.monotonic() + 90
    while True:
        done = subprocess.run(
            [sys.executable, "-c", code, address, str(count)],
            capture_output=True, text=True, timeout=90, env={**os.environ, **TOKEN},
        )  # fmt: skip
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, done.stderr[-2000:]


def search(
    address: str, runs: Path, *options: str, token: Mapping[str, str] = TOKEN
) -> subprocess.CompletedProcess[str]:
    """The command with the smallest search there is."""
    small = ["--data", "synthetic:60", "--trials", "1", "--epochs", "1"]
    command = [sys.executable, "-W", "ignore", "-m", "search.run", "--space", "pooled", *small]
    return subprocess.run(
        [*command, "--address", address, "--runs-dir", str(runs), "--name", "r", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=200, env={**os.environ, **token},
    )  # fmt: skip


def refusal(done: subprocess.CompletedProcess[str], runs: Path) -> str:
    """The one line that a refused search ends with."""
    assert done.returncode == 2, done.stderr[-3000:]
    assert not (runs / "r").exists()
    errors = [line for line in done.stderr.splitlines() if line.lower().startswith("error")]
    assert len(errors) == 1, done.stderr[-3000:]
    return errors[0]


def test_an_address_where_nothing_listens_is_refused_at_once(tmp_path: Path) -> None:
    text = refusal(search(f"127.0.0.1:{free_port()}", tmp_path), tmp_path)
    assert "no Ray answers at 127.0.0.1" in text


@pytest.mark.parametrize("speaks", [True, False])
def test_something_else_at_the_address_is_refused_within_10_s(speaks: bool) -> None:
    from captcha_models.errors import InputError
    from search.cluster.address import check_address

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        if speaks:
            answering = subprocess.Popen(
                [sys.executable, "-c", "import socket, sys; s = socket.socket(fileno=int("
                 "sys.argv[1])); c, _ = s.accept(); c.sendall(b'220 mail at your service')",
                 str(listener.fileno())],
                pass_fds=[listener.fileno()],
            )  # fmt: skip
        begin = time.monotonic()
        with pytest.raises(InputError, match=f"no Ray answers at {address}"):
            check_address(address)
        assert time.monotonic() - begin < 10
        if speaks:
            answering.wait(20)


def test_a_wrong_token_is_refused(head: str, tmp_path: Path) -> None:
    wrong = {**TOKEN, "RAY_AUTH_TOKEN": "6" * 64}
    text = refusal(search(head, tmp_path, token=wrong), tmp_path)
    assert f"cannot connect to Ray at {head}" in text


def test_more_than_the_cluster_has_is_refused(head: str, tmp_path: Path) -> None:
    text = refusal(search(head, tmp_path, "--gpus-per-trial", "1"), tmp_path)
    assert re.search(r"each trial asks for 1 GPU on one machine, but Ray at .* no GPU", text)


def test_everything_wrong_with_a_machine_is_said_at_once(head: str, tmp_path: Path) -> None:
    """A GPU that torch does not find, and another Optuna."""
    other = tmp_path / "site" / "optuna-4.4.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: optuna\nVersion: 4.4.0\n")
    site = {"PYTHONPATH": f"{other.parent}:{os.environ.get('PYTHONPATH', '')}"}
    with machine(f"--address={head}", "--num-cpus=1", "--num-gpus=1", env=site):
        until_alive(head, 2)
        text = refusal(search(head, tmp_path / "runs", "--gpus-per-trial", "1"), tmp_path / "runs")
    assert "has optuna 4.4.0, the driver has 5." in text
    assert "is said to have 1 GPU, but torch finds 0 there" in text
    assert "torch " not in text.replace("torch finds", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own takes root")
def test_storage_that_is_not_shared_is_refused(head: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    alone = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {runs} && exec "$@"', "sh")
    until_alive(head, 1)
    with machine(f"--address={head}", "--num-cpus=1", before=alone):
        until_alive(head, 2)
        text = refusal(search(head, runs), runs)
    assert f"does not see what the driver wrote to {runs}" in text
    assert text.count("does not see") == 1
    assert list(runs.iterdir()) == []


def test_a_cluster_that_can_runs_the_search(head: str, tmp_path: Path) -> None:
    until_alive(head, 1)
    done = search(head, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "checked: 1 machine with " in done.stdout


GROWING = """
cluster_name: growing
max_workers: 1
idle_timeout_minutes: 5
upscaling_speed: 1
provider:
  type: fake_multinode
  head_node_id: fffffffffffffffffffffffffffffffffffffffffffffffffff00000
available_node_types:
  ray.head.default: {resources: {}, node_config: {}, max_workers: 0}
  box: {resources: {CPU: 1}, node_config: {}, min_workers: 0, max_workers: 1}
head_node_type: ray.head.default
head_node: {}
worker_nodes: {}
file_mounts: {}
cluster_synced_files: []
file_mounts_sync_continuously: false
rsync_exclude: []
rsync_filter: []
auth: {}
initialization_commands: []
setup_commands: []
head_setup_commands: []
worker_setup_commands: []
head_start_ray_commands: []
worker_start_ray_commands: []
"""


def test_a_cluster_of_a_head_alone_grows_for_the_first_trial(tmp_path: Path) -> None:
    """Nothing that is up could hold a trial; what may come is counted, and waited for."""
    # Where `ray up` leaves it; Ray's stand-in provider knows no other port.
    file, port = tmp_path / "ray_bootstrap_config.yaml", 6379
    with socket.socket() as wire:
        if wire.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip("something listens at Ray's own port 6379")
    file.write_text(GROWING)
    head = ("--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false",
            f"--temp-dir=/tmp/cs{os.getpid()}g", f"--autoscaling-config={file}")  # fmt: skip
    own = {
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": f"{'f' * 51}00000",
    }
    with machine(*head, env=own):
        address = f"127.0.0.1:{port}"
        until_alive(address, 1)
        home = {**TOKEN, "HOME": str(tmp_path)}
        text = refusal(search(address, tmp_path, "--cpus-per-trial", "2", token=home), tmp_path)
        assert "has 0 CPUs and no GPU, and can grow to 1 CPU and no GPU" in text
        done = search(address, tmp_path, token=home)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "waiting for the first machine that can hold a trial" in done.stdout
    assert "checked: 2 machines with " in done.stdout
