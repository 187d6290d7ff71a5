"""Texts beside images, a file each: `a.png` with `a.gt.txt` or `a.txt`, as Tesseract has them."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath

from captcha_models.data.labels.archive import Entry
from captcha_models.data.labels.file_index import shown
from captcha_models.data.labels.tables import decoded
from captcha_models.errors import InputError

_BOXES = re.compile(r"(?:-?\d+ ?, ?){4,}.*|\d+(?: [01]?\.\d+| [01]){4,}")
"""Corners of a box and its text, or YOLO's class and box."""


def sidecars(images: Mapping[str, Entry], texts: Mapping[str, Entry]) -> dict[str, Entry]:
    """The text that belongs to each image by its name, for as many as there are.

    Args:
        images: by path.
        texts: files that end in `.txt`, by path.
    """
    found = {}
    for path in images:
        bare = str(PurePosixPath(path).with_suffix(""))
        folder, _, stem = bare.rpartition("/")
        spelt = (f"{bare}.gt.txt", f"{bare}.txt", f"{path}.txt", f"{folder}/gt_{stem}.txt")
        for name in (text.removeprefix("/") for text in spelt):
            if name in texts:
                found[path] = texts[name]
                break
    return found


def label_in(entry: Entry) -> str:
    """The one line of text in a file; "" if it is empty.

    Raises:
        InputError: several lines, or boxes on a page as detectors are trained on.
    """
    text = decoded(entry.read(), entry.path).strip()
    if any(_BOXES.fullmatch(line.strip()) for line in text.split("\n")):
        raise InputError(
            f"{shown(entry.path)} holds boxes on a page, as ICDAR and YOLO write them: cut the "
            "boxes out, and write a table with the columns image and label"
        )
    if "\n" in text:
        raise InputError(f"{shown(entry.path)} has several lines: the label of an image is one")
    return unicodedata.normalize("NFC", text)
