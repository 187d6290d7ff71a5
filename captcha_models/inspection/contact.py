"""Contact sheet: which images of a set to look at, and why each."""

import random
from dataclasses import dataclass
from statistics import median_low

from captcha_models.data.images import LabelledImages

MOST = 40
EACH = 8
"""Images of each kind but the last, which fills up."""


@dataclass(frozen=True)
class Shown:
    """One image to look at: its row, and why it was chosen."""

    row: int
    why: str


def contact_sheet(images: LabelledImages, symbols: dict[str, int]) -> list[Shown]:
    """At most 40 images: the narrowest and widest, those of rare symbols, the rest at random.

    Args:
        images: to choose from.
        symbols: how often each occurs, the rarest first.
    """
    chosen: dict[int, str] = {}
    sizes = images.sizes
    if sizes is not None:
        proportion = (sizes[:, 1] / sizes[:, 0]).tolist()
        order = sorted(range(len(images)), key=lambda i: proportion[i])
        if proportion[order[-1]] > proportion[order[0]]:
            for why, rows in (("narrow", order[:EACH]), ("wide", order[::-1][:EACH])):
                for row in rows:
                    chosen.setdefault(row, f"{why}: {sizes[row][1]} x {sizes[row][0]} px")
    usual = sum(symbols.values()) / len(symbols)
    for symbol, count in list(symbols.items())[:EACH]:
        if 2 * count > usual:
            break
        with_it = (i for i, label in enumerate(images.labels) if symbol in label)
        first = next((i for i in with_it if i not in chosen), None)
        if first is not None:
            chosen[first] = f"rare: {symbol!r} occurs {count} time{'s' * (count != 1)}"
    others = [i for i in range(len(images)) if i not in chosen]
    for row in random.Random(0).sample(others, max(0, min(len(others), MOST - len(chosen)))):
        chosen[row] = ""
    return [Shown(row, why) for row, why in chosen.items()][:MOST]


def extremes(images: LabelledImages) -> list[int]:
    """Rows of the image that is narrowest as a model sees it, of a usual one, and of the widest."""
    widths = images.widths.tolist()
    wanted = dict.fromkeys((min(widths), median_low(widths), max(widths)))
    return [widths.index(width) for width in wanted]
