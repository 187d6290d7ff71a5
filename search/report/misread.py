"""Recognition errors: confused characters, images that were misread, and calibration."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from captcha_models.training.metrics import edits
from search.confirmation.intervals import wilson
from search.report.loader import Run

LEADING = 5
"""Trials of each space that count: the errors of poor ones would hide those that remain."""
NOTHING = "\N{EMPTY SET}"
BINS = 10


def leading(run: Run, board: Sequence[Mapping[str, Any]]) -> list[str]:
    """The best trials whose predictions were kept: of the completed ones, if there are any."""
    rows = [row for row in board if row["trial"] in run.predictions.trials]
    completed = [row["trial"] for row in rows if row["state"] == "completed"]
    return (completed or [row["trial"] for row in rows])[:LEADING]


def confusions(run: Run, trials: Sequence[str]) -> Counter[tuple[str, str]]:
    """Counts of (label, prediction); NOTHING stands for a character left out or inserted."""
    found: Counter[tuple[str, str]] = Counter()
    for name in trials:
        for index, prediction in run.predictions.trials[name]["wrong"].items():
            if run.predictions.labels:
                found.update(_pairs(run.predictions.labels[int(index)], prediction))
    return found


def _pairs(label: str, prediction: str) -> Iterator[tuple[str, str]]:
    """Pairs of characters that differ, the texts aligned."""
    if len(label) == len(prediction):
        yield from ((a, b) for a, b in zip(label, prediction, strict=True) if a != b)
        return
    matcher = SequenceMatcher(None, label, prediction, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind != "equal":
            ours, theirs = label[i:j], prediction[k:m]
            for n in range(max(len(ours), len(theirs))):
                yield ours[n : n + 1] or NOTHING, theirs[n : n + 1] or NOTHING


def misread_images(run: Run, trials: Sequence[str]) -> list[dict[str, Any]]:
    """Images that some of the trials misread, most often first.

    Each with `index`, `image`, `label`, `num_misread` of `num_trials`, and `predictions`: `trial`,
    `prediction`, `confidence` and `edits`, the edit distance to the label.
    """
    found: dict[int, list[dict[str, Any]]] = {}
    known = len(run.predictions.labels)
    for name in trials:
        row = run.predictions.trials[name]
        for index, prediction in row["wrong"].items():
            sure = row["confidences"][int(index)]
            one = {"trial": name, "prediction": prediction, "confidence": sure, "edits": None}
            if int(index) < known:
                one["edits"] = edits(prediction, run.predictions.labels[int(index)])
            found.setdefault(int(index), []).append(one)
    return [
        {
            "index": index,
            "image": run.predictions.images[index] if index < known else None,
            "label": run.predictions.labels[index] if index < known else None,
            "num_misread": len(predictions),
            "num_trials": len(trials),
            "predictions": predictions,
        }
        for index, predictions in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def calibration(run: Run, trial: str) -> dict[str, Any]:
    """Confidence against accuracy: images sorted by confidence, in BINS bins of the same size.

    Returns:
        `bins`: of each its mean `confidence`, the `share` read right with `low` and `high` (95 %)
        and `num_images`; `error`: the expected calibration error, in [0, 1].
    """
    row = run.predictions.trials[trial]
    sure = np.array(row["confidences"], dtype=float)
    right = np.array([str(i) not in row["wrong"] for i in range(len(sure))], dtype=float)
    parts = np.array_split(np.argsort(sure, kind="stable"), min(BINS, max(1, len(sure) // 5)))
    bins = []
    for part in parts:
        share = float(right[part].mean())
        low, high = wilson(share, len(part))
        bins.append(
            {"confidence": float(sure[part].mean()), "share": share, "low": low, "high": high,
             "num_images": len(part)}
        )  # fmt: skip
    error = sum(abs(one["confidence"] - one["share"]) * one["num_images"] for one in bins)
    return {"trial": trial, "bins": bins, "error": float(error / len(sure))}
