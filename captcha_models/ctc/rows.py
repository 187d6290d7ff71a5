"""Labellings as rows of a few integers, and which of them are equal.

Few rows are compared each with each; many are sorted, since 1,000 of an image have a million pairs.

Shapes: N batch, A and B rows of an image.
"""

from functools import reduce

import torch
from torch import Tensor

MANY = 64
"""Rows of an image from which sorting is the quicker way, on the CPU."""
_MIX = -7046029254386353131  # an odd number with bits all over
_LOWER = 2**32 - 1  # without it a shift copies the sign


def row_type(num_classes: int, length: int) -> tuple[torch.dtype, int]:
    """Integers narrow enough to compare labellings eight bytes at a time, and how many eights."""
    symbol_type = torch.uint8 if num_classes <= 256 else torch.int32
    return symbol_type, -(-length * symbol_type.itemsize // 8)


def first_equal(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The first row of `other` that is each row of `one`.

    Args:
        one: (N, A, words) int64.
        other: (N, B, words) int64.

    Returns:
        (N, A) whether there is one, and its place in 0..B-1; 0 where there is none.
    """
    pairs = list(zip(one.unbind(2), other.unbind(2), strict=True))
    if other.shape[1] < MANY:
        same = reduce(torch.logical_and, [a[:, :, None] == b[:, None, :] for a, b in pairs])
        found, place = same.max(dim=2)
        return found, place
    keys, order = _keys(other).sort(dim=1, stable=True)
    wanted = _keys(one)
    at = torch.searchsorted(keys, wanted).clamp_max_(other.shape[1] - 1)
    place = order.gather(1, at)
    # Rows of several words may share a key, if hardly ever: one is compared, the others are missed.
    found = reduce(torch.logical_and, [a == b.gather(1, place) for a, b in pairs])
    return found, place * found


def _keys(rows: Tensor) -> Tensor:
    """(N, A) one integer for each row: itself if it has one word, else its words mixed."""
    first, *others = rows.unbind(2)
    if not others:
        return first.contiguous()
    keys = first.clone()
    for word in others:
        # Each line can be undone, so rows that differ in one word never share a key.
        keys ^= keys >> 32 & _LOWER
        keys *= _MIX
        keys ^= keys >> 32 & _LOWER
        keys += word
    return keys
