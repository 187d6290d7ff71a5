"""Steps of an epoch under way: told by workers, shown by the driver, and without any effect."""

import io
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import make_split
from captcha_models.training.metrics import EpochMetrics
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.store.status import Step
from search.tuning.progress import Progress
from search.tuning.steps import Address, Steps, Teller
from search.tuning.task import Data, OnEpoch, Savable, Task, train
from tests.search import _fake, _runs


@pytest.fixture
def steps() -> Iterator[Steps]:
    with Steps("127.0.0.1") as found:
        yield found


def soon(steps: Steps, trial: str, epoch: int) -> Step:
    """What is heard of a trial; it may take a moment to come."""
    for _ in range(200):
        if found := steps.of(trial, epoch):
            return found
        time.sleep(0.01)
    raise AssertionError("nothing was heard")


def test_the_last_step_is_heard_with_the_pace_since_the_first(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("search.tuning.steps.time.monotonic", lambda: now)
    with Teller(steps.address, "crnn-001") as tell:
        for step in range(1, 11):
            now += 1.0
            tell(2, step, 20, 16)
    while (found := soon(steps, "crnn-001", 2)).step < 10:
        pass
    assert found == Step(2, 10, 20, 16, 9.0)
    assert (found.images_per_s, found.epoch_s) == (16.0, 20.0)
    # What is over tells nothing; a worker may be further than its reports.
    assert steps.of("crnn-001", 1) == found
    assert steps.of("crnn-001", 3) is steps.of("crnn-002", 2) is None


def test_few_of_many_steps_are_told_and_the_last_of_an_epoch_always() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(5)
        with Teller(Address("127.0.0.1", ear.getsockname()[1], "word"), "crnn-001") as tell:
            for step in range(1, 1001):
                tell(1, step, 1000, 8)
            told = [json.loads(ear.recv(512))]
            while told[-1][3] < 1000:
                told.append(json.loads(ear.recv(512)))
    assert told[0][:6] == ["word", "crnn-001", 1, 1, 1000, 8]
    assert 2 <= len(told) < 10


@pytest.mark.parametrize(
    "sent",
    [
        ["another word", "crnn-001", 1, 1, 10, 8, 0.5],
        ["WORD", "crnn-001", 1, 11, 10, 8, 0.5],
        ["WORD", "crnn-001", 1, 0, 10, 8, 0.5],
        ["WORD", "crnn-001", 1, True, 10, 8, 0.5],
        ["WORD", "crnn-001", 1, 1.5, 10, 8, 0.5],
        ["WORD", "crnn-001", 1, 1, 10, 8, -1.0],
        ["WORD", "crnn-001", 1, 1, 10, 8, float("nan")],
        ["WORD", "crnn-001", 1, 1, 10],
        ["WORD", "crnn-001", 1, 1, 10, 8, 0.5, 7],
        ["WORD", "crnn-001", 1, 1, 10, 8, [0.5]],
        [None, "crnn-001", 1, 1, 10, 8, 0.5],
        ["é", "crnn-001", 1, 1, 10, 8, 0.5],
        [], {}, 7, "WORD",
    ],
)  # fmt: skip
def test_what_is_no_step_of_ours_is_passed_over(steps: Steps, sent: Any) -> None:
    to = steps.address
    assert to
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        mouth.sendto(json.dumps(sent).replace("WORD", to.token).encode(), (to.host, to.port))
        mouth.sendto(b"\xff[" * 400, (to.host, to.port))
        mouth.sendto(b"[" * 500, (to.host, to.port))
        mouth.sendto(b"", (to.host, to.port))
    with Teller(to, "crnn-002") as tell:
        tell(1, 1, 10, 8)
    assert soon(steps, "crnn-002", 1).step == 1
    assert steps.of("crnn-001", 1) is None


def test_who_cannot_listen_or_be_reached_hears_nothing() -> None:
    with Steps("192.0.2.77") as deaf, Teller(deaf.address, "crnn-001") as tell:
        assert deaf.address is None
        tell(1, 1, 10, 8)
        assert deaf.of("crnn-001", 1) is None
    with Teller(Address("127.0.0.1", 9, "word"), "crnn-001") as tell:
        for step in range(1, 11):
            tell(1, step, 10, 8)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, "crnn-000*  epoch 1/12: step 13/39, 12 s of about 39 s, 16 images/s"),
        (60, "crnn-000*  epoch 1/12: step 13/39, 12 s of about 39 s"),
        (40, "crnn-000*  epoch 1/12: step 13/39"),
    ],
)
def test_the_line_of_a_trial_moves_within_an_epoch(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, shown: str
) -> None:
    text, now = io.StringIO(), 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        name = _runs.start(folder, 0)
        console = Console(file=text, force_terminal=True, width=width, color_system=None)
        with Progress(folder.records, 2, 12, console, steps=steps) as progress:
            progress.update(running=name)
            with Teller(steps.address, name) as tell:
                for step in range(1, 14):
                    now += 1.0
                    tell(1, step, 39, 16)
                while soon(steps, name, 1).step < 13:
                    pass
                progress.update()
            status = json.loads((folder.path / "status.json").read_text())
    (running,) = status["running"]
    assert (running["step"], running["steps"], running["epoch_s"]) == (13, 39, 39.0)
    assert status["images_per_s"] == 16.0
    # Two trials of 12 epochs, one after the other.
    assert status["left_s"] == 2 * 12 * 39.0 - 13
    assert f"  {shown}" in [line.rstrip() for line in text.getvalue().splitlines()]


