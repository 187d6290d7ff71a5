"""One driver holds a stored run: who comes second, who was silent, who comes back too late."""

import getpass
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from captcha_models.errors import InputError
from search.store import lease as leases
from search.store.lease import HOLD_S, TAKE_S, Lease, LeaseLapsedError, LeaseLostError
from search.store.storage import Storage
from tests.search.store._gate import gate
from tests.search.store._google import google
from tests.search.store._turns import Turns


@dataclass
class Clock:
    """Seconds that pass when somebody sleeps; `meanwhile` is called then."""

    now: float = 1000.0
    meanwhile: Callable[[], None] = lambda: None
    said: list[str] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    def take(self, store: Storage, lock: str | None = None) -> Lease:
        return Lease.take(
            store, self.said.append, lock, clock=lambda: self.now, pause=self.pause
        )  # fmt: skip


def test_of_many_at_once_one_creates_a_file(storage: str) -> None:
    stores = [Storage(storage) for _ in range(6)]
    for name in ("x/1", "x/2", "x/3"):
        with ThreadPoolExecutor(len(stores)) as threads:
            told = [
                threads.submit(store.create, name, f"by {i}".encode())
                for i, store in enumerate(stores)
            ]
        made = [one.result() for one in told]
        assert sum(made) == 1
        assert stores[0].read(name) == f"by {made.index(True)}".encode()


@pytest.mark.fault("second search on the same stored run", "refused: who holds it, since when, how")
def test_a_second_driver_is_told_who_writes_and_what_to_do(storage: str) -> None:
    store, clock = Storage(storage), Clock()
    first = clock.take(store)
    clock.meanwhile = first.beat
    with pytest.raises(InputError) as caught:
        clock.take(Storage(storage))
    text = str(caught.value)
    assert f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}, since 20" in text
    assert "end it there with Ctrl-C, then the same command goes on" in text
    assert "\n" not in text
    assert clock.now <= 1010
    first.check()
    first.release()
    begun = clock.now
    clock.take(store).check()
    assert clock.now == begun


@pytest.mark.fault(
    "driver of a stored run killed or cut off", "another takes it over within two minutes"
)
def test_a_dead_driver_loses_the_run_within_two_minutes(storage: str) -> None:
    store, clock = Storage(storage), Clock()
    dead = clock.take(store)
    second = clock.take(store)
    assert TAKE_S <= clock.now - 1000 <= 120
    assert any("this search takes the run over" in line for line in clock.said)
    second.check()
    with pytest.raises(LeaseLapsedError):
        dead.check()
    # It was a pause, and its clock stood still, as of a machine that is frozen whole.
    clock.now = 1000
    with pytest.raises(LeaseLostError, match=f"process {os.getpid()}, since .*took the run over"):
        dead.check()
    with pytest.raises(LeaseLostError):
        dead.assert_kept()
    dead.beat()
    dead.release()
    clock.now = 1100
    clock.meanwhile = second.beat
    with pytest.raises(InputError, match="is being written by"):
        clock.take(store)


def test_one_that_was_taken_while_it_slept_finds_out_by_its_beat(storage: str) -> None:
    store, clock = Storage(storage), Clock()
    asleep = clock.take(store)
    second = clock.take(store)
    asleep.beat()
    with pytest.raises(LeaseLostError):
        asleep.assert_kept()
    second.beat()
    second.check()


