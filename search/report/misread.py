"""What was misread: characters taken for others, images that few read, confidence and truth."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from search.confirmation.intervals import wilson
from search.report.loader import Run

AMONG = 5
"""So many of the best trials of each space are looked at: the worst would drown what is left."""
NOTHING = "\N{EMPTY SET}"
BINS = 10


def leading(run: Run, board: Sequence[Mapping[str, Any]]) -> list[str]:
    """The best trials of a leaderboard whose readings were kept; with the full budget, if any."""
    rows = [row for row in board if row["trial"] in run.readings.trials]
    whole = [row["trial"] for row in rows if row["state"] == "completed"]
    return (whole or [row["trial"] for row in rows])[:AMONG]


def confusions(run: Run, trials: Sequence[str]) -> Counter[tuple[str, str]]:
    """How often (shown, read) was; NOTHING stands for a character left out or made up."""
    found: Counter[tuple[str, str]] = Counter()
    for name in trials:
        for place, read in run.readings.trials[name]["wrong"].items():
            if run.readings.labels:
                found.update(_apart(run.readings.labels[int(place)], read))
    return found


def _apart(label: str, read: str) -> Iterator[tuple[str, str]]:
    """Pairs of characters that differ, the texts aligned."""
    if len(label) == len(read):
        yield from ((a, b) for a, b in zip(label, read, strict=True) if a != b)
        return
    for kind, i, j, k, m in SequenceMatcher(None, label, read, autojunk=False).get_opcodes():
        if kind != "equal":
            ours, theirs = label[i:j], read[k:m]
            for n in range(max(len(ours), len(theirs))):
                yield ours[n : n + 1] or NOTHING, theirs[n : n + 1] or NOTHING


def hard_images(run: Run, trials: Sequence[str]) -> list[dict[str, Any]]:
    """Images that some of the trials misread, most often first.

    Each with `place`, `image`, `label`, `wrong` of `num_trials`, and `reads`: trial, what it read
    and its confidence.
    """
    found: dict[int, list[dict[str, Any]]] = {}
    for name in trials:
        row = run.readings.trials[name]
        for place, read in row["wrong"].items():
            one = {"trial": name, "read": read, "confidence": row["confidences"][int(place)]}
            found.setdefault(int(place), []).append(one)
    known = len(run.readings.labels)
    return [
        {
            "place": place,
            "image": run.readings.images[place] if place < known else None,
            "label": run.readings.labels[place] if place < known else None,
            "wrong": len(reads),
            "num_trials": len(trials),
            "reads": reads,
        }
        for place, reads in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def calibration(run: Run, trial: str) -> dict[str, Any]:
    """Confidence beside truth: images sorted by confidence, in BINS parts of the same size.

    Returns:
        `bins`: of each its mean `confidence`, the `share` read right with `low` and `high` (95 %)
        and `num_images`; `error`: the mean distance of the two, by images.
    """
    row = run.readings.trials[trial]
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
    apart = sum(abs(one["confidence"] - one["share"]) * one["num_images"] for one in bins)
    return {"trial": trial, "bins": bins, "error": float(apart / len(sure))}
