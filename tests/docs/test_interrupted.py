"""What a search and a confirmation print when one interrupts them: the command that goes on."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs._shown import ROOT
from tests.docs._tried import printed, succeeded

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]


def test_what_is_printed_when_one_interrupts_goes_on(meters: Path) -> None:
    place = meters.parent
    # Long enough that something is left to do when the driver has taken the interrupt in.
    search = "python -m search.run --space crnn --data meters --name r --trials 8 --epochs 3"
    less = "--set batch_size=16 --set cut=5 --max-concurrent 1"
    begun = interrupted(f"{search} {less}", place, "runs/r/epochs.jsonl")
    [go_on] = [one for one in printed(begun) if "--resume" in one]
    assert "best of crnn: " in succeeded(go_on, place)
    assert len((place / "runs" / "r" / "trials.jsonl").read_text().splitlines()) >= 16
    confirm = "python -m search.confirm runs/r --top 1 --seeds 2 --no-test"
    begun = interrupted(confirm, place, "runs/r/confirmed/fits/epochs.jsonl")
    [go_on] = printed(begun)
    succeeded(go_on, place)
    assert (place / "runs" / "r" / "best" / "model.safetensors").exists()


def interrupted(command: str, place: Path, table: str) -> str:
    """What a command says that is interrupted once a table has a row."""
    process = subprocess.Popen(
        [sys.executable, *shlex.split(command)[1:]],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    # The first line says what table it is.
    while not ((place / table).exists() and (place / table).read_bytes().count(b"\n") > 1):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 130, said
    return said
