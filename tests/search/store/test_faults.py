"""Storages that fail, fill up, are late, or away: nothing is lost, and little is said."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import copy_files

from captcha_models.errors import InputError
from search.store import lease, tries
from search.store.disk_full import is_full
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from search.store.sync import bring_up, is_kept, newest
from search.tuning.search_session import SearchSession
from search.tuning.settings import Settings
from search.tuning.task import Task
from search.tuning.trainable import Sent
from tests.search import _fake, _runs
from tests.search.store._faulty import Faults, faulty

pytestmark = pytest.mark.filterwarnings("ignore")

KINDS: dict[str, dict[str, Any]] = {
    "every": {"every": 5},
    "half": {"half": 3},
    "lags": {"lags": True},
}
SMALL = {"spaces": ("pooled",), "data": "synthetic:60", "epochs": 4, "max_concurrent": 1,
         "fixed": {"lr": "2e-3"}}  # fmt: skip


@pytest.fixture
def behind(bucket: str, tmp_path: Path) -> Iterator[tuple[Faults, str]]:
    """An S3 with faults, none to begin with, and the address of a storage in it."""
    with faulty(bucket.replace("/runs?", f"/{tmp_path.name}?")) as found:
        yield found


@pytest.mark.parametrize("kind", ["every", "half", "lags"])
def test_a_run_folder_is_kept_whole(behind: tuple[Faults, str], kind: str, tmp_path: Path) -> None:
    faults, place = behind
    store = Storage(place).child("r")
    vars(faults).update(KINDS[kind])
    with RunFolder.create(tmp_path / "a" / "r", _runs.run_json(), store) as folder:
        for number in range(4):
            folder.end_trial(_runs.start(folder, number), "failed", error="no")
    with RunFolder.open(tmp_path / "b" / "r", store) as folder:
        assert len(folder.records.trials) == 4
        folder.end_trial(_runs.start(folder, 4), "failed", error="no")
    bring_up(store, tmp_path / "c" / "r")
    assert len(read_run(tmp_path / "c" / "r").trials) == 5
    assert faults.did[kind] > 0


@pytest.mark.fault("run in a storage that holds half of an object", "refused in one line")
@pytest.mark.parametrize("name", ["state.json", "trials.jsonl", "run.json"])
def test_half_an_object_is_told_and_not_taken_for_the_whole(
    storage: str, name: str, tmp_path: Path
) -> None:
    """A folder whose server lost its power may hold one; object storage shows whole ones alone."""
    store = Storage(storage).child("r")
    with RunFolder.create(tmp_path / "a" / "r", _runs.run_json(), store) as folder:
        folder.end_trial(_runs.start(folder, 0), "failed", error="no")
    state = newest(store).state
    assert state
    hit = {
        "state.json": "copy/000001/state.json",
        "trials.jsonl": state["tables"]["trials.jsonl"][-1][0],
        "run.json": state["files"]["run.json"][2],
    }[name]
    whole = store.read(hit)
    store.write(hit, whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{name} .*its writing was cut off"):
        RunFolder.open(tmp_path / "b" / "r", store)
    assert not (tmp_path / "b" / "r").exists()
    store.write(hit, whole)
    with RunFolder.open(tmp_path / "b" / "r", store) as folder:
        assert list(folder.records.trials) == ["crnn-000"]


def test_a_checkpoint_that_was_not_copied_is_sent_again_or_an_error(
    behind: tuple[Faults, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray copies by pyarrow, which says nothing of a file that the storage refused."""
    monkeypatch.setattr(Sent, "source", None)
    monkeypatch.setattr(tries, "PATIENT", 1)
    faults, place = behind
    system, inside = Storage(place).opened()
    (tmp_path / "model.safetensors").write_bytes(b"model")
    checkpoint = Sent.of(tmp_path)
    faults.full = True
    copy_files(checkpoint.path, f"{inside}/c", destination_filesystem=system)
    with pytest.raises(OSError, match="StorageFull") as told:
        Sent(f"{inside}/c", system)
    assert is_full(told.value)
    faults.full = False
    Sent(f"{inside}/c", system)
    assert Storage(place).read("c/model.safetensors") == b"model"


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.fault("storage that fails one call in five, cuts writes, lists late",
                   "tried again, with a limit; nobody notices")  # fmt: skip
@pytest.mark.usefixtures("ray")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_does_not_notice(behind: tuple[Faults, str], kind: str, tmp_path: Path) -> None:
    faults, place = behind
    vars(faults).update(KINDS[kind])
    log, said = tmp_path / "log", list[str]()
    settings, run = Settings.parse({**SMALL, "trials": 2}), tmp_path / "a" / "r"
    first = session(run, place, log, said)
    # It is ended half-way, and its folder stays behind.
    stop_after(first, 2)
    assert first.begin(settings) == 130
    run = tmp_path / "b" / "r"
    assert session(run, place, log, said).resume({}) == 0
    assert_whole(run, Storage(place).child("r"), 2, tmp_path)
    # What had a checkpoint was not trained again: its last one was after epoch 2.
    done = Counter(log.read_text().split("\n"))
    assert all(done[f"{trial} {epoch}"] == 1 for trial in (0, 1) for epoch in (1, 2, 4))
    assert not [line for line in said if "waiting for" in line]
    assert faults.did[kind] > 0


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.fault("storage full in the middle of a search",
                   "stops in one line; with room again resumed to its end",
                   lost="epochs since the last checkpoints, no trial")  # fmt: skip
