"""Remarks on a set of images: what a search says of them before it begins, in short."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages

NAMED = 2
"""Pairs that are named of those that are counted."""


def remarks(images: "LabelledImages") -> list[str]:
    """How the images were read, their groups, pictures that occur twice; a line each."""
    found = [f"data: {note}" for note in images.notes]
    if groups := len({group for group in images.groups or () if group}):
        found.append(f"data: {groups} groups, each on one side of the split")
    if pairs := images.duplicates:
        named = ", ".join(f"{images.names[i]} = {images.names[j]}" for i, j in pairs[:NAMED])
        apart = [(i, j) for i, j in pairs if images.labels[i] != images.labels[j]]
        wrong = f"; {len(apart)} of them have two labels" if apart else ""
        found.append(
            f"data: {len(pairs)} pairs of images look alike ({named}) and stay on one side of the "
            f"split{wrong}"
        )
    return found
