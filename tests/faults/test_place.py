"""Between two sessions: the run folder moved, the images removed or changed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captcha_models.errors import InputError
from search.store.records import Records, read_run
from search.store.run_folder import RunFolder
from search.tuning.search_session import SearchSession
from search.tuning.settings import Settings
from search.tuning.task import Task
from tests.faults import _driver
from tests.faults._agree import assert_agreed, assert_models, size, wait
from tests.search import _fake

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


@pytest.mark.timeout(300)
@pytest.mark.fault(
    "run folder moved", "resumed in its new place", lost="epochs since the last checkpoints"
)
def test_a_run_goes_on_in_another_place(tmp_path: Path, address: str) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    driver = _driver.start(address, run, log, trials=4, epoch_s=0.6)
    # A trial that runs is past the rung at half of its epochs, where a checkpoint is written.
    wait(lambda: size(run) >= 3 and half_way(read_run(run)), driver)
    _driver.kill(driver)
    with RunFolder.open(run) as folder:
        running = [n for n, row in folder.records.trials.items() if row["state"] == "running"]
        kept = {name: found[0] for name in running if (found := folder.checkpoint(name))}
    moved = tmp_path / "elsewhere" / "another name"
    moved.parent.mkdir()
    shutil.move(run, moved)
    begun = log.read_text().splitlines()
    driver = _driver.start(address, moved, log, trials=4)
    driver.join(120)
    assert driver.exitcode == 0
    assert not run.exists()
    assert_agreed(read_run(moved), 4)
    assert_models(read_run(moved))
    assert kept
    after = log.read_text().splitlines()[len(begun) :]
    for name, epoch in kept.items():
        number = int(name.rpartition("-")[2])
        again = [int(line.split()[1]) for line in after if line.split()[0] == str(number)]
        assert min(again, default=epoch + 1) == epoch + 1


def half_way(records: Records) -> bool:
    """Whether a trial that runs has a checkpoint to go on from."""
    running = [name for name, row in records.trials.items() if row["state"] == "running"]
    return any(row["checkpoint"] for n in running for row in records.epochs.get(n, {}).values())


def quick(task: Task, epoch: int) -> None:
    return None


@pytest.fixture(scope="module")
def searched(ray: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one trial on a folder of 60 images beside it."""
    place = tmp_path_factory.mktemp("data")
    (place / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(60):
        pixels = rng.integers(0, 256, (50, 200), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"ab{i // 10}{i % 10}c.png")
    given = {"spaces": ("crnn",), "data": str(place / "images"), "trials": 1, "epochs": 1}
    session = SearchSession(place / "runs" / "r", lambda line: None, train=_fake.objective(quick))
    assert session.begin(Settings.parse({**given, "max_concurrent": 1})) == 0
    return place


def _one_pixel(images: Path) -> None:
    file = sorted(images.iterdir())[7]
    with Image.open(file) as image:
        pixels = np.array(image)
    pixels[3, 4] ^= 1
    Image.fromarray(pixels).save(file)


@pytest.mark.fault("images changed or removed under a resumed run", "refused in one line")
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_one_pixel, "the images differ from those"),
        (lambda p: sorted(p.iterdir())[0].unlink(), "the images differ from those"),
        (lambda p: sorted(p.iterdir())[0].rename(p / "ab99c.png"), "the images differ from those"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_other_images_are_refused(  # type: ignore[no-untyped-def]
    searched: Path, tmp_path: Path, change, text: str
) -> None:
    shutil.copytree(searched / "images", tmp_path / "kept")
    before = (searched / "runs/r/run.json").read_bytes()
    change(searched / "images")
    try:
        with pytest.raises(InputError) as caught:
            SearchSession(searched / "runs" / "r", lambda line: None).resume({"trials": 2})
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)
        assert (searched / "runs/r/run.json").read_bytes() == before
    finally:
        shutil.rmtree(searched / "images", ignore_errors=True)
        shutil.copytree(tmp_path / "kept", searched / "images")
