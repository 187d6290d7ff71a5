"""Runs and the trainings of their confirmation, written by hand or really trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from captcha_models import generator
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import is_locked
from search.store.listed import ListedTrial, name_of
from search.store.predictions import keep_predictions
from search.store.run_folder import RunFolder
from search.tuning.run_file import describe_list
from search.tuning.settings import Settings
from tests.search.report import runs

CONFIG = {
    "cut": 5, "epochs": 9, "batch_size": 8, "lr": 2e-3, "clip": 5.0, "normalize": True,
    "pool_height": True, "map_to_seq_hidden": 64, "rnn_hidden_1": 32, "rnn_hidden_2": 0,
    "shortcut": True, "orthogonal": True, "aux_weight": 1.0, "joint_weight": 1.0, "augment": 0.0,
    "fixed_length": True, "calibrate": True,
}  # fmt: skip
FOLDS, FIRST = 2, 1_000_000
WRONG = {"017": "417", "152": "125", "268": "208", "333": "233", "871": "841", "940": "960"}
"""What an image shows, and what its label says."""


def texts() -> list[str]:
    """240 texts of three digits, those that get a wrong label among them, outside the test set."""
    free = [f"{i:03d}" for i in np.random.default_rng(0).permutation(1000)]
    free = [text for text in free if text not in WRONG and text not in WRONG.values()]
    return sorted([*free[:234], *WRONG])


def drawn_digits() -> LabelledImages:
    """Three clear digits each, 64 x 24 px; six labels are wrong."""
    style = generator.Style(
        width=64, height=24, alphabet="0123456789", length=3, fonts=("sans",), font_size=20.0,
        noise=0.0, curves=1, distortion=0.0, left=4,
    )  # fmt: skip
    shown = texts()
    pixels = generator.draw(style, shown, seed=0)
    labels = [WRONG.get(text, text) for text in shown]
    order = sorted(range(len(shown)), key=lambda i: labels[i])
    names = tuple(f"{labels[i]}.png" for i in order)
    return LabelledImages(names, tuple(labels[i] for i in order), pixels[order], "drawn digits")


def listed(name: str, fold: int | None, config: Any = CONFIG, **more: Any) -> ListedTrial:
    return ListedTrial(name, "crnn", config, FIRST + (fold or 0), fold, FOLDS, FIRST, **more)


def write_run(path: Path, images: LabelledImages, data: str, **more: Any) -> None:
    """A run as a search leaves it."""
    given = {"spaces": ("crnn",), "data": data, "trials": 5, "epochs": 4}
    settings = Settings.parse({**given, **more})
    about = runs.run_json() | describe_list(settings, images)
    about["spaces"] = runs.run_json()["spaces"]
    about["sessions"] = [{"command": ["python", "-m", "search.run", "--name", "r", "--json"]}]
    RunFolder.create(path, about).close()


def write_fits(path: Path, images: LabelledImages, fits: list[tuple[ListedTrial, Any]]) -> None:
    """The trainings of its confirmation, each with what it says of the images it held out."""
    about = describe_list(Settings(spaces=("list",), trials=len(fits)), images)
    (path / "confirmed").mkdir(exist_ok=True)
    with RunFolder.create(path / "confirmed" / "fits", about) as folder:
        for number, (trial, found) in enumerate(fits):
            name = name_of(key := trial.key(images.digest))
            own = {k: v for k, v in vars(trial).items() if k != "name"}
            folder.add_trial(
                trial=name, space="list", state="running", number=number, baseline=False, key=key,
                title=trial.name, **own,
            )  # fmt: skip
            costs = {"temperature": 1.0, "images_seen": 9, "seconds": 1.0, "device": "cpu"}
            folder.add_epoch(trial=name, epoch=4, **costs)
            keep_predictions(folder.path, name, 4, found, None)
            folder.end_trial(name, "completed")


def told(
    images: LabelledImages, trial: ListedTrial, says: Callable[[str, str], tuple[str, float, float]]
) -> dict[str, Any]:
    """What a training keeps: for each image that it held out its text, NLL and confidence."""
    split = trial.split(images)
    rows = split.valid if len(split.valid) else split.test
    names, labels = ([getattr(images, k)[i] for i in rows] for k in ("names", "labels"))
    found = [says(name, label) for name, label in zip(names, labels, strict=True)]
    return {
        "images": names, "labels": labels, "read": [one[0] for one in found],
        "nlls": [one[1] for one in found], "confidences": [one[2] for one in found],
        "nll": 0.1, "train_nll": 0.1, "gap": 0.0, "nll_raw": 0.1, "parameters": 1,
    }  # fmt: skip


def right(name: str, label: str) -> tuple[str, float, float]:
    return label, 0.01, 0.99


def plain(count: int = 60) -> LabelledImages:
    """Images of noise, all different, under the labels 000 to 059."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, 1, 24, 64), dtype=np.uint8)
    labels = tuple(f"{i:03d}" for i in range(count))
    return LabelledImages(tuple(f"{one}.png" for one in labels), labels, pixels, "noise")


def rows_of(images: LabelledImages, trial: ListedTrial, found: dict[str, Any]) -> dict[str, Any]:
    """A row as `read_rows` joins it."""
    return {**vars(trial), "data": images.digest, **found}


def open_wrong() -> set[str]:
    return {f"{label}.png" for label in WRONG.values() if not is_locked(f"{label}.png")}
