"""Summary of listed trials: means with their intervals, paired differences, misread labels."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from captcha_models.training import metrics
from captcha_models.training.metrics import GRID, char_matches
from captcha_models.words import percent
from search.confirmation.intervals import Estimate, Observations, estimate, estimate_share
from search.confirmation.temperature import OVER_GRID, shared_temperature
from search.store.listed import Row


def nlls(rows: Sequence[Row]) -> Observations:
    """Nats of each image and trial."""
    return _observed(rows, lambda row: row["nlls"])


def captchas(rows: Sequence[Row]) -> Observations:
    """1 where the whole label was read, else 0."""
    return _observed(
        rows, lambda row: [a == b for a, b in zip(row["read"], row["labels"], strict=True)]
    )


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """One candidate's rows in one object, plain values only.

    Estimates are objects with `mean`, `low`, `high` and more: `intervals.Estimate`. `images_seen`
    `seconds` are means over the trials; `temperature` is, too, unless they share one.

    Args:
        rows: at least one, of trials that succeeded.
    """

    def characters(row: Row) -> list[float]:
        pairs = zip(row["read"], row["labels"], strict=True)
        counted = [char_matches([read], [label]) for read, label in pairs]
        return [right / total for right, total in counted]

    # Edits over the mean length of a label: their mean is all edits over all characters.
    length_of_one = float(np.mean([len(label) for row in rows for label in row["labels"]]))

    def edits(row: Row) -> list[float]:
        pairs = zip(row["read"], row["labels"], strict=True)
        return [metrics.edits(read, label) / length_of_one for read, label in pairs]

    def gaps(row: Row) -> list[float]:
        return [nll - row["train_nll"] for nll in row["nlls"]]

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows]))

    shares = {"exact_match": estimate_share(captchas(rows))}
    if _is_positional(rows[0]):
        length = min(len(label) for row in rows for label in row["labels"])
        shares["position_accuracy"] = estimate_share(_observed(rows, characters), units=length)
    found = {
        "nll": estimate(nlls(rows), least=0.0),
        "gap": estimate(_observed(rows, gaps)),
        "cer": estimate(_observed(rows, edits), least=0.0),
        **shares,
    }
    return {
        **{name: asdict(one) for name, one in found.items()},
        "num_fits": len(rows),
        "num_images": found["nll"].num_images,
        "num_misread": sum(
            a != b for row in rows for a, b in zip(row["read"], row["labels"], strict=True)
        ),
        "num_read": sum(len(row["labels"]) for row in rows),
        **{name: mean(name) for name in ("train_nll", "nll_raw", "images_seen", "seconds")},
        "temperature": shared_temperature(rows) or mean("temperature"),
        "parameters": rows[0]["parameters"],
    }


def _is_positional(row: Row) -> bool:
    """Whether a row is a classifier's; version 0.1 kept the position-wise accuracy of CTC, too."""
    return row.get("position_accuracy") is not None and row.get("arch") != "crnn"


def difference(rows: Sequence[Row], others: Sequence[Row]) -> dict[str, Any]:
    """Paired differences, `rows` minus `others`, of NLL and of captchas read.

    Pairs are of one image, scored by fits of the same fold and seed.
    """
    return {
        "nll": asdict(estimate(nlls(rows).minus(nlls(others)))),
        "exact_match": asdict(estimate(captchas(rows).minus(captchas(others)))),
    }


def misread(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Labels that were read wrongly, most often first: how often, of how many, as what."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        for label, read in zip(row["labels"], row["read"], strict=True):
            one = found.setdefault(label, {"label": label, "wrong": 0, "scored": 0, "read": []})
            one["scored"] += 1
            if read != label:
                one["wrong"] += 1
                one["read"].append(read)
    wrong = (one for one in found.values() if one["wrong"])
    return sorted(wrong, key=lambda one: (-one["wrong"], one["label"]))


def leaving_out(rows: Sequence[Row], labels: Collection[str]) -> list[Row]:
    """The rows without some of their held-out images, before temperatures are shared.

    What was trained on is as it was, and so is the NLL on training images.

    Args:
        rows: of trials that succeeded; those that keep no image are left out.
        labels: of the images.
    """
    found = []
    for row in rows:
        kept = [i for i, label in enumerate(row["labels"]) if label not in labels]
        if not kept:
            continue
        names = ("images", "labels", "nlls", "read", "confidences")
        parts = {name: [row[name][i] for i in kept] for name in names if name in row}
        if OVER_GRID in row:
            parts[OVER_GRID] = [[nlls[i] for i in kept] for nlls in row[OVER_GRID]]
        nll = float(np.mean(parts["nlls"]))
        raw = nll
        if OVER_GRID in row:
            raw = float(np.mean(parts[OVER_GRID][GRID.index(1.0)]))
        found.append({**row, **parts, "nll": nll, "nll_raw": raw, "num_images": len(kept)})
    return found


def interval(one: Estimate | dict[str, Any], *, share: bool = False) -> str:
    """`0.0123 (0.0100 to 0.0150)`, or in per cent."""
    values = one if isinstance(one, dict) else asdict(one)
    mean, low, high = (
        percent(values[name], 2) if share else f"{values[name]:.4f}"
        for name in ("mean", "low", "high")
    )
    return f"{mean} ({low} to {high})"


def _observed(rows: Sequence[Row], values: Callable[[Row], Sequence[float]]) -> Observations:
    found: list[float] = []
    images: list[str] = []
    fits: list[tuple[Any, ...]] = []
    for row in rows:
        found += [float(value) for value in values(row)]
        images += row["images"]
        fit = tuple(row[k] for k in ("fold", "folds", "split_seed", "seed", "limit_train"))
        fits += [fit] * len(row["images"])
    return Observations(np.array(found), tuple(images), tuple(fits))
