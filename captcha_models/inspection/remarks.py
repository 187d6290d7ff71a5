"""Remarks on a set of images: what a search says of them before it begins, in short."""

from collections import Counter
from typing import TYPE_CHECKING

from captcha_models.words import counted

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages

NAMED = 2
"""Pairs that are named of those that are counted."""


def remarks(images: "LabelledImages") -> list[str]:
    """How the images were read, their groups, pictures that occur twice; a line each."""
    found = [f"data: {note}" for note in images.notes]
    if groups := len({group for group in images.groups or () if group}):
        parted = groups_parted(images)
        where = f"{parted} of them on two sides of your" if parted else "each on one side of the"
        found.append(f"data: {counted(groups, 'group')}, {where} split")
    if pairs := images.duplicates:
        named = ", ".join(f"{images.names[i]} = {images.names[j]}" for i, j in pairs[:NAMED])
        wrong = sum(images.labels[i] != images.labels[j] for i, j in pairs)
        found.append(
            f"data: {counted(len(pairs), 'pair of images looks', 'pairs of images look')} alike "
            f"({named}); {sides(images)}"
            + f"; of these {counted(wrong, 'pair has', 'pairs have')} two labels"
            * bool(wrong)
        )
    return found


def sides(images: "LabelledImages") -> str:
    """Whether images that look alike lie on one side of the split, in words."""
    parts = images.parts
    parted = sum(parts[i] != parts[j] for i, j in images.duplicates) if parts else 0
    if parted:
        return f"{parted} of them on two sides of your split, which flatters what is scored"
    if all(images.units[i] == images.units[j] for i, j in images.duplicates):
        return "each stays on one side of the split"
    return "those of one label stay on one side of the split"


def groups_parted(images: "LabelledImages") -> int:
    """Groups that the split which the images came with does not keep together."""
    pairs = set(zip(images.groups or (), images.parts or (), strict=False))
    return sum(number > 1 for number in Counter(group for group, _ in pairs if group).values())
