"""Table of learning curves: files of JSON lines, each of one set of images and space."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError
from search.store.jsonl import read_table
from spaces.space import Space

METRICS = ("valid_nll", "train_nll", "valid_nll_raw", "accuracy", "cer", "seconds")
"""What a curve has of each epoch."""


@dataclass(frozen=True)
class Curve:
    """One training, epoch by epoch.

    Attributes:
        images: name of the set of images.
        arch: architecture.
        space: name of what varies.
        index: of the configuration in its set, from 0; the same index is the same configuration.
            Starting points of the space have negative numbers.
        seed: of weights, order and augmentation.
        config: values of the parameters that vary; all others are in `fixed`.
        fixed: fields that all configurations of the file share, `epochs` among them.
        images_seen: training images of an epoch.
        valid_nll: nats per label on the validation images after each epoch, at the temperature
            that was fitted to them.
        train_nll: the same on as many training images, at that temperature.
        valid_nll_raw: on the validation images at temperature 1.
        accuracy: share of validation labels read as a whole.
        cer: character error rate.
        seconds: processor time until then on one thread, scoring counted.
        error: why it ended early, None if it did not.
        load: processes that wanted to run when it ended (the load average of a minute); on a
            machine with fewer cores the seconds are longer than on a quiet one.
    """

    images: str
    arch: str
    space: str
    index: int
    seed: int
    config: Mapping[str, Any]
    fixed: Mapping[str, Any]
    images_seen: int
    valid_nll: tuple[float, ...] = ()
    train_nll: tuple[float, ...] = ()
    valid_nll_raw: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()
    cer: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    error: str | None = None
    load: float | None = None

    @property
    def name(self) -> str:
        """Of the curves that are alike in images, space and schedule."""
        return curves_name(self.images, self.space, self.fixed)

    @property
    def key(self) -> tuple[int, int]:
        """What is one of a kind in a file: the configuration and the seed."""
        return self.index, self.seed

    def describe(self) -> str:
        """One line: how it ended."""
        if not self.seconds:
            return str(self.error)
        last = f"{self.valid_nll[-1]:.3f} nats, {self.accuracy[-1]:.1%}, {self.seconds[-1]:.0f} s"
        return f"{last}; {self.error}" if self.error else last

    def row(self) -> dict[str, Any]:
        """Plain values without what the file's head says."""
        found = asdict(self)
        for name in ("images", "arch", "space", "fixed"):
            del found[name]
        return found


def read_curves(place: Path | str) -> list[Curve]:
    """All curves of a folder or of one file, in the order of their files and indices.

    Raises:
        InputError: a file cannot be read, or is no such table.
    """
    return sorted(
        (curve for file in _files(place) for curve in _curves(file)),
        key=lambda curve: (curve.name, curve.key),
    )


def read_spaces(place: Path | str) -> dict[str, Space]:
    """What varies in the curves of each name, the same in all files of that name.

    Raises:
        InputError: a file cannot be read, is no such table, or two of one name differ.
    """
    found: dict[str, Space] = {}
    for file in _files(place):
        head = read_table(file)[0]
        space = Space.from_json(head["space"])
        name = curves_name(head["images"], space.name, head["fixed"])
        if found.setdefault(name, space) != space:
            raise InputError(f"{file}: another space than that of other curves of {name}")
    return found


def curves_name(images: str, space: str, fixed: Mapping[str, Any]) -> str:
    """Of the curves that are alike in images, space and schedule; their files begin so."""
    schedule = fixed.get("schedule", "constant")
    name = f"{images}-{space}"
    return name if schedule == "constant" else f"{name}-{schedule}"


def _files(place: Path | str) -> list[Path]:
    path = Path(place)
    return sorted(path.glob("*.jsonl")) if path.is_dir() else [path]


def _curves(file: Path) -> Iterator[Curve]:
    rows = read_table(file)
    head = rows[0]
    shared = {name: head[name] for name in ("images", "arch", "fixed")}
    shared["space"] = head["space"]["name"]
    for row in rows[1:]:
        lists = {name: tuple(row[name]) for name in METRICS}
        yield Curve(**{**shared, **row, **lists})
