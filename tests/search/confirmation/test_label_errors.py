"""Label errors: what counts of a confirmation, and in which order labels are doubted."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captcha_models.data.sources import open_images
from captcha_models.data.splits import is_locked
from captcha_models.errors import InputError
from search.confirmation.label_errors import Reading, find_label_errors, judged
from search.experiment import open_run
from tests.search._confirmed import FOLDS, listed, plain, right, rows_of, told, write_run


def test_a_run_that_is_not_confirmed_says_what_to_do(tmp_path: Path) -> None:
    images = plain()
    write_run(tmp_path / "r", images, "memory")
    with pytest.raises(InputError, match=r"is not confirmed: .*search\.confirm .* --no-test"):
        open_run(tmp_path / "r", images).label_errors()
    assert not list((tmp_path / "r").glob("label_errors*"))


def test_only_the_fold_that_a_model_held_out_counts() -> None:
    """Neither the locked test set, nor an image that a model trained on, nor other images."""
    images = plain()
    honest = [listed("crnn-001", fold) for fold in range(FOLDS)]

    def doubts(name: str, label: str) -> tuple[str, float, float]:
        return "999", 30.0, 1.0

    rows = [rows_of(images, one, told(images, one, right)) for one in honest]
    locked = listed("crnn-001", None)
    every = listed("crnn-001", 0, all_images=True)
    seen = told(images, honest[0], right)
    train = honest[0].split(images).train
    trained = {**seen, "images": [images.names[i] for i in train],
               "labels": [images.labels[i] for i in train], "read": ["999"] * len(train),
               "nlls": [30.0] * len(train), "confidences": [1.0] * len(train)}  # fmt: skip
    others = replace(images, labels=("9", *images.labels[1:]))
    assert not {images.names[i] for i in train} <= set(told(images, honest[0], right)["images"])
    never = [
        rows_of(images, locked, told(images, locked, doubts)),
        rows_of(images, every, told(images, every, doubts)),
        rows_of(images, honest[0], trained),
        rows_of(others, honest[0], told(images, honest[0], doubts)),
    ]
    found = find_label_errors([*rows, *never], images, "r")
    assert found.found == ()
    assert found.num_images == found.num_open == sum(not is_locked(n) for n in images.names)
    assert found.models == {"crnn-001": 2}
    assert len(found.notes) == 2
    with pytest.raises(
        InputError, match=r"is not confirmed \(trainings of other images or labels: 1"
    ):
        find_label_errors(never, images, "r")
    # The same doubts of the fold that was held out do count.
    rows[0] = rows_of(images, honest[0], told(images, honest[0], doubts))
    with_others = [rows_of(images, one, told(images, one, right)) for one in
                   (listed("crnn-002", 0), listed("crnn-002", 1))]  # fmt: skip
    assert find_label_errors([*rows, *with_others], images, "r").notes[0].startswith("1 of 2")


def test_a_model_that_reads_nothing_says_nothing() -> None:
    images = plain()
    poor = [listed("baseline", fold) for fold in range(FOLDS)]
    rows = [rows_of(images, one, told(images, one, lambda *_: ("", 14.0, 0.001))) for one in poor]
    with pytest.raises(InputError, match="the best training reads 0 % of the labels"):
        find_label_errors(rows, images, "r")


def test_several_models_that_read_the_same_weigh_more_than_ones_that_differ() -> None:
    def of(*texts: str, nll: float = 5.0) -> Any:
        return judged("a.png", "123", tuple(Reading("m", t, nll, 0.9) for t in texts))

    alike, apart = of("128", "128", "128"), of("128", "423", "113")
    assert (alike.read, alike.num_agree) == ("128", 3)
    assert alike.confidence == pytest.approx(0.9)
    assert apart.confidence == pytest.approx(0.3)
    # One model that explains the label speaks for it.
    rescued = judged("a.png", "123", (*of("128", "128").readings, Reading("m", "123", 0.05, 0.95)))
    assert rescued.nll < 1.2 < alike.nll
    impossible = of("128", nll=math.inf)
    assert impossible.contradicted
    assert impossible.nll == math.inf


def test_records_without_confidences_are_read() -> None:
    images = plain()
    trials = [listed("crnn-001", fold) for fold in range(FOLDS)]
    bad = next(name for name in images.names if not is_locked(name))
    rows = [
        rows_of(images, one, told(
            images, one, lambda n, t: ("777", 9.0, 0.9) if n == bad else right(n, t)
        )) for one in trials
    ]  # fmt: skip
    for row in rows:
        del row["confidences"]
    (found,) = find_label_errors(rows, images, "r").found
    assert (found.image, found.read, found.nll) == (bad, "777", 9.0)


def test_the_same_picture_with_two_labels_is_listed_unless_it_is_locked() -> None:
    images = plain()
    open_names = [i for i, name in enumerate(images.names) if not is_locked(name)]
    locked_names = [i for i, name in enumerate(images.names) if is_locked(name)]
    pixels = images.pixels.copy()
    first, second = open_names[:2]
    pixels[second] = pixels[first]
    pixels[locked_names[1]] = pixels[locked_names[0]]
    images = replace(images, pixels=pixels)
    trials = [listed("crnn-001", fold) for fold in range(FOLDS)]
    rows = [rows_of(images, one, told(images, one, right)) for one in trials]
    found = find_label_errors(rows, images, "r").found
    assert {one.image for one in found} == {images.names[first], images.names[second]}
    assert found[0].same_picture == ((found[1].image, found[1].label),)


def test_the_four_wrong_labels_of_the_real_images(real_images: Path) -> None:
    """Of the recorded search, whose trainings kept no confidences."""
    recorded = Path(__file__).parents[3] / "results" / "crnn-real"
    found = open_run(recorded, open_images(str(real_images))).label_errors()
    assert set(found["image"]) == {f"{name}.png" for name in ("mxnw4", "cdcb3", "ep85x", "wgnwp")}
