"""Label errors: images whose label models contradict that did not train on them.

Each training of a confirmation reads the fold that it held out. An image whose label has a high
out-of-fold loss, while the models together find another text more probable, has either a wrong
label or a picture that is hard to read; a person decides. The literature calls the search
confident learning, and the probability that held-out models give to the label its self-confidence
(Northcutt, Jiang and Chuang 2021, JAIR 70, arXiv:1911.00068).
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from captcha_models.commands import command
from captcha_models.data.splits import SplitSpec
from captcha_models.errors import InputError
from captcha_models.words import percent
from search.confirmation.temperature import across_folds
from search.confirmation.without_doubt import turned
from search.store.listed import FITS, Row, read_rows

if TYPE_CHECKING:
    import pandas as pd

    from captcha_models.data.images import LabelledImages
    from search.store.records import Records

COLUMNS = ("image", "label", "read", "nll", "confidence", "num_agree", "num_models", "same_picture")
"""Of the table; `image` and `label` are what `--corrections` reads of it."""
LEAST_READ = 0.5
"""Share of held-out labels that a model has to read: one that reads less contradicts any label."""


@dataclass(frozen=True)
class Reading:
    """What one model that did not train on an image makes of it.

    Attributes:
        model: the candidate, its fold and seed.
        text: what it reads.
        nll: nats of the label; infinite if it can never read it.
        confidence: probability of the text, in [0, 1]; None in records that did not keep it.
    """

    model: str
    text: str
    nll: float
    confidence: float | None


@dataclass(frozen=True)
class LabelError:
    """An image whose label is in doubt.

    Attributes:
        image: its name.
        label: what it is said to show.
        read: the most probable of the other texts that were read; the label if all read that.
        nll: nats of the label by the mean of the models' probabilities.
        confidence: mean probability of `read`, 0 from a model that read another text.
        num_agree: models that read `read`.
        readings: of all models that did not train on it.
        same_picture: name and label of each image that shows the same and has another label.
    """

    image: str
    label: str
    read: str
    nll: float
    confidence: float
    num_agree: int
    readings: tuple[Reading, ...]
    same_picture: tuple[tuple[str, str], ...] = ()

    @property
    def contradicted(self) -> bool:
        """Whether the models find another text more probable than the label."""
        return self.read != self.label and self.confidence > math.exp(-self.nll)


@dataclass(frozen=True)
class LabelErrors:
    """What the confirmation of a run says of its labels.

    Attributes:
        found: images whose label is in doubt, the worst first.
        num_images: images that at least one model read that did not train on them.
        num_open: images outside the locked test set.
        models: candidates, and how many trainings of each count.
        notes: in words, what was left out.
    """

    found: tuple[LabelError, ...]
    num_images: int
    num_open: int
    models: dict[str, int]
    notes: tuple[str, ...]

    def frame(self) -> "pd.DataFrame":
        """A row for each image in doubt, in the same order; the columns are `COLUMNS`."""
        import pandas as pd

        rows = [
            (
                one.image, one.label, one.read, one.nll, one.confidence, one.num_agree,
                len(one.readings), "; ".join(f"{name}: {text}" for name, text in one.same_picture),
            )
            for one in self.found
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(COLUMNS))


def label_errors(records: "Records", images: "LabelledImages") -> LabelErrors:
    """Rank the images of a run whose label is in doubt; see `find_label_errors`."""
    rows = read_rows(records.path / FITS).values()
    return find_label_errors(rows, images, str(records.path))


def find_label_errors(rows: Iterable[Row], images: "LabelledImages", run: str) -> LabelErrors:
    """Rank the images whose label is in doubt.

    Only predictions for a fold that the training itself held out count: each training's split is
    made anew from the images, and one that scored other images, such as the locked test set, is
    left out.

    Args:
        rows: finished trainings of a confirmation.
        images: of the search.
        run: how messages call the run.

    Raises:
        InputError: no training counts, or none reads half of the labels that it held out.
    """
    fits, notes = _out_of_fold(rows, images)
    if not fits:
        why = f" ({'; '.join(notes)})" if notes else ""
        raise InputError(
            f"{run} is not confirmed{why}: only models that held an image out may doubt its label, "
            "and the search itself holds out one fold, by which its best trial was chosen; first "
            f"run {command('search.confirm', run, '--no-test')}"
        )
    good = [row for row in fits if _share_read(row) >= LEAST_READ]
    if not good:
        best = max(map(_share_read, fits))
        raise InputError(
            f"{run}: the best training reads {percent(best, 0)} of the labels that it held out, "
            f"and less than {percent(LEAST_READ, 0)} says nothing of labels: search further for "
            "one that reads"
        )
    for name in dict.fromkeys(row["name"] for row in fits):
        own = [row for row in fits if row["name"] == name]
        if bad := [row for row in own if _share_read(row) < LEAST_READ]:
            notes.append(
                f"{len(bad)} of {len(own)} trainings of {name} do not count: they read less than "
                f"{percent(LEAST_READ, 0)} of the labels that they held out"
            )
    readings = _readings(good)
    places = {name: i for i, name in enumerate(images.names)}
    open_to_all = _open(images, fits)
    twins = _same_picture(images, open_to_all)
    found = [
        judged(name, images.labels[places[name]], tuple(own), twins.get(name, ()))
        for name, own in readings.items()
    ]
    models: dict[str, int] = {}
    for row in good:
        models[row["name"]] = models.get(row["name"], 0) + 1
    doubtful = [one for one in found if one.contradicted or one.same_picture]
    doubtful.sort(key=lambda one: (-one.nll, -one.confidence, one.image))
    notes += turned([row for own in _groups(fits) for row in own], {one.image for one in doubtful})
    return LabelErrors(tuple(doubtful), len(found), len(open_to_all), models, tuple(notes))


def judged(
    image: str,
    label: str,
    readings: tuple[Reading, ...],
    same_picture: tuple[tuple[str, str], ...] = (),
) -> LabelError:
    """What models that did not train on an image say together of its label.

    The probabilities are averaged, not their logarithms: one model that explains the label speaks
    for it, whatever a model says that reads nothing well.
    """
    nll = math.log(len(readings)) - float(np.logaddexp.reduce([-one.nll for one in readings]))
    votes: dict[str, float] = defaultdict(float)
    for one in readings:
        # Unknown confidences are as high as the label's probability allows.
        sure = -math.expm1(-one.nll) if one.confidence is None else one.confidence
        votes[one.text] += sure / len(readings)
    others = [text for text in votes if text != label]
    read = max(others, key=lambda text: (votes[text], text)) if others else label
    agree = sum(one.text == read for one in readings)
    return LabelError(image, label, read, max(0.0, nll), votes[read], agree, readings, same_picture)


def _out_of_fold(rows: Iterable[Row], images: "LabelledImages") -> tuple[list[Row], list[str]]:
    """The rows that count, and notes on those that do not."""
    kept, other_images, other_split = [], 0, 0
    for row in rows:
        if row["fold"] is None or row.get("all_images"):
            continue  # It scored the locked test set.
        if row["data"] != images.digest:
            other_images += 1
        elif set(row["images"]) != _held_out(row, images):
            other_split += 1
        else:
            kept.append(row)
    notes = [
        f"trainings {why}: {count} left out"
        for count, why in (
            (other_images, "of other images or labels"),
            (other_split, "of a version of the program that divided the images in another way"),
        )
        if count
    ]
    return kept, notes


def _held_out(row: Row, images: "LabelledImages") -> set[str]:
    spec = SplitSpec(row["fold"], row["folds"], row["split_seed"], row["limit_train"], row["seed"])
    return {images.names[i] for i in spec.of(images).valid}


def _open(images: "LabelledImages", fits: Sequence[Row]) -> list[int]:
    """Places of the images outside the locked test set."""
    split = SplitSpec(None, fits[0]["folds"], fits[0]["split_seed"]).of(images)
    return [int(i) for i in split.train]


def _share_read(row: Row) -> float:
    right: list[bool] = [
        read == label for read, label in zip(row["read"], row["labels"], strict=True)
    ]
    return sum(right) / len(right)


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each configuration, each at the temperature of the others."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same: list[Any] = [row["arch"], row["config"], row["folds"], row["split_seed"]]
        groups[json.dumps(same, sort_keys=True)].append(row)
    return [across_folds(own) for own in groups.values()]


def _readings(rows: Sequence[Row]) -> dict[str, list[Reading]]:
    """By image what each model reads, at the temperature of the configuration's other folds."""
    found: dict[str, list[Reading]] = defaultdict(list)
    for own in _groups(rows):
        for row in own:
            model = f"{row['name']}, fold {row['fold']} of {row['folds']}, seed {row['seed']}"
            sure = row.get("confidences") or [None] * len(row["images"])
            for name, text, nll, one in zip(
                row["images"], row["read"], row["nlls"], sure, strict=True
            ):
                nats = math.inf if nll is None or math.isnan(nll) else float(nll)
                found[name].append(Reading(model, text, nats, one))
    return found


def _same_picture(
    images: "LabelledImages", rows: Sequence[int]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """By image those that show the same and have another label, among the images at `rows`."""
    among = set(rows)
    pairs = [(i, j) for i, j in images.duplicates if i in among and j in among]
    if not pairs:
        return {}
    one, other = zip(*pairs, strict=True)
    links = coo_array((np.ones(len(pairs)), (one, other)), shape=(len(images), len(images)))
    _, which = connected_components(links, directed=False)
    alike: dict[int, list[int]] = defaultdict(list)
    for i in sorted({*one, *other}):
        alike[which[i]].append(i)
    names, labels = images.names, images.labels
    return {
        names[i]: tuple((names[j], labels[j]) for j in own if labels[j] != labels[i])
        for own in alike.values()
        for i in own
        if any(labels[j] != labels[i] for j in own)
    }
