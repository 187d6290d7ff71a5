"""A run that is kept elsewhere too, and goes on where its folder is gone."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from captcha_models.errors import InputError
from search.store import lease, run_folder, sending
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from search.store.sync import bring_up, is_kept, newest
from search.tuning.search_session import SearchSession
from search.tuning.settings import Settings
from search.tuning.task import Task
from tests.search import _fake, _runs

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
]


def test_what_is_written_is_found_again(storage: str, tmp_path: Path) -> None:
    store = Storage(storage).child("a")
    assert store.names() == []
    assert not store.exists("b/c")
    store.write("b/c", b"one")
    store.write("b/c", b"two")
    store.write("b/d", b"")
    assert store.read("b/c") == b"two"
    assert store.names("b") == ["c", "d"]
    assert store.exists("b")
    store.child("b").fetch("c", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"two"
    store.delete("b")
    assert not store.exists("b/c")
    store.delete("b")


def test_an_unknown_kind_of_address_is_refused() -> None:
    with pytest.raises(InputError, match="storage ftp://x/y cannot be opened"):
        Storage("ftp://x/y").exists("z")


def test_the_copy_grows_in_parts_and_makes_the_same_folder(storage: str, tmp_path: Path) -> None:
    store, path = Storage(storage).child("run"), tmp_path / "run"
    with RunFolder.create(path, _runs.run_json(), store) as folder:
        for number in range(3):
            name = _runs.start(folder, number)
            _runs.epoch(folder, name, 1, 2.0)
            folder.end_trial(name, "completed")
    before = {f.name: f.read_bytes() for f in path.iterdir() if not f.name.startswith(".")}
    parts = tables(store)["trials.jsonl"]
    assert len(parts) >= 1
    assert sum(size for _, size in parts) == len(before["trials.jsonl"])
    found = tmp_path / "elsewhere" / "run"
    # It goes on there, and grows by what is new alone.
    with RunFolder.open(found, store) as folder:
        assert {f.name: f.read_bytes() for f in found.iterdir() if f.name[0] != "."} == before
        folder.end_trial(_runs.start(folder, 3), "failed", error="no")
    after = tables(store)["trials.jsonl"]
    assert after[: len(parts)] == parts
    assert len(after) > len(parts)


def tables(store: Storage) -> dict[str, list[tuple[str, int]]]:
    state = newest(store).state
    assert state
    found: dict[str, list[tuple[str, int]]] = state["tables"]
    return found


def test_the_copy_learns_of_the_last_checkpoint_though_nothing_follows(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "COPY_EVERY_S", 0.5)
    store, elsewhere = Storage(storage).child("last"), tmp_path / "elsewhere"

    def known() -> list[int]:
        shutil.rmtree(elsewhere, ignore_errors=True)
        if is_kept(store):
            bring_up(store, elsewhere)
        rows = read_run(elsewhere).epochs.get("crnn-000", {}) if elsewhere.exists() else {}
        return [epoch for epoch, row in rows.items() if row["checkpoint"]]

    with RunFolder.create(tmp_path / "run", _runs.run_json(), store) as folder:
        name = _runs.start(folder, 0)
        for epoch in (1, 2, 3):
            _runs.epoch(folder, name, epoch, 2.0, checkpoint=True)
        deadline = time.monotonic() + 30
        while known() != [1, 2, 3] and time.monotonic() < deadline:
            folder.look_after()
            time.sleep(0.05)
        assert known() == [1, 2, 3]


def test_a_table_of_many_parts_is_sent_whole_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PARTS", 3)
    store, path = Storage(str(tmp_path / "store")), tmp_path / "run"
    with RunFolder.create(path, _runs.run_json(), store) as folder:
        for number in range(8):
            folder.end_trial(_runs.start(folder, number), "failed", error="no")
            folder._copy.push(wait=True)  # type: ignore[union-attr]
    parts = tables(store)["trials.jsonl"]
    assert len(parts) <= 3
    assert sum(size for _, size in parts) == (path / "trials.jsonl").stat().st_size
    # What no state names any more is not left there.
    assert len(list((tmp_path / "store").rglob("trials.jsonl"))) == len(parts)
    bring_up(store, tmp_path / "elsewhere")
    assert len(read_run(tmp_path / "elsewhere").trials) == 8


# Ray makes folders, which the stand-in for Google's storage does not know.
@pytest.mark.parametrize("storage", ["shared folder", "S3"], indirect=True)
@pytest.mark.usefixtures("ray")
def test_a_search_goes_on_where_its_folder_is_gone(storage: str, tmp_path: Path) -> None:
    """Stopped with a trial half-way, and its folder lost: the storage has all that is needed."""
    place, log = tmp_path / "runs" / "r", tmp_path / "log"
    settings = Settings.parse(
        {"spaces": ("pooled",), "data": "synthetic:60", "trials": 3, "epochs": 4,
         "max_concurrent": 1, "fixed": {"lr": "2e-3"}}  # All trials are as good as the first.
    )  # fmt: skip

    def slow(task: Task, epoch: int) -> None:
        time.sleep(0.4 if task.seed == 1 and epoch > 2 else 0)

    def note(task: Task, epoch: int) -> None:
        log.write_text(f"{log.read_text() if log.exists() else ''}{task.seed} {epoch}\n")

    first = SearchSession(place, lambda line: None, storage=storage, train=_fake.objective(slow))
    stopper = threading.Thread(target=stop_half_way, args=(first,))
    stopper.start()
    assert first.begin(settings) == 130
    stopper.join(10)
    assert not (place / "ray").exists()
    before = read_run(place).trials
    assert [row["state"] for row in before.values()] == ["completed", "running"]
    shutil.rmtree(place)

    with pytest.raises(InputError, match="holds a run of that name"):
        SearchSession(place, lambda line: None, storage=storage).begin(settings)
    second = SearchSession(place, lambda line: None, storage=storage, train=_fake.objective(note))
    assert second.resume({}) == 0
    records = read_run(place)
    assert records.trials["pooled-000"] == before["pooled-000"]
    assert all(row["state"] in ("completed", "stopped") for row in records.trials.values())
    assert len(records.trials) == 3
    done = [tuple(map(int, line.split())) for line in log.read_text().splitlines()]
    assert next(epoch for seed, epoch in done if seed == 1) == 3  # Its checkpoint was of 2.
    assert not [epoch for seed, epoch in done if seed == 0]
    assert (place / "best" / "pooled" / "model.safetensors").read_text().startswith("model of")
    assert Storage(storage).names("r") == ["copy"]


@pytest.mark.fault("search whose run was taken over", "stops in one line; late reports are refused")
@pytest.mark.usefixtures("ray")
@pytest.mark.timeout(300)
def test_a_search_stops_when_its_run_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.1)
    place, store = tmp_path / "runs" / "r", Storage(str(tmp_path / "store" / "r"))
    settings = Settings.parse(
        {"spaces": ("pooled",), "data": "synthetic:60", "trials": 2, "epochs": 400,
         "max_concurrent": 1}
    )  # fmt: skip
    session = SearchSession(
        place, lambda line: None, storage=str(tmp_path / "store"),
        train=_fake.objective(lambda task, epoch: time.sleep(0.2)),
    )  # fmt: skip
    rows: list[int] = []

    def take_over() -> None:
        wait(lambda: session.records and session.records.last_epoch("pooled-000") >= 3)
        lease.Lease.take(store, print, lease.identity(place / ".lock"))
        rows.append(read_run(place).last_epoch("pooled-000"))

    other = threading.Thread(target=take_over)
    other.start()
    with pytest.raises(InputError, match="took the run over"):
        session.begin(settings)
    other.join(100)  # It waits for as long as a former driver may still write.
    records = read_run(place)
    assert records.last_epoch("pooled-000") <= rows[0] + 10
    assert records.trials["pooled-000"]["state"] == "running"
    # What it told the storage is what it knew then.
    assert newest(store).term == 1
    bring_up(store, tmp_path / "elsewhere")
    assert read_run(tmp_path / "elsewhere").last_epoch("pooled-000") <= rows[0]


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 100
    while not until() and time.monotonic() < deadline:
        time.sleep(0.02)


def stop_half_way(session: SearchSession) -> None:
    """What Ctrl-C does, when the second trial has done half."""
    wait(lambda: session.records and session.records.last_epoch("pooled-001") == 2)
    session.stopping.interrupted = True


@pytest.mark.usefixtures("ray")
def test_a_storage_that_is_the_runs_own_folder_needs_no_copy(tmp_path: Path) -> None:
    settings = Settings.parse(
        {"spaces": ("pooled",), "data": "synthetic:60", "trials": 1, "epochs": 1}
    )
    quick = _fake.objective(lambda task, epoch: None)
    search = SearchSession(tmp_path / "r", lambda line: None, storage=str(tmp_path), train=quick)
    assert search.begin(settings) == 0
    assert not (tmp_path / "r" / "copy").exists()
    assert "storage" not in read_run(tmp_path / "r").run


def test_nothing_to_go_on_with_is_said(storage: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run at .*, and none in "):
        SearchSession(tmp_path / "r", lambda line: None, storage=storage).resume({})
