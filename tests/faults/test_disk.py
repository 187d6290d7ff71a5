"""No room on the disk: one clear error, nothing lost, and the search goes on when there is room."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from captcha_models.errors import InputError
from captcha_models.training.checkpoint import read_tensors, write_tensors
from search.store.disk_full import writing
from search.store.jsonl import write_json
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.store.study import write_study
from tests.faults import _driver
from tests.faults._agree import assert_agreed, assert_models, size, wait
from tests.search.report import runs

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

TRIALS, TIMES = 16, 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Path:
    """Leave no room there."""
    filler = place / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        for block in (2**16, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(block))
    return filler


@contextlib.contextmanager
def largest_file(most: int) -> Iterator[None]:
    """Writing a file beyond so many bytes fails as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.fault(
    "disk full while a search runs (checkpoints, tables)",
    "stops in one line; with room again resumed to its end",
)
def test_a_full_disk_stops_the_search_and_loses_nothing(
    small_disk: Path, tmp_path: Path, address: str, record_property: Callable[[str, object], None]
) -> None:
    run, log = small_disk / "run", tmp_path / "log"
    for number in range(TIMES):
        before = size(run)
        driver = _driver.start(address, run, log, trials=TRIALS)
        wait(lambda before=before, number=number: size(run) >= before + 2 + 3 * number, driver)
        filler = fill(small_disk)
        driver.join(120)
        assert driver.exitcode == 2, driver.exitcode
        said = (tmp_path / "error").read_text()
        assert said.startswith("InputError: "), said
        assert "--resume" in said
        assert "\n" not in said
        assert not any(row["state"] == "failed" for row in read_run(run).trials.values())
        filler.unlink()
    driver = _driver.start(address, run, log, trials=TRIALS)
    driver.join(300)
    assert driver.exitcode == 0
    assert_agreed(read_run(run), TRIALS)
    assert_models(read_run(run))
    record_property("tried", TIMES)
    record_property("lost", "epochs since the last checkpoints, no trial")


@pytest.mark.fault(
    "disk full while the study file is written", "the former file stays whole, one clear error"
)
def test_a_study_that_does_not_fit_leaves_the_former(tmp_path: Path) -> None:
    run = tmp_path / "run"
    RunFolder.create(run, runs.run_json()).close()
    write_study(run)
    before = (run / "study.db").read_bytes()
    with largest_file(4096), pytest.raises(InputError, match="--resume"), writing(run):
        write_study(run)
    assert (run / "study.db").read_bytes() == before
    assert not [file for file in run.iterdir() if file.name.endswith(".tmp")]


@pytest.mark.fault(
    "disk full while a model or checkpoint is written",
    "the former file stays whole, one clear error",
)
def test_a_checkpoint_that_does_not_fit_leaves_the_former(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    write_tensors(file, {"a": torch.ones(8)}, {"epoch": 1})
    with (
        largest_file(4096),
        pytest.raises(InputError, match=rf"{file} cannot be written: {os.strerror(errno.EFBIG)}"),
    ):
        write_tensors(file, {"a": torch.zeros(4096)}, {"epoch": 2})
    assert read_tensors(file)[1] == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.fault(
    "disk full while run.json is written", "the former file stays whole, one clear error"
)
def test_a_record_that_does_not_fit_leaves_the_former(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_json(file, {"a": 1})
    with largest_file(4096), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        write_json(file, {"a": "x" * 8192})
    assert file.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [file]
