"""The head of a cluster that is gone with all that it had: the search goes on elsewhere."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from search.store.records import read_run
from search.store.storage import Storage
from search.store.sync import bring_up
from tests.search.store._head import EPOCHS, TRIALS
from tests.search.tuning.test_kill import kill_tree, wait

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[3]


@pytest.mark.fault(
    "head killed hard, its disk lost", "another goes on from the storage; each trial ended once"
)
@pytest.mark.parametrize("storage", ["shared folder", "S3"], indirect=True)
def test_the_head_is_gone_and_another_goes_on_from_the_storage(
    storage: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    first, second = tmp_path / "a" / "r", tmp_path / "b" / "r"
    logs = tmp_path / "before", tmp_path / "after"
    head = start(first, storage, logs[0])
    # Two have ended, and two are in the middle.
    wait(lambda: going_on(first) == 2, head)
    kill_tree(head)
    told = read_run(first)
    first.parent.rename(tmp_path / "lost")

    assert start(second, storage, logs[1], "--resume").wait(200) == 0
    records = read_run(second)
    assert sorted(records.trials) == [f"pooled-{i:03d}" for i in range(TRIALS)]
    assert {row["state"] for row in records.trials.values()} <= {"completed", "stopped"}
    rows = [json.loads(line) for line in (second / "trials.jsonl").read_text().splitlines()[1:]]
    ends = Counter(row["trial"] for row in rows if row["state"] != "running")
    assert set(ends.values()) == {1}

    before, after = map(trained, logs)
    again = 0
    for name, row in told.trials.items():
        seed = row["seed"]
        assert records.trials[name]["config"] == row["config"]
        if row["state"] != "running":
            assert not after[seed]
            continue
        kept = [epoch for epoch, e in sorted(told.epochs[name].items()) if e["checkpoint"]]
        # The last one may have come as the head died, before the storage knew of it.
        assert min(after[seed]) > kept[-2]
        assert sorted(after[seed]) == list(range(min(after[seed]), EPOCHS + 1))
        again += len(set(before[seed]) & set(after[seed]))
    total = sum(map(len, (*before.values(), *after.values())))
    record_property("lost", f"{again} of {total} epochs trained again")

    bring_up(Storage(storage).child("r"), tmp_path / "c" / "r")
    for table in ("trials.jsonl", "epochs.jsonl"):
        assert (tmp_path / "c" / "r" / table).read_bytes() == (second / table).read_bytes()
    assert Storage(storage).child("r").names() == ["copy"]
    shutil.rmtree(tmp_path / "lost")


def start(run: Path, place: str, log: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.search.store._head", str(run), place, str(log), *more]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def going_on(run: Path) -> int:
    """Trials that are in the middle, with two checkpoints, when two have ended."""
    if not (run / "run.json").is_file():
        return 0
    records = read_run(run)
    ended = [row for row in records.trials.values() if row["state"] != "running"]
    deep = [
        name for name, row in records.trials.items()
        if row["state"] == "running" and records.last_epoch(name) < EPOCHS - 4
        and sum(bool(e["checkpoint"]) for e in records.epochs.get(name, {}).values()) >= 2
    ]  # fmt: skip
    return len(deep) if len(ended) == 2 else 0


def trained(log: Path) -> dict[int, list[int]]:
    """Epochs begun, by the trial's seed."""
    found: dict[int, list[int]] = {seed: [] for seed in range(TRIALS)}
    for line in log.read_text().splitlines():
        seed, epoch = map(int, line.split())
        found[seed].append(epoch)
    return found
