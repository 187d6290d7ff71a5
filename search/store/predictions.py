"""Predictions of each trial for the images it was scored on, kept for whoever looks at the run.

    valid.json         names and labels of the validation images, the same for all trials of a run
    predictions.jsonl  a row per trial: what it misread, confidences, NLLs, accuracy by beam width;
                       a trial of a list: its own images, labels, predictions and NLLs
    thumbnails/        POSITION.png, small, of each validation image that some trial misread

Runs of earlier versions call the table readings.jsonl, or have none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.errors import InputError
from search.store.jsonl import Table, read_table, write_json

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages

TABLE = "predictions.jsonl"
OLD_TABLE = "readings.jsonl"
IMAGES = "valid.json"
THUMBNAILS = "thumbnails"
WIDTH, HEIGHT = 140, 35
"""Of a thumbnail of the article's images, in pixels: legible, and 2 KB; wider ones are wider."""


@dataclass(frozen=True)
class Predictions:
    """What a run folder says of the validation images.

    Attributes:
        images: their names.
        labels: what they show, in the same order.
        trials: the last row of each trial.
        notes: in words, what could not be read.
    """

    images: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def keep_predictions(
    run: Path, trial: str, epoch: int, found: Mapping[str, Any], data: Any
) -> None:
    """Append the predictions of a trial; the driver alone calls this.

    Args:
        run: the run folder.
        trial: its name.
        epoch: of the predictions.
        found: see `captcha_models.inference.predictions`.
        data: the search's `Data`; of another kind, no images are kept.
    """
    from search.tuning.task import Data

    if isinstance(data, Data) and "wrong" in found:
        _keep_images(run, data, [int(place) for place in found["wrong"]])
    with Table(run / TABLE) as table:
        table.append({"trial": trial, "epoch": epoch, **found})


def read_predictions(run: Path) -> Predictions:
    """What was kept; nothing of a run that kept none."""
    notes: list[str] = []
    images: dict[str, Any] = {}
    trials: dict[str, dict[str, Any]] = {}
    try:
        if (run / IMAGES).exists():
            images = json.loads((run / IMAGES).read_text(encoding="utf-8"))
        names, labels = (tuple(map(str, images.get(k, ()))) for k in ("images", "labels"))
        if len(names) != len(labels):
            raise ValueError(f"{len(names)} names, but {len(labels)} labels")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        names, labels = (), ()
        notes.append(f"{IMAGES} cannot be read ({error}): no labels of misread images")
    try:
        rows = _rows(run)
        trials = {row["trial"]: row for row in rows if _whole(row, len(names))}
        if len(rows) > sum(_whole(row, len(names)) for row in rows):
            notes.append("the predictions have damaged rows, which are left out")
    except InputError as error:
        notes.append(f"{error}: the predictions are left out")
    return Predictions(names, labels, trials, tuple(notes))


def last_predictions(run: Path) -> dict[str, dict[str, Any]]:
    """The last row of each trial, as it was kept.

    Raises:
        InputError: a damaged table.
    """
    return {row["trial"]: row for row in _rows(run)}


def _rows(run: Path) -> list[dict[str, Any]]:
    tables = [run / name for name in (OLD_TABLE, TABLE) if (run / name).exists()]
    return [row for table in tables for row in read_table(table)]


def _whole(row: Mapping[str, Any], num_images: int) -> bool:
    """Whether a row is what `keep_predictions` wrote."""
    try:
        figures = [*row["confidences"], *row["nlls"], *row["beams"].values()]
        places = [int(place) for place in row["wrong"]]
        count = num_images or len(row["nlls"])
        return (
            isinstance(row["trial"], str)
            and all(isinstance(one, int | float) and abs(one) < 1e300 for one in figures)
            and all(isinstance(read, str) for read in row["wrong"].values())
            and all(width == "greedy" or width.isdecimal() for width in row["beams"])
            and all(0 <= place < count for place in places)
            and count > 0
            and len(row["confidences"]) == len(row["nlls"]) == count
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _keep_images(run: Path, data: Any, misread: list[int]) -> None:
    images, valid = data.images, data.split.valid
    if not (run / IMAGES).exists():
        found = {key: [getattr(images, key)[i] for i in valid] for key in ("names", "labels")}
        write_json(run / IMAGES, {"images": found["names"], "labels": found["labels"]})
    (run / THUMBNAILS).mkdir(exist_ok=True)
    for place in misread:
        file = run / THUMBNAILS / f"{place}.png"
        if not file.exists():
            _draw(images, int(valid[place]), file)


def _draw(images: "LabelledImages", row: int, file: Path) -> None:
    from PIL import Image

    pixels = images.pixels[row][:, :, : images.widths[row]]
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    # 16 shades are enough to read by, and a third of the bytes.
    width = min(round(picture.width * HEIGHT / picture.height), 2 * WIDTH)
    small = picture.convert("L").resize((width, HEIGHT)).quantize(16)
    temporary = file.with_suffix(".tmp")
    small.save(temporary, "PNG", optimize=True)
    temporary.replace(file)