def test_after_its_last_step_an_epoch_is_scored(steps: Steps, tmp_path: Path) -> None:
    text = io.StringIO()
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        name = _runs.start(folder, 0)
        with Progress(folder.records, 2, 12, Console(file=text), steps=steps) as progress:
            progress.update(running=name)
            with Teller(steps.address, name) as tell:
                tell(1, 39, 39, 16)
            soon(steps, name, 1)
            progress._next_line = 0.0
            progress.tick()
    assert "; running crnn-000 epoch 1/12: scoring" in text.getvalue()


@pytest.mark.slow
def test_a_training_is_the_same_whether_its_steps_are_told_or_not(drawn: LabelledImages) -> None:
    config = config_class("crnn").parse({"cut": 5, "batch_size": 16, "epochs": 2, "augment": 1.0})
    data = Data(drawn, make_split(drawn.names))
    told: list[tuple[int, ...]] = []

    def trained(task: Task) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def on_epoch(metrics: EpochMetrics, state: Savable) -> None:
            timed = ("seconds", "images_per_s")
            found.append({k: v for k, v in metrics.as_dict().items() if k not in timed})

        train(task, data, on_epoch, None)
        return found

    task = Task("crnn", config.model_dump(), 0)
    assert trained(replace(task, on_step=lambda *step: told.append(step))) == trained(task)
    each = len(data.split.train) // 16
    assert told == [(e, s, each, 16) for e in (1, 2) for s in range(1, each + 1)]


def stepping(task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
    """A trial that tells of two steps and then trains as the others do."""
    assert task.on_step
    task.on_step(1, 1, 2, 8)
    time.sleep(3)
    _fake.objective(lambda task, epoch: None)(task, data, on_epoch, resume)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
def test_a_search_hears_of_steps_and_records_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.tuning.search_session import SearchSession
    from search.tuning.settings import Settings

    heard: list[Step] = []
    of = Steps.of

    def listening(self: Steps, trial: str, epoch: int) -> Step | None:
        if found := of(self, trial, epoch):
            heard.append(found)
        return found

    monkeypatch.setattr(Steps, "of", listening)
    given = {"spaces": ("crnn",), "data": "synthetic:60", "trials": 1, "epochs": 1}
    session = SearchSession(tmp_path / "r", lambda line: None, train=stepping)
    assert session.begin(Settings.parse(given)) == 0
    assert {(one.epoch, one.step, one.steps, one.images) for one in heard} == {(1, 1, 2, 8)}
    records = read_run(tmp_path / "r")
    assert not any("step" in name for row in records.epochs["crnn-000"].values() for name in row)
