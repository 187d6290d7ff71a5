"""Run folders that one driver writes: after a takeover, from two machines in turn, killed."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from search.store import lease as leases
from search.store import run_folder
from search.store.listed import ListedTrial
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from search.store.sync import bring_up
from search.tuning.list_run import ListRun
from search.tuning.search_session import SearchSession
from tests.search import _runs


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silence of two seconds, in the place of one and a half minutes."""
    for name, value in {"BEAT_S": 0.05, "HOLD_S": 1.0, "TAKE_S": 2.0, "LOOK_S": 0.02}.items():
        monkeypatch.setattr(leases, name, value)


def ended(folder: RunFolder, number: int) -> str:
    name = _runs.start(folder, number)
    _runs.epoch(folder, name, 1, 2.0)
    folder.end_trial(name, "completed")
    return name


@pytest.mark.fault("driver that comes back when its run was taken over", "writes nothing any more")
@pytest.mark.usefixtures("hasty")
def test_what_comes_too_late_is_refused_and_changes_nothing(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Storage(storage)
    # The first driver is frozen, and its clock with it.
    monkeypatch.setattr(leases, "BEAT_S", 1e6)
    monkeypatch.setattr(leases, "HOLD_S", 1e6)
    late = RunFolder.create(tmp_path / "a" / "r", _runs.run_json(), store)
    ended(late, 0)
    time.sleep(0.5)
    monkeypatch.setattr(leases, "BEAT_S", 0.05)
    with RunFolder.open(tmp_path / "b" / "r", store) as folder:
        assert list(folder.records.trials) == ["crnn-000"]
        store.write("ray/x", b"needed")
        before = sorted(store.names("copy/000001"))
        with pytest.raises(InputError, match="took the run over"):
            # It does not know yet: what it sends is refused, and then what it is told.
            for number in (1, 2, 3, 4):
                late.discard("ray/x")
                ended(late, number)
                time.sleep(0.3)
        with pytest.raises(InputError, match="took the run over"):
            _runs.start(late, 9)
        with pytest.raises(InputError, match="took the run over"):
            late.close()
        assert store.exists("ray/x")
        assert sorted(store.names("copy/000001")) == before
        # And what had been on its way when it was frozen is read by nobody.
        store.write("copy/000001/state.json", b'{"tables": {}, "files": {}}')
        bring_up(store, tmp_path / "d" / "r")
        assert list(read_run(tmp_path / "d" / "r").trials) == ["crnn-000"]
        ended(folder, 5)
    bring_up(store, tmp_path / "c" / "r")
    assert list(read_run(tmp_path / "c" / "r").trials) == ["crnn-000", "crnn-005"]


def test_a_state_that_lands_while_the_run_is_taken_up_is_read_by_nobody(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, state = Storage(storage), "copy/000001/state.json"
    with RunFolder.create(tmp_path / "a" / "r", _runs.run_json(), store) as late:
        ended(late, 0)
        late._copy.push(wait=True)  # type: ignore[union-attr]
        first = store.read(state)
        ended(late, 1)
    second = store.read(state)
    assert second != first
    store.write(state, first)

    def then_it_lands(*taken: Any) -> None:
        bring_up(*taken)
        store.write(state, second)

    monkeypatch.setattr(run_folder, "bring_up", then_it_lands)
    with RunFolder.open(tmp_path / "b" / "r", store) as folder:
        ended(folder, 5)
    bring_up(store, tmp_path / "c" / "r")
    assert list(read_run(tmp_path / "c" / "r").trials) == ["crnn-000", "crnn-005"]


def test_a_run_goes_to_and_fro_between_two_machines(storage: str, tmp_path: Path) -> None:
    store, a, b = Storage(storage), tmp_path / "a" / "r", tmp_path / "b" / "r"
    with RunFolder.create(a, _runs.run_json(), store) as folder:
        ended(folder, 0)
    for number, path in enumerate((b, a, b, a), start=1):
        with RunFolder.open(path, store) as folder:
            assert len(folder.records.trials) == number
            ended(folder, number)
            folder.update_run(mark=number)
    bring_up(store, tmp_path / "c" / "r")
    found = read_run(tmp_path / "c" / "r")
    assert len(found.trials) == 5
    assert found.run["mark"] == 4
    # What no state names any more is not left there.
    held = [
        name
        for term in store.names("copy")
        for push in store.names(f"copy/{term}")
        if push.isdecimal()
        for name in store.names(f"copy/{term}/{push}")
    ]
    assert held.count("run.json") == 1


def test_a_folder_that_went_another_way_is_refused_and_the_advice_works(tmp_path: Path) -> None:
    store, a, b = Storage(str(tmp_path / "store")), tmp_path / "a" / "r", tmp_path / "b" / "r"
    with RunFolder.create(a, _runs.run_json(), store) as folder:
        ended(folder, 0)
    shutil.copytree(a, b)
    with RunFolder.open(b, store) as folder:
        ended(folder, 1)
    with RunFolder.open(a) as folder:  # Not told to the storage.
        ended(folder, 2)
    with pytest.raises(InputError, match=f"move {a} away, and the same command"):
        RunFolder.open(a, store)
    assert list(read_run(a).trials) == ["crnn-000", "crnn-002"]
    a.rename(tmp_path / "away")
    with RunFolder.open(a, store) as folder:
        assert list(folder.records.trials) == ["crnn-000", "crnn-001"]


def test_a_folder_that_only_holds_more_goes_on(tmp_path: Path) -> None:
    """Machine b fetched the run and left a file; what a had not told the storage follows on."""
    store, a, b = Storage(str(tmp_path / "store")), tmp_path / "a" / "r", tmp_path / "b" / "r"
    with RunFolder.create(a, _runs.run_json(), store) as folder:
        ended(folder, 0)
    with RunFolder.open(a) as folder:
        ended(folder, 1)
        folder.update_run(mark="a")
    with RunFolder.open(b, store):
        (b / "confirmed").mkdir()
        (b / "confirmed" / "crnn.json").write_text("{}")
    with RunFolder.open(a, store) as folder:
        assert list(folder.records.trials) == ["crnn-000", "crnn-001"]
        assert folder.records.run["mark"] == "a"
    bring_up(store, tmp_path / "c" / "r")
    assert list(read_run(tmp_path / "c" / "r").trials) == ["crnn-000", "crnn-001"]
    assert (tmp_path / "c" / "r" / "confirmed" / "crnn.json").exists()


def test_what_was_made_here_after_the_copy_stays(tmp_path: Path) -> None:
    """Machine a confirms anew, although b has taken the run up meanwhile."""
    store, a, b = Storage(str(tmp_path / "store")), tmp_path / "a" / "r", tmp_path / "b" / "r"
    with RunFolder.create(a, _runs.run_json(), store) as folder:
        ended(folder, 0)
        (a / "confirmed").mkdir()
        (a / "confirmed" / "crnn.json").write_text("old")
    with RunFolder.open(b, store):
        pass
    (a / "confirmed" / "crnn.json").write_text("new")
    with RunFolder.open(a, store):
        assert (a / "confirmed" / "crnn.json").read_text() == "new"
    with RunFolder.open(b, store):
        assert (b / "confirmed" / "crnn.json").read_text() == "new"


def test_a_copy_of_before_there_were_terms_is_gone_on_with(tmp_path: Path) -> None:
    store, a = Storage(str(tmp_path / "store")), tmp_path / "a" / "r"
    with RunFolder.create(a, _runs.run_json()) as folder:
        ended(folder, 0)
    old = {"number": 1, "tables": {}, "files": {}}
    for file in (a / "trials.jsonl", a / "epochs.jsonl"):
        part = f"copy/{file.stem}/000001"
        store.write(part, file.read_bytes())
        old["tables"][file.name] = [[part, file.stat().st_size]]  # type: ignore[index]
    store.write("copy/files/run.json", (a / "run.json").read_bytes())
    about = (a / "run.json").stat()
    old["files"]["run.json"] = [about.st_size, about.st_mtime_ns]  # type: ignore[index]
    store.write("copy/state.json", str(old).replace("'", '"').encode())
    for path in (tmp_path / "b" / "r", tmp_path / "c" / "r"):
        with RunFolder.open(path, store) as folder:
            ended(folder, len(folder.records.trials))
    assert list(read_run(path).trials) == ["crnn-000", "crnn-001", "crnn-002"]


@pytest.mark.usefixtures("hasty")
def test_a_new_run_of_a_name_that_is_being_written_leaves_nothing(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "store"))
    with RunFolder.create(tmp_path / "a" / "r", _runs.run_json(), store):
        with pytest.raises(InputError, match="is being written by"):
            RunFolder.create(tmp_path / "b" / "r", _runs.run_json(), store)
        assert not (tmp_path / "b" / "r").exists()
        with pytest.raises(InputError, match="another process is writing"):
            RunFolder.open(tmp_path / "a" / "r", store)


@pytest.mark.usefixtures("hasty")
def test_lists_and_resumed_searches_ask_for_the_lease(
    tmp_path: Path, drawn: LabelledImages
) -> None:
    place = tmp_path / "store" / "r"
    with RunFolder.create(tmp_path / "a" / "r", _runs.run_json(), Storage(str(place))) as folder:
        ended(folder, 0)
        deadline = time.monotonic() + 20
        while not place.joinpath("copy/000001/state.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        config = config_class("crnn").parse({"epochs": 2}).model_dump()
        listed = ListRun(tmp_path / "b" / "r", drawn, print, storage=str(place))
        with pytest.raises(InputError, match="is being written by"):
            listed.run([ListedTrial("a", "crnn", config, 0, 0, 2)])
        with pytest.raises(InputError, match="is being written by"):
            SearchSession(tmp_path / "c" / "r", print, storage=str(place.parent)).resume({})
    assert not (tmp_path / "b" / "r").exists()
    assert not (tmp_path / "c" / "r").exists()


DRIVER = """
import sys, time
from pathlib import Path
from search.store import lease
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from tests.search import _runs
from tests.search.store.test_one_writer import ended
lease.BEAT_S, lease.HOLD_S, lease.TAKE_S, lease.LOOK_S = 0.1, 1.0, 2.0, 0.05
path = Path(sys.argv[1])
with RunFolder.create(path, _runs.run_json(), Storage(sys.argv[2])) as folder:
    for number in range(10**6):
        ended(folder, number)
        print(number, flush=True)
        time.sleep(0.1)
"""


@pytest.mark.fault(
    "driver of a stored run killed or cut off", "another takes it over within two minutes"
)
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_is_killed_or_paused(tmp_path: Path, how: signal.Signals) -> None:
    path, store = tmp_path / "a" / "r", Storage(str(tmp_path / "store"))
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(path), store.place],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert driver.stdout
        for _ in range(5):
            driver.stdout.readline()
        said: list[str] = []
        with pytest.raises(InputError, match=f"process {driver.pid}, since"):
            RunFolder.open(tmp_path / "b" / "r", store)
        driver.send_signal(how)
        if how == signal.SIGKILL:
            driver.wait(20)
            # In its own folder, whose lock says that it is dead, at once.
            with RunFolder.open(path, store, said.append) as folder:
                count = len(folder.records.trials)
            assert not said
        with RunFolder.open(tmp_path / "b" / "r", store, said.append) as folder:
            if how == signal.SIGKILL:
                assert len(folder.records.trials) == count
            else:
                assert "takes the run over" in said[-1]
                driver.send_signal(signal.SIGCONT)
                _, error = driver.communicate(timeout=30)
                assert driver.returncode == 1
                assert "took the run over" in error.splitlines()[-1]
            ended(folder, 900_000)
        bring_up(store, tmp_path / "c" / "r")
        assert list(read_run(tmp_path / "c" / "r").trials)[-1] == "crnn-900000"
    finally:
        driver.kill()
        driver.communicate()