@pytest.mark.usefixtures("ray")
@pytest.mark.timeout(300)
def test_a_full_storage_stops_the_search(
    behind: tuple[Faults, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "PATIENT", 3)
    faults, place = behind
    log, said = tmp_path / "log", list[str]()

    def fill(task: Task, epoch: int) -> None:
        if task.seed == 1 and epoch == 2:
            (tmp_path / "fill").touch()
            time.sleep(3)

    first = session(tmp_path / "a" / "r", place, log, said, fill)
    watch(lambda: (tmp_path / "fill").exists(), lambda: setattr(faults, "full", True))
    with pytest.raises(InputError) as told:
        first.begin(Settings.parse({**SMALL, "trials": 3}))
    assert "make room, then go on with" in str(told.value)
    assert "\n" not in str(told.value).split("go on with")[0]
    assert faults.did["full"] > 0
    faults.full = False
    second = session(tmp_path / "a" / "r", place, log, said)
    assert second.resume({}) == 0
    assert_whole(tmp_path / "a" / "r", Storage(place).child("r"), 3, tmp_path)


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.fault("storage not reached for a minute by driver and workers",
                   "nothing fails; one line says what is waited for")  # fmt: skip
@pytest.mark.usefixtures("ray")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("when", ["in the middle", "at the end"])
def test_a_storage_that_is_away_for_a_minute_is_waited_for(
    behind: tuple[Faults, str], when: str, tmp_path: Path
) -> None:
    faults, place = behind
    log, said = tmp_path / "log", list[str]()
    number = 1 if when == "in the middle" else 2

    def note(task: Task, epoch: int) -> None:
        if task.seed == number and epoch == 3:
            (tmp_path / "away").touch()
            time.sleep(2)

    def go() -> None:
        faults.gone = True
        time.sleep(60)
        faults.gone = False

    search = session(tmp_path / "a" / "r", place, log, said, note)
    watch(lambda: (tmp_path / "away").exists(), go)
    assert search.begin(Settings.parse({**SMALL, "trials": 3})) == 0
    assert_whole(tmp_path / "a" / "r", Storage(place).child("r"), 3, tmp_path)
    # No epoch was trained twice.
    assert set(Counter(log.read_text().splitlines()).values()) == {1}
    assert len([line for line in said if line.startswith(f"waiting for {place[:20]}")]) == 1
    assert len([line for line in said if "is reached again" in line]) == 1


def test_what_is_waited_for_is_said_once(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the call that would tell hangs."""
    for name, value in {"BEAT_S": 0.05, "HOLD_S": 1.5, "SAY_S": 2.0}.items():
        monkeypatch.setattr(lease, name, value)
    said: list[str] = []
    with faulty(bucket.replace("/runs?", "/said?")) as (faults, place):
        store = Storage(place)
        with RunFolder.create(tmp_path / "r", _runs.run_json(), store, say=said.append) as folder:
            folder.end_trial(_runs.start(folder, 0), "failed", error="no")
            faults.delay_s = 4.0
            wait(lambda: said)
            faults.delay_s = 0.0
            wait(lambda: len(said) > 1)
            folder.end_trial(_runs.start(folder, 1), "failed", error="no")
        bring_up(store, tmp_path / "b")
    first, second = said
    assert first.startswith(f"waiting for {store.place}: not reached for ")
    assert second.startswith(f"{store.place} is reached again, after ")
    assert len(read_run(tmp_path / "b").trials) == 2


def session(
    run: Path, place: str, log: Path, said: list[str],
    more: Callable[[Task, int], object] = lambda task, epoch: None,
) -> SearchSession:  # fmt: skip
    """A search that notes each epoch begun."""

    def note(task: Task, epoch: int) -> None:
        with open(log, "a") as file:
            file.write(f"{task.seed} {epoch}\n")
        more(task, epoch)
        time.sleep(0.3)

    return SearchSession(run, said.append, storage=place, train=_fake.objective(note))


def stop_after(search: SearchSession, epoch: int) -> None:
    """Ctrl-C, when the second trial has done so many epochs."""
    watch(
        lambda: bool(search.records) and search.records.last_epoch("pooled-001") >= epoch,  # type: ignore[union-attr]
        lambda: setattr(search.stopping, "interrupted", True),
    )


def watch(until: Callable[[], object], then: Callable[[], object]) -> None:
    def run() -> None:
        wait(until)
        then()

    threading.Thread(target=run, daemon=True).start()


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not until() and time.monotonic() < deadline:
        time.sleep(0.02)


def assert_whole(run: Path, store: Storage, trials: int, tmp_path: Path) -> None:
    """Each trial ended once and well, and the storage holds the same."""
    records = read_run(run)
    assert len(records.trials) == trials
    assert {row["state"] for row in records.trials.values()} <= {"completed", "stopped"}
    rows = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()[1:]]
    ends = Counter(row["trial"] for row in rows if row["state"] != "running")
    assert set(ends.values()) == {1}
    assert is_kept(store)
    bring_up(store, tmp_path / "fetched" / "r")
    for table in ("trials.jsonl", "epochs.jsonl"):
        assert (tmp_path / "fetched" / "r" / table).read_bytes() == (run / table).read_bytes()
    assert read_run(run).best_on_disk("pooled")
