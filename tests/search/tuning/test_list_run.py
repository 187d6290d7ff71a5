"""Lists of trials that are stopped, fail, and go on; a trial takes milliseconds here."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from search.store.listed import ListedTrial, Row, kept_models
from search.store.run_folder import RunFolder
from search.store.test_set_log import Ledger, locked_digest
from search.tuning.list_run import ListRun
from search.tuning.settings import Settings
from search.tuning.task import OnEpoch, Task
from search.tuning.trial_list import TrialList
from tests.search import _fake

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]


def listed(count: int) -> list[ListedTrial]:
    config = config_class("crnn").parse({"epochs": 2}).model_dump()
    return [ListedTrial("a", "crnn", config, seed, 0, 2) for seed in range(count)]


class Held(_fake.TrainingState):
    """A state that has predictions once its training is whole."""

    def predictions(self) -> dict[str, Any] | None:
        return {"nll": 1.0, "nlls": [1.0], "read": ["x"]} if self.epoch == 2 else None


def work(place: Path) -> Callable[[Task, Any, OnEpoch, Path | None], None]:
    """Notes that it ran; fails where the folder holds a file of the seed's name."""

    def run(task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
        with (place / "begun").open("a") as file:
            file.write(f"{task.seed}\n")
        if (place / str(task.seed)).exists():
            raise ValueError("no")
        for epoch in (1, 2):
            on_epoch(_fake.metrics(epoch, 1.0), Held(epoch))

    return run


def begun(place: Path) -> list[int]:
    return sorted(int(line) for line in (place / "begun").read_text().split())


def run_of(place: Path, images: LabelledImages, say: Any = lambda line: None) -> ListRun:
    resources = {"max_concurrent": 1}
    return ListRun(place / "rows", images, say, resources=resources, train=work(place))


def seeds(rows: list[Row | None]) -> list[int | None]:
    return [row["seed"] if row else None for row in rows]


def test_what_is_done_is_not_done_again(tmp_path: Path, drawn: LabelledImages) -> None:
    assert seeds(run_of(tmp_path, drawn).run(listed(2))) == [0, 1]
    assert seeds(run_of(tmp_path, drawn).run(listed(4))) == [0, 1, 2, 3]
    assert begun(tmp_path) == [0, 1, 2, 3]


def test_one_connection_serves_several_lists(tmp_path: Path, drawn: LabelledImages) -> None:
    ended: list[bool] = []
    with ExitStack() as kept:
        kept.callback(ended.append, True)
        one = run_of(tmp_path, drawn)
        one.kept = kept
        for count in (1, 2):
            assert seeds(one.run(listed(count))) == list(range(count))
            assert not ended
    assert ended
    assert begun(tmp_path) == [0, 1]


def test_a_failure_is_told_last_and_tried_again(tmp_path: Path, drawn: LabelledImages) -> None:
    (tmp_path / "1").touch()
    said: list[str] = []
    assert seeds(run_of(tmp_path, drawn, said.append).run(listed(3))) == [0, None, 2]
    assert said[-1] == "a, fold 0 of 2, seed 1 failed: ValueError: no"
    (tmp_path / "1").unlink()
    assert seeds(run_of(tmp_path, drawn).run(listed(3))) == [0, 1, 2]
    assert begun(tmp_path) == [0, 1, 1, 2]


def test_an_interrupt_keeps_what_has_ended(tmp_path: Path, drawn: LabelledImages) -> None:
    class Interrupting(_fake.TrainingState):
        pass

    one = run_of(tmp_path, drawn)
    plain = one.train

    def interrupts(task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
        if task.seed == 2:
            import os
            import signal

            os.kill(int((tmp_path / "driver").read_text()), signal.SIGINT)
        plain(task, data, on_epoch, resume)

    import os

    (tmp_path / "driver").write_text(str(os.getpid()))
    one.train, one.kept, ended = interrupts, ExitStack(), list[bool]()
    one.kept.callback(ended.append, True)
    with pytest.raises(KeyboardInterrupt):
        one.run(listed(6))
    assert ended, "no later list shall find the connection of one that was interrupted"
    kept = run_of(tmp_path, drawn).rows()
    assert 2 <= len(kept) < 6
    # As a kill in the middle of a row would leave it.
    with (tmp_path / "rows" / "trials.jsonl").open("a") as file:
        file.write('{"key": "')
    assert seeds(run_of(tmp_path, drawn).run(listed(6))) == list(range(6))
    assert all(begun(tmp_path).count(row["seed"]) == 1 for row in kept.values())


def test_another_attempt_knows_nothing_of_the_first(tmp_path: Path, drawn: LabelledImages) -> None:
    """A trial that failed after its last report must not count as whole when tried again."""
    one, place = run_of(tmp_path, drawn), tmp_path
    plain = one.train

    def fails_late(task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
        plain(task, data, on_epoch, resume)
        raise ValueError("late")

    one.train = fails_late
    assert seeds(one.run(listed(1))) == [None]
    # Killed right after the second attempt's first row was written.
    trial = listed(1)[0]
    settings = Settings(spaces=("list",), trials=1)
    with RunFolder.open(place / "rows") as folder:
        source = TrialList(folder, settings, {trial.key(drawn.digest): trial})
        (name,) = source.trials
        source.start(name)
        assert folder.records.last_epoch(name) == 0
        assert source.settle() == [name]
    assert seeds(run_of(tmp_path, drawn).run(listed(1))) == [0]
    assert begun(tmp_path) == [0, 0]


def test_a_folder_whose_making_was_cut_off_is_taken_over(
    tmp_path: Path, drawn: LabelledImages
) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "trials.jsonl").touch()
    assert seeds(run_of(tmp_path, drawn).run(listed(1))) == [0]


def test_a_list_keeps_its_checkpoints_in_a_storage(tmp_path: Path, drawn: LabelledImages) -> None:
    one = run_of(tmp_path, drawn)
    one.storage = str(tmp_path / "shared")
    assert seeds(one.run(listed(2))) == [0, 1]
    assert (tmp_path / "shared" / "copy").exists()
    assert not (tmp_path / "rows" / "ray").exists()


def test_rows_of_an_earlier_version_count(tmp_path: Path, drawn: LabelledImages) -> None:
    from search.store.jsonl import Table

    first = listed(1)[0]
    with Table(tmp_path / "rows.jsonl") as table:
        table.append({"key": first.key(drawn.digest), "seed": 0, "error": None, "passes": 7})
    rows = run_of(tmp_path, drawn).run(listed(2))
    assert seeds(rows) == [0, 1]
    assert rows[0] and rows[0]["images_seen"] == 7
    assert begun(tmp_path) == [1]


def test_a_table_of_another_writer_is_refused(tmp_path: Path, drawn: LabelledImages) -> None:
    run_of(tmp_path, drawn).run(listed(1))
    with RunFolder.open(tmp_path / "rows"), pytest.raises(InputError, match="is writing"):
        run_of(tmp_path, drawn).run(listed(2))


def test_first_comes_before_all_training_and_only_then(
    tmp_path: Path, drawn: LabelledImages
) -> None:
    calls: list[str] = []

    def refuse() -> None:
        raise InputError("seen before")

    one = run_of(tmp_path, drawn)
    one.first = refuse
    with pytest.raises(InputError, match="seen before"):
        one.run(listed(1))
    assert not (tmp_path / "rows").exists()
    assert not (tmp_path / "begun").exists()
    one.first = lambda: calls.append("first")
    lost = run_of(tmp_path, drawn)
    lost.first, lost.address = one.first, "127.0.0.1:1"
    with pytest.raises(InputError, match="no Ray answers"):
        lost.run(listed(1))
    assert calls == []
    one.run(listed(1))
    one.run(listed(1))
    assert calls == ["first"]


def test_folds_of_all_images_are_a_look_that_is_refused_a_second_time(tmp_path: Path) -> None:
    from benchmarks.cross_validate import main
    from captcha_models.data.sources import open_images

    digest = locked_digest(open_images("synthetic:60"))
    Ledger(tmp_path, digest).take("another plan", "before", force=False)
    rows = tmp_path / "rows"
    where = ["--data", "synthetic:60", "--rows", str(rows), "--runs-dir", str(tmp_path)]
    asked = ["--arch", "crnn", "--set", "epochs=1", "--folds", "2", "--all-images"]
    with pytest.raises(InputError, match="was looked at"):
        main([*asked, *where], standalone_mode=False)
    assert len(Ledger(tmp_path, digest).looks()) == 1
    assert not rows.exists()


@pytest.mark.parametrize("first", [True, False])
def test_of_equal_trials_one_that_leaves_its_model_is_enough(
    tmp_path: Path, drawn: LabelledImages, first: bool
) -> None:
    """It is trained once, and the model is there whichever of them stands first."""
    one = listed(1)[0]
    pair = [replace(one, keep=first), replace(one, keep=not first)]
    assert seeds(run_of(tmp_path, drawn).run(pair)) == [0, 0]
    assert begun(tmp_path) == [0]
    assert kept_models(tmp_path / "rows").keys() == {one.key(drawn.digest)}
