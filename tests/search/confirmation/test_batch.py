"""Lists of fits that are stopped, fail, and go on; a fit takes milliseconds here."""

from pathlib import Path
from typing import Any

import pytest

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from search.confirmation.batch import Batch
from search.confirmation.fits import Fit, Row
from search.store.jsonl import Table
from search.store.test_set_log import Ledger, locked_digest

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]


def fits(count: int) -> list[Fit]:
    config = config_class("crnn")().model_dump()
    return [Fit("a", "crnn", config, seed, 0, 2) for seed in range(count)]


def work(fit: Fit, images: LabelledImages, cpus: int, gpus: float, folder: Path) -> Row:
    """Notes that it ran; fails where the table's folder holds a file of the seed's name."""
    place = folder.parents[1]
    with (place / "begun").open("a") as file:
        file.write(f"{fit.seed}\n")
    error = "no" if (place / str(fit.seed)).exists() else None
    figures = {"nll": 1.0, "gap": 0.1, "exact_match": 0.5, "seconds": 1.0}
    return {**fit.describe(), **figures, "error": error}


def begun(place: Path) -> list[int]:
    return sorted(int(line) for line in (place / "begun").read_text().split())


def batch(place: Path, images: LabelledImages, say: Any = lambda line: None) -> Batch:
    return Batch(place / "rows.jsonl", images, say, work=work)


def seeds(rows: list[Row | None]) -> list[int | None]:
    return [row["seed"] if row else None for row in rows]


def test_what_is_done_is_not_done_again(tmp_path: Path, drawn: LabelledImages) -> None:
    assert seeds(batch(tmp_path, drawn).run(fits(2))) == [0, 1]
    assert seeds(batch(tmp_path, drawn).run(fits(4))) == [0, 1, 2, 3]
    assert begun(tmp_path) == [0, 1, 2, 3]


def test_a_failure_is_told_last_and_tried_again(tmp_path: Path, drawn: LabelledImages) -> None:
    (tmp_path / "1").touch()
    said: list[str] = []
    assert seeds(batch(tmp_path, drawn, said.append).run(fits(3))) == [0, None, 2]
    assert said[-1] == "a, fold 0 of 2, seed 1 failed: no"
    (tmp_path / "1").unlink()
    assert seeds(batch(tmp_path, drawn).run(fits(3))) == [0, 1, 2]
    assert begun(tmp_path) == [0, 1, 1, 2]


def test_an_interrupt_keeps_what_has_ended(tmp_path: Path, drawn: LabelledImages) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("2 of 6"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch(tmp_path, drawn, interrupt).run(fits(6))
    # As a kill in the middle of a row would leave it.
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"key": "')
    kept = batch(tmp_path, drawn).rows()
    assert len(kept) == 2
    assert seeds(batch(tmp_path, drawn).run(fits(6))) == list(range(6))
    assert {row["seed"] for row in kept.values()} <= set(begun(tmp_path))
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len(lines) == 7


def test_a_table_of_another_writer_is_refused(tmp_path: Path, drawn: LabelledImages) -> None:
    from filelock import FileLock

    Table(tmp_path / "rows.jsonl").close()
    with FileLock(tmp_path / "rows.jsonl.lock"), pytest.raises(InputError, match="is writing"):
        batch(tmp_path, drawn).run(fits(1))


def test_first_comes_before_all_training_and_only_then(
    tmp_path: Path, drawn: LabelledImages
) -> None:
    from filelock import FileLock

    calls: list[str] = []

    def refuse() -> None:
        raise InputError("seen before")

    one = batch(tmp_path, drawn)
    one.first = refuse
    with pytest.raises(InputError, match="seen before"):
        one.run(fits(1))
    assert not (tmp_path / "rows.jsonl").exists()
    assert not (tmp_path / "begun").exists()
    one.first = lambda: calls.append("first")
    with FileLock(tmp_path / "rows.jsonl.lock"), pytest.raises(InputError, match="is writing"):
        one.run(fits(1))
    lost = batch(tmp_path, drawn)
    lost.first, lost.address = one.first, "127.0.0.1:1"
    with pytest.raises(InputError, match="no Ray answers"):
        lost.run(fits(1))
    assert calls == []
    one.run(fits(1))
    one.run(fits(1))
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
