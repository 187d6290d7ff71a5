"""Random labels."""

import random
from collections.abc import Collection

from captcha_models.errors import InputError
from captcha_models.generator.style import Style


def labels(style: Style, seed: int, n: int, *, exclude: Collection[str] = ()) -> list[str]:
    """Distinct labels, in a fixed order: the first n of a longer draw are the same.

    Args:
        style: gives alphabet and length; a range of lengths is drawn from uniformly.
        seed: any integer.
        n: how many, at least 0.
        exclude: labels never to return, however they are capitalised.

    Returns:
        n labels that stay distinct when lower-cased, because labels become file names.

    Raises:
        InputError: (a ValueError) if n is negative, or if the style has fewer labels than that.
    """
    if n < 0:
        raise InputError(f"n = {n}: must be at least 0")
    fewest, most = style.lengths
    folded = {symbol.casefold() for symbol in style.alphabet}
    banned = {label.casefold() for label in exclude}
    lost = sum(fewest <= len(label) <= most and folded.issuperset(label) for label in banned)
    room = sum(len(folded) ** length for length in range(fewest, most + 1)) - lost
    if n > room:
        raise InputError(
            f"n = {n}: must be at most {room}, all labels that the style has and `exclude` leaves"
        )
    rng = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < n:
        label = "".join(rng.choices(style.alphabet, k=rng.randint(fewest, most)))
        if label.casefold() not in banned:
            found.setdefault(label.casefold(), label)
    return list(found.values())
