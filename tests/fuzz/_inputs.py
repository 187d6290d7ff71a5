"""What the fuzz tests share: how many tries, counting them, damage, and names in any script."""

import os
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

TRIED: Counter[str] = Counter()

fuzz = settings(
    max_examples=int(os.environ.get("FUZZ", "40")),
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
"""FUZZ=10000 tries so many inputs of each kind, other ones each time; else few, always the same."""

names = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="/\\\0"),
    min_size=1,
    max_size=40,
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
"""Names of files in any script, control characters too."""


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes cut, overwritten, repeated or with others put in."""
    place = st.integers(0, len(data))
    few = st.binary(max_size=12)
    return st.one_of(
        st.builds(lambda i: data[:i], place),
        st.builds(lambda i, new: data[:i] + new + data[i + len(new) :], place, few),
        st.builds(lambda i, new: data[:i] + new + data[i:], place, few),
        st.builds(lambda i, j: data[: max(i, j)] + data[min(i, j) :], place, place),
        st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=8).map(
            lambda edits: _edited(data, edits)
        ),
    )


def _edited(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    new = bytearray(data)
    for place, value in edits:
        if place < len(new):
            new[place] = value
    return bytes(new)
