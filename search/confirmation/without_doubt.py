"""The best candidate without labels in doubt: whether a comparison rests on labels that are wrong.

A wrong label costs a good model tens of nats, and the surest one the most. In a recorded run four
wrong labels of 840 decided which of five candidates was the best on each of five folds.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from statistics import fmean

from search.store.listed import Row


def turned(rows: Sequence[Row], images: Collection[str]) -> list[str]:
    """Notes on architectures whose best candidate is another one without some images.

    Only candidates with the most trainings compare, by their mean NLL.

    Args:
        rows: trainings, each with the NLL of the images that it held out.
        images: names of those in doubt.
    """
    kinds: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        kinds[row["arch"]][row["name"]].append(row)
    notes = []
    for arch, candidates in sorted(kinds.items()):
        most = max(map(len, candidates.values()))
        whole = {name: own for name, own in candidates.items() if len(own) == most}
        every, rest = (
            {name: _mean(own, out) for name, own in whole.items()} for out in ((), images)
        )
        first, now = (min(means, key=means.__getitem__) for means in (every, rest))
        if rest[now] < rest[first]:
            notes.append(
                f"{arch}: without the images in doubt {now} has the least NLL "
                f"({rest[now]:.4f}, {first} {rest[first]:.4f}), with them {first} "
                f"({every[first]:.4f}, {now} {every[now]:.4f}): correct the labels first, then "
                "compare"
            )
    return notes


def _mean(rows: Sequence[Row], without: Collection[str]) -> float:
    """NLL over all images that are held out, but for some; infinite where none is left."""
    nlls = [
        math.inf if nll is None or math.isnan(nll) else float(nll)
        for row in rows
        for name, nll in zip(row["images"], row["nlls"], strict=True)
        if name not in without
    ]
    return fmean(nlls) if nlls else math.inf
