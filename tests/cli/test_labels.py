"""`search.labels` on drawn images of which some carry a wrong label, and two real trainings."""

import csv
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captcha_models.data.sources import open_images
from captcha_models.data.splits import is_locked
from search.experiment import open_run
from search.labels import again
from search.store.records import read_run
from tests.search._confirmed import (
    CONFIG,
    FOLDS,
    WRONG,
    drawn_digits,
    listed,
    open_wrong,
    plain,
    right,
    told,
    write_fits,
    write_run,
)


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a folder of images, six of them wrongly labelled, with two real trainings."""
    from captcha_models.architectures import config_class
    from captcha_models.inference.predictions import held_out
    from captcha_models.training.fit import fit

    place = tmp_path_factory.mktemp("wrong")
    drawn = drawn_digits()
    (place / "images").mkdir()
    for name, pixels in zip(drawn.names, drawn.pixels, strict=True):
        Image.fromarray(pixels[0]).save(place / "images" / name)
    images = open_images(str(place / "images"))
    config = config_class("crnn").parse(CONFIG)
    fits = []
    for fold in range(FOLDS):
        trial = listed("crnn-001", fold, config.model_dump())
        split = trial.split(images)
        last = fit(
            config, images, split, seed=trial.seed, on_epoch=lambda metrics, state: None,
            device="cpu", every_epoch=False,
        )  # fmt: skip
        fits.append((trial, held_out(last.model, images, split, trial.seed)))
    write_run(place / "run", images, str(place / "images"))
    write_fits(place / "run", images, fits)
    return place / "run"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_wrong_labels_come_first_and_the_locked_test_set_never(
    confirmed: Path, called: Callable[..., Any]
) -> None:
    done = called("search.labels", confirmed, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    wrong = open_wrong()
    assert len(wrong) >= 4
    assert found["num_images"] == found["num_open"] < 240
    first = found["label_errors"][: len(wrong)]
    assert {row["image"] for row in first} == wrong
    shows = {f"{label}.png": text for text, label in WRONG.items()}
    assert all(row["read"] == shows[row["image"]] for row in first)
    assert not any(is_locked(row["image"]) for row in found["label_errors"])
    frame = open_run(confirmed).label_errors()
    assert list(frame["image"]) == [row["image"] for row in found["label_errors"]]
    assert (frame["nll"].diff().dropna() <= 0).all()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_table_changes_nothing_until_a_person_does_and_is_then_not_lost(
    confirmed: Path, called: Callable[..., Any], tmp_path: Path
) -> None:
    table, page = tmp_path / "t.csv", tmp_path / "p.html"
    given = ("search.labels", confirmed, "--csv", table, "--html", page)
    done = called(*given)
    assert done.returncode == 0, done.stderr
    assert "python -m search.run --json --corrections corrections.csv" in done.stderr
    assert sum(name in done.stdout for name in open_wrong()) == len(open_wrong())
    images = open_run(confirmed).records.run["settings"]["data"]
    before = {path.name: path.stem for path in Path(images).iterdir()}
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert all(before[row["image"]] == row["label"] != row["read"] for row in rows)
    assert page.read_text(encoding="utf-8").count("<img ") == len(rows)
    assert called(*given).returncode == 0  # Untouched, it is written anew.
    # Nor does it change anything as a table of corrections.
    shown = open_images(images, corrections=str(table))
    assert shown.digest == open_images(images).digest
    text = table.read_text(encoding="utf-8")
    edited = re.sub(r"^([^,]*\.png),\d*", r"\1,", text, count=1, flags=re.M)
    assert edited != text
    table.write_text(edited, encoding="utf-8")
    done = called(*given)
    assert done.returncode == 2
    assert "perhaps corrected by hand" in done.stderr
    assert table.read_text(encoding="utf-8") == edited


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_person_accepted_is_what_the_next_search_reads(
    confirmed: Path, called: Callable[..., Any], tmp_path: Path
) -> None:
    """All but the first, which is left out, by the column that the page's button takes too."""
    table = tmp_path / "corrections.csv"
    assert called("search.labels", confirmed, "--csv", table).returncode == 0
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow(row | {"label": row["read"] if number else ""})
    records = open_run(confirmed).records
    images = records.run["settings"]["data"]
    before, after = open_images(images), open_images(images, corrections=str(table))
    assert set(before.names) - set(after.names) == {rows[0]["image"]}
    labels = dict(zip(after.names, after.labels, strict=True))
    for row in rows[1:]:
        assert labels.pop(row["image"]) == row["read"]
    was = dict(zip(before.names, before.labels, strict=True))
    assert all(was[name] == label for name, label in labels.items())
    # A run on the corrected images says so, and its page saves these corrections with the next.
    write_run(tmp_path / "next", after, images, corrections=str(table))
    fits = [(listed("crnn-001", fold), told(after, listed("crnn-001", fold), right))
            for fold in range(FOLDS)]  # fmt: skip
    write_fits(tmp_path / "next", after, fits)
    done = called("search.labels", tmp_path / "next")
    assert (done.returncode, done.stdout.splitlines()[0][:2]) == (0, "0 "), done.stderr
    page = (tmp_path / "next" / "label_errors.html").read_text(encoding="utf-8")
    assert f"the {len(rows)} corrections that the run had are saved with yours" in page


@pytest.mark.parametrize(
    ("typed", "again_typed"),
    [
        ("python -m search.run --data a.zip --name r --seed 3", "--data a.zip --seed 3"),
        ("python -m search.__main__ run --name=r --epochs 4", "--epochs 4"),
        ("/usr/bin/captcha-search run --corrections c.csv --space crnn", "--space crnn"),
        ("search/run.py --data 'my images.zip'", "--data 'my images.zip'"),
        ("my_program.py run 3", "--data {data} --space crnn"),
        ("", "--data {data} --space crnn"),
    ],
)
def test_the_next_search_is_the_last_with_corrections(
    tmp_path: Path, typed: str, again_typed: str
) -> None:
    write_run(tmp_path / "r", plain(), str(tmp_path / "images"))
    records = read_run(tmp_path / "r")
    records.run["sessions"] = [{"command": shlex.split(typed)}, {"command": ["other"]}]
    wanted = again_typed.format(data=tmp_path / "images")
    found = again(records)
    assert found.endswith(f" {wanted} --corrections corrections.csv")
    assert "--name" not in found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_other_images_are_refused(
    confirmed: Path, called: Callable[..., Any], tmp_path: Path
) -> None:
    others = drawn_digits()
    for name, pixels in list(zip(others.names, others.pixels, strict=True))[1:]:
        Image.fromarray(pixels[0]).save(tmp_path / name)
    done = called("search.labels", confirmed, "--data", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "differ from those of" in done.stderr
