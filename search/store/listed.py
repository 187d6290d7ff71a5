"""Listed trials: what decides the outcome of each, and the rows of those that have finished.

Confirmation, cross-validation, ablation and training on few images are lists of trials, each with
its own configuration, seed and split. A trial is found again by the digest of all that decides its
outcome, so a list is stopped and taken up at will.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from captcha_models.data.splits import Divided, Split, SplitSpec
from search.store.jsonl import read_table
from search.store.predictions import last_predictions
from search.store.records import RUN_FILE, read_run, whole

CONFIRMED = "confirmed"
"""Of a run: the folder of all that its confirmation leaves."""
FITS = f"{CONFIRMED}/fits"
"""Of a run: the list of its trainings; FITS.jsonl is their table of earlier versions."""
Row = dict[str, Any]
"""A finished trial of a list: what it was, what it cost, its predictions image by image."""


@dataclass(frozen=True)
class ListedTrial:
    """What is trained on which images, and on which it is scored.

    Attributes:
        name: of the candidate, for the person; not part of the key.
        arch: the architecture.
        config: every field of its Config.
        seed: of the training, and of the choice of `limit_train`.
        fold: which fold is held out and scored; None trains on all that are not locked and scores
            the locked test set.
        folds: how many there are.
        split_seed: what the folds were drawn with.
        limit_train: train on so many images only; None is all.
        all_images: the folds are of all images, the locked ones too.
        init: sha256 of the model file that it starts from; None is from scratch.
        scored: whether it is scored; one that is not trains a model to be used.
        keep: leave its model, though it is scored; not part of the key.
    """

    name: str
    arch: str
    config: Mapping[str, Any]
    seed: int
    fold: int | None
    folds: int
    split_seed: int = 0
    limit_train: int | None = None
    all_images: bool = False
    init: str | None = None
    scored: bool = True
    keep: bool = False

    def key(self, data_digest: str) -> str:
        """Sha256 (hex) of all that decides the outcome, but for the program's versions.

        Fields of the configuration at their defaults do not count, so that a new field, off by
        default, leaves the keys as they were.
        """
        from captcha_models.architectures import config_class

        config = config_class(self.arch).parse(self.config)
        defaults = type(config)().model_dump()
        changed = {k: v for k, v in config.model_dump().items() if v != defaults[k]}
        decides = {**asdict(self), "config": changed, "data": data_digest}
        del decides["name"], decides["keep"]
        # As of before there was such a thing.
        if self.init is None:
            del decides["init"]
        if self.scored:
            del decides["scored"]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    @property
    def spec(self) -> SplitSpec:
        """How it divides the images."""
        return SplitSpec(
            self.fold, self.folds, self.split_seed, self.limit_train, self.seed, self.all_images,
            self.scored,
        )  # fmt: skip

    @property
    def leaves_model(self) -> bool:
        """Whether its model is found in the list's folder once it has ended."""
        return self.keep or not self.scored

    def split(self, images: Divided) -> Split:
        """Which image is for what.

        Raises:
            InputError: no such fold, or too few images.
        """
        return self.spec.of(images)

    def __str__(self) -> str:
        part = "test set" if self.fold is None else f"fold {self.fold} of {self.folds}"
        part = part if self.scored else "all but the test set"
        limit = f", {self.limit_train} images" if self.limit_train else ""
        return f"{self.name}, {part}, seed {self.seed}{limit}"


def name_of(key: str, failed: int = 0) -> str:
    """Name of a listed trial in the records, after so many failed attempts."""
    return f"trial-{key[:16]}" + (f"-{failed + 1}" if failed else "")


def model_file(place: Path, trial: str) -> Path:
    """Where a list's run folder has the model of a trial that leaves one."""
    return place / "models" / f"{trial}.safetensors"


def kept_models(place: Path) -> dict[str, Path]:
    """The models that finished trials of a list have left, by the trials' keys."""
    trials = read_run(place).trials if (place / RUN_FILE).is_file() else {}
    found = {row["key"]: model_file(place, name) for name, row in trials.items()
             if row["state"] == "completed"}  # fmt: skip
    return {key: file for key, file in found.items() if file.is_file()}


def read_rows(place: Path) -> dict[str, Row]:
    """The finished trials of a list by their keys.

    Args:
        place: the list's run folder; PLACE.jsonl, a table of an earlier version, counts too.

    Raises:
        InputError: a damaged file, or one of another version.
    """
    before = place.with_name(f"{place.name}.jsonl")
    old = read_table(before) if before.is_file() else []
    return {row["key"]: row for row in old if row["error"] is None} | folder_rows(place)


def folder_rows(place: Path) -> dict[str, Row]:
    """The finished trials of a list's run folder by their keys; none if there is no folder.

    Those that were not scored have no predictions.

    Raises:
        InputError: a damaged folder.
    """
    if not (place / RUN_FILE).is_file():
        return {}
    records, read = read_run(place), last_predictions(place)
    with whole(place):
        return {
            row["key"]: _joined(row, records.last(name), read.get(name, {}), records.run)
            for name, row in records.trials.items()
            if row["state"] == "completed" and (name in read or not row.get("scored", True))
        }


def _joined(row: Row, last: Row, read: Row, run: Row) -> Row:
    """One row of a trial's three: what it was, what its last epoch cost, what it read."""
    costs = {k: last[k] for k in ("temperature", "images_seen", "seconds", "device")}
    about = ("arch", "config", "seed", "fold", "folds", "split_seed", "limit_train", "all_images")
    return {
        "key": row["key"],
        "name": row["title"],
        **{name: row[name] for name in about},
        "error": None,
        **costs,
        "epochs": last["epoch"],
        **{k: v for k, v in read.items() if k not in ("trial", "epoch")},
        "ended": row["ended"],
        "data": run["data"]["digest"],
        "versions": row.get("versions", run["versions"]),
        "git_revision": row.get("git_revision", run["git_revision"]),
    }
