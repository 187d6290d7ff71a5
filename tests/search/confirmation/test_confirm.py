"""A real search of a minute, confirmed; and what locked images have to say in it: nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captcha_models.architectures import config_class
from captcha_models.config import read_values
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import is_locked
from captcha_models.errors import InputError
from captcha_models.training.checkpoint import load_model
from search.confirmation.confirmation import Confirmation
from search.confirmation.terminal import print_confirmation
from search.experiment import open_run
from search.store.jsonl import read_table
from search.store.listed import read_rows
from search.store.records import Records, read_run
from search.store.test_set_log import LEDGER_FILE
from search.tuning.search_session import SearchSession
from search.tuning.settings import Settings

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]

CHEAP = {"cut": "5", "batch_size": "16", "rnn_hidden_1": "64", "rnn_hidden_2": "0"}
OPTIONS = {
    "top": 2, "seeds": 2, "test_seeds": 1, "baseline_epochs": None, "no_test": False,
    "force": False, "data": None, "address": None, "gpus_per_trial": None,
    "cpus_per_trial": None, "max_concurrent": None,
}  # fmt: skip


def searched(place: Path, images: LabelledImages, *, noise: bool) -> Records:
    """Two trials of two epochs on a folder of images, one at a time."""
    data = place / "images"
    data.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, pixels in zip(images.names, images.pixels, strict=True):
        blank = noise and is_locked(name)
        shown = rng.integers(0, 256, pixels[0].shape, dtype=np.uint8) if blank else pixels[0]
        Image.fromarray(shown).save(data / name)
    given = {"spaces": ("crnn",), "data": str(data), "trials": 2, "epochs": 2, "fixed": CHEAP}
    session = SearchSession(place / "runs" / "r", lambda line: None)
    assert session.begin(Settings.parse({**given, "max_concurrent": 1})) == 0
    return read_run(place / "runs" / "r")


@pytest.fixture(scope="module")
def records(ray: object, drawn: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return searched(tmp_path_factory.mktemp("plain"), drawn, noise=False)


def without_clock(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    clocks = ("seconds", "images_per_s", "started", "ended", "checkpoint")
    return [{k: v for k, v in row.items() if k not in clocks} for row in rows]


def test_locked_pixels_reach_nothing(
    records: Records, drawn: LabelledImages, tmp_path: Path
) -> None:
    noisy = searched(tmp_path, drawn, noise=True)
    assert noisy.run["data"]["digest"] != records.run["data"]["digest"]
    for table in ("trials.jsonl", "epochs.jsonl"):
        plain, other = (without_clock(read_table(r.path / table)) for r in (records, noisy))
        assert plain == other
        assert len(plain) >= 3


def test_a_confirmation_and_its_one_look(records: Records, drawn: LabelledImages) -> None:
    said: list[str] = []
    folder, ledger = records.path / "confirmed", records.path.parent / LEDGER_FILE

    def confirmed(**options: Any) -> dict[str, Any]:
        given = Confirmation(records, ("crnn",), {**OPTIONS, **options}, said.append)
        return dict(given.run()["crnn"])

    before = confirmed(no_test=True)
    assert before["test"] is None
    assert not ledger.exists()
    assert len(before["candidates"]) == 2
    final = load_model(records.path)
    assert final.path == records.path / "best" / "model.safetensors"
    assert final.seen
    assert len(final.seen.train) == sum(not is_locked(name) for name in drawn.names)
    assert final.card.choice
    assert (final.card.choice.trial, final.card.choice.test) == (before["chosen"], None)
    fits = read_rows(folder / "fits")
    assert [len(row.get("images", ())) for row in fits.values() if row["fold"] is None] == [0]
    for line in before["candidates"]:
        assert line["num_images"] == sum(not is_locked(name) for name in drawn.names)
        assert line["nll"]["low"] < line["nll"]["mean"] < line["nll"]["high"]
    rows = (folder / "fits" / "trials.jsonl").read_text().splitlines()

    found = confirmed()
    assert (folder / "fits" / "trials.jsonl").read_text().splitlines()[: len(rows)] == rows
    test = found["test"]
    assert test["num_images"] == sum(map(is_locked, drawn.names))
    winner = next(line for line in found["candidates"] if line["chosen"])
    assert winner["name"] == found["chosen"] == before["chosen"]
    told = next(line for line in said if "trainings of " in line or ": 1 training of " in line)
    both = f"each of {winner['name']} and the baseline"
    assert ("the baseline, which is the winner" if winner["baseline"] else both) in told
    assert test["optimism"]["mean"] == test["winner"]["nll"]["mean"] - winner["search_valid_nll"]
    assert json.loads((folder / "crnn.json").read_text()) == found
    assert len(read_table(ledger)) == 2
    judged = load_model(records.path).card
    assert judged.choice
    assert judged.choice.test
    assert judged.choice.test.nll.mean == test["winner"]["nll"]["mean"]
    assert judged.model_copy(update={"choice": None}) == final.card.model_copy(
        update={"choice": None}
    )
    recommended = config_class("crnn").parse(read_values(str(folder / "crnn.toml"), "crnn"))
    fitted = pytest.approx(winner["temperature"], abs=1e-4)
    assert recommended.model_dump() == {**winner["config"], "temperature": fitted}
    print_confirmation({"crnn": found})
    # Two epochs are too few to doubt a label, but all the folds were found.
    with pytest.raises(InputError, match="% of the labels that it held out"):
        open_run(records.path, drawn).label_errors()

    said.clear()
    with pytest.raises(InputError, match=r"the locked test set was looked at on"):
        confirmed()
    assert not any(line.startswith("trials") for line in said)
    assert confirmed(no_test=True)["test"] == test
    assert confirmed(force=True)["test"]["winner"] == test["winner"]
    assert [row.get("forced") for row in read_table(ledger)] == [False, None, True, None]