def test_one_that_comes_back_at_the_last_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its beat comes after the other's last look at it, and its write before the other's term."""
    store, clock = Storage(str(tmp_path)), Clock()
    first, create = clock.take(store), Storage.create
    back: list[float] = []

    def late(self: Storage, name: str, data: bytes) -> bool:
        if not back:
            back.append(clock.now)
            first.beat()
            first.check()
        return create(self, name, data)

    monkeypatch.setattr(Storage, "create", late)
    clock.take(store).check()
    assert clock.now >= back[0] + HOLD_S
    with pytest.raises(LeaseLostError):
        first.check()


def test_who_has_the_lock_of_the_same_folder_need_not_wait(tmp_path: Path) -> None:
    store, clock = Storage(str(tmp_path / "store")), Clock()
    dead = clock.take(store, "boot 1 2")
    clock.take(store, "boot 1 2").check()
    assert clock.now == 1000
    with pytest.raises(LeaseLostError):
        dead.check()
    clock.take(store, "boot 1 3")
    assert clock.now >= 1000 + TAKE_S


LONG_S = 30.0
"""What a write may take that was begun when the lease was held; see TAKE_S and HOLD_S."""


@pytest.mark.fault("two drivers after the same stored run", "at no moment do both write")
@pytest.mark.parametrize("seed", range(60))
def test_at_no_moment_do_two_write(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three drivers of slow calls that sleep and come back, mostly about when they are given up."""
    rng, turns, store = random.Random(seed), Turns(), Storage(str(tmp_path))
    written: list[tuple[float, float, int]] = []

    def slowly(call: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*given: Any) -> Any:
            turns.sleep(rng.choice([0, 0, 0.1, 3]))
            found = call(*given)
            turns.sleep(rng.choice([0, 0, 0.1, 3]))
            return found

        return slow

    def drive(number: int) -> None:
        turns.sleep(number * rng.choice([0, 1, 30]))
        taken = None
        for _ in range(6):
            with suppress(InputError):
                taken = Lease.take(
                    store, lambda line: None, clock=lambda: turns.now, pause=turns.sleep
                )
                break
        for _ in range(12 if taken else 0):
            assert taken
            for beats in rng.choice([(True, False), (False, True)]):
                if beats:
                    taken.beat()
                with suppress(LeaseLostError, LeaseLapsedError):
                    taken.check()
                    written.append((turns.now, turns.now + LONG_S, number))
                    turns.sleep(LONG_S)
            turns.sleep(rng.choice([5, HOLD_S - 2, *(TAKE_S + rng.uniform(-9, 16) for _ in "abc")]))

    for name in ("read", "write", "exists", "create"):
        monkeypatch.setattr(Storage, name, slowly(getattr(Storage, name)))
    turns.run(*(partial(drive, number) for number in range(3)))
    written.sort()
    for one, other in pairwise(written):
        assert one[2] == other[2] or other[0] >= one[1], (one, other)
    assert len(written) > 5


@pytest.mark.fault("storage of a run not reached for minutes", "goes on where nobody took the run")
def test_one_that_was_cut_off_goes_on_if_nobody_took_the_run(bucket: str, tmp_path: Path) -> None:
    clock = Clock()
    with gate(bucket.rpartition("=")[2]) as between:
        place = f"{bucket.rpartition('=')[0]}={between.place}".replace("/runs?", "/cut?")
        held = clock.take(Storage(place))
        between.close()
        clock.now += HOLD_S - 1
        with pytest.raises(OSError):
            held.beat()
        clock.now += 2
        with pytest.raises(LeaseLapsedError, match="has not been reached for"):
            held.check()
        held.assert_kept()
        with pytest.raises(InputError, match=r"storage .* cannot be used: "):
            clock.take(Storage(place))
        between.shut = False
        between.delay_s = 0.1
        held.beat()
        held.check()
        assert held.term == 1
        # One that had begun to watch before is too late.
        clock.meanwhile = held.beat
        with pytest.raises(InputError, match="is being written by"):
            clock.take(Storage(place))


def test_a_store_that_cannot_keep_two_apart_is_refused(tmp_path: Path) -> None:
    with google() as (stand_in, place):
        stand_in.obeys = False
        where = f"gs://anonymous@bucket/r?scheme=http&endpoint_override={place}"
        with pytest.raises(InputError, match="writes over what it was asked to keep"):
            Clock().take(Storage(where))


def test_a_store_that_makes_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, clock = Storage(str(tmp_path)), Clock()
    monkeypatch.setattr(store, "create", lambda *_: False)
    with pytest.raises(InputError, match="refuses to make a file that is not there"):
        clock.take(store)
    assert 1000 < clock.now <= 1000 + TAKE_S


def test_the_beat_outlives_whatever_a_file_system_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT_S", 0.01)
    store, clock = Storage(str(tmp_path)), Clock()
    held = clock.take(store)
    failed = threading.Event()

    def fails(*_: Any) -> None:
        failed.set()
        raise ValueError("no such thing")

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", fails)
        clock.now += HOLD_S + 1
        held.keep()
        assert failed.wait(20)
        with pytest.raises(LeaseLapsedError, match=r"reached for 46 s \(.*no such thing"):
            held.check()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(LeaseLapsedError):
            held.check()
            break
        time.sleep(0.01)
    held.check()
    held.release()
