"""Machines for `ray up`, made of Linux namespaces: the launcher logs in to them by ssh as anywhere.

Each host has its own network, process ids, name, /tmp, /run, /dev/shm and home, and runs an sshd.
One more, the desk, holds the network's bridge, the project and the key: there the launcher runs.
Nothing leaves this machine: no host has a way out.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
NET = "10.77.0"
DESK = "desk"
TOOLS = ("ip", "unshare", "nsenter", "ssh", "ssh-keygen", "rsync", "/usr/sbin/sshd")

# What a host does first, as process 1 of its own. $1 its folder, $2 its name, $3 its address,
# $4 the key that may log in; then what it shall see of this machine below /tmp and its home.
_BOOT = r"""
set -e
dir=$1 name=$2 address=$3 key=$4; shift 4
mount --make-rprivate /
mount -t proc proc /proc
hostname "$name"
mkdir -p "$dir"; mount -t tmpfs -o size=3g,mode=755 none "$dir"
mkdir -p -m 1777 "$dir/tmp" "$dir/shm"
mkdir -p "$dir/run/sshd" "$dir$HOME"; chmod 700 "$dir$HOME"
: > "$dir$HOME/.bashrc"; echo '. ~/.bashrc' > "$dir$HOME/.profile"
printf '127.0.0.1 localhost\n%s %s\n' "$address" "$name" > "$dir/hosts"
mkdir -p -m 700 "$dir$HOME/.ssh"; cp "$key.pub" "$dir$HOME/.ssh/authorized_keys"
ssh-keygen -q -t ed25519 -N '' -f "$dir/run/hostkey"
for place in "$@"; do
  case $place in
    /tmp/*|"$HOME"/*) mkdir -p "$dir$place"; mount --bind "$place" "$dir$place" ;;
  esac
done
mount --bind "$dir/hosts" /etc/hosts
mount --bind "$dir/shm" /dev/shm
mount --bind "$dir/run" /run
mount --rbind "$dir$HOME" "$HOME"
mount --rbind "$dir/tmp" /tmp
cd /
exec /usr/sbin/sshd -D -e -f /dev/null -o ListenAddress="$address" -o HostKey=/run/hostkey \
  -o PidFile=none -o StrictModes=no -o UsePAM=no -o UseDNS=no -o PasswordAuthentication=no \
  -o PermitRootLogin=prohibit-password -o MaxStartups=100 -o MaxSessions=100
"""


def why_not() -> str | None:
    """Why hosts cannot be made here, or None."""
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        return f"hosts need {', '.join(missing)}: install openssh-server, rsync and iproute2"
    if os.geteuid() != 0:
        return "hosts need root"
    name = f"cs{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], check=True)
        mounts = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "proc", "proc", "/proc"]
        made = subprocess.run(mounts, capture_output=True).returncode == 0
    return None if made else "this machine allows no namespaces"


@dataclass
class Hosts:
    """Hosts that are up.

    Attributes:
        folder: of this machine, for their files.
        shared: a folder that all of them see.
        pids: process 1 of each host, by its name, as it is seen from outside.
    """

    folder: Path
    shared: Path
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> Path:
        """The private key that may log in."""
        return self.folder / "key"

    def address(self, host: str) -> str:
        """Where a host listens: the desk at .1, `h0` at .4 and so on, as a cloud numbers them."""
        return f"{NET}.{1 if host == DESK else 4 + int(host[1:])}"

    def run(
        self, host: str, *command: str, timeout: float = 240, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host, in the project's folder if it is the desk."""
        return subprocess.run(
            self.inside(host, *command, **env), capture_output=True, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def inside(self, host: str, *command: str, **env: str) -> list[str]:
        """The command line that runs a command on a host."""
        place = str(ROOT) if host == DESK else "/"
        enter = ["nsenter", "-t", str(self.pids[host]), "-m", "-n", "-p", "-u", "-i"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {"PATH": path, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", **env}
        settings = [f"{name}={value}" for name, value in given.items()]
        return [*enter, f"--wd={place}", "--", "env", *settings, *command]

    def processes(self, host: str, word: str) -> list[int]:
        """Process ids, as seen from outside, of what runs on a host by that name."""
        return [int(place.name) for place in self._all(host) if _read(place / "comm") == word]

    def folders(self, host: str) -> set[str]:
        """Names of the folders that a host's processes work in; a trial's is its own name."""
        found = set()
        for place in self._all(host):
            with suppress(OSError):
                found.add((place / "cwd").readlink().name)
        return found

    def _all(self, host: str) -> list[Path]:
        space = Path(f"/proc/{self.pids[host]}/ns/pid").readlink()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (place / "ns/pid").readlink() == space:
                    found.append(place)
        return found


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


@contextmanager
def hosts(folder: Path, count: int) -> Iterator[Hosts]:
    """Hosts `h0` and so on, and a desk, for as long as the block lasts."""
    prefix = f"cs{os.getpid()}"
    made = Hosts(folder, folder / "shared")
    made.shared.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made.key)], check=True)
    names = [DESK, *(f"h{i}" for i in range(count))]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name in names:
            _wire(prefix, name, made.address(name))
        for name in names:
            started.append(_boot(prefix, name, made))
        yield made
    finally:
        for pid in made.pids.values():
            # Process 1: the kernel ends all the others of its host.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in started:
            process.kill()
            process.wait(20)
        for name in names:
            subprocess.run(["ip", "netns", "del", f"{prefix}-{name}"], capture_output=True)


def _wire(prefix: str, name: str, address: str) -> None:
    """Give a host its network: the desk a bridge, the others a cable to it."""
    own, desk = f"{prefix}-{name}", f"{prefix}-{DESK}"
    commands = [f"ip netns add {own}", f"ip -n {own} link set lo up"]
    if name == DESK:
        commands += [
            f"ip -n {own} link add bridge0 type bridge",
            f"ip -n {own} addr add {address}/24 dev bridge0",
            f"ip -n {own} link set bridge0 up",
        ]
    else:
        commands += [
            f"ip -n {desk} link add to-{name} type veth peer name eth0 netns {own}",
            f"ip -n {desk} link set to-{name} master bridge0 up",
            f"ip -n {own} addr add {address}/24 dev eth0",
            f"ip -n {own} link set eth0 up",
            # The desk passes nothing on; Ray learns its own address by the route alone.
            f"ip -n {own} route add default via {NET}.1",
        ]
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True)


def _boot(prefix: str, name: str, made: Hosts) -> subprocess.Popen[bytes]:
    """Start a host, and wait until one can log in."""
    seen = [sys.prefix, sys.base_prefix, str(made.shared)]
    if name == DESK:
        seen += [str(ROOT), str(made.folder)]
    place = made.folder / name
    log = made.folder / f"{name}.log"
    apart = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
    with open(log, "wb") as file:
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{prefix}-{name}", *apart, "sh", "-c", _BOOT, "sh",
             str(place), name, made.address(name), str(made.key), *seen],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 30
    while "Server listening" not in log.read_text(errors="replace"):
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    made.pids[name] = int(children[0])
    return process


def ray(made: Hosts, *arguments: str, **env: str) -> Sequence[str]:
    """The command line that runs Ray's own command on the desk."""
    return made.inside(DESK, sys.executable, "-m", "ray.scripts.scripts", *arguments, **env)
