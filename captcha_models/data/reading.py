"""Reading of labelled images from a folder, a zip archive or a table: listed, then decoded."""

from pathlib import Path

from captcha_models.data.geometry import Geometry
from captcha_models.data.images import LabelledImages, collect
from captcha_models.data.label_rules import LabelRules
from captcha_models.data.listing import list_images


def read_images(
    place: Path,
    skip_bad: bool = False,
    how: LabelRules | None = None,
    size: str | Geometry = "auto",
) -> LabelledImages:
    """The images of a place, checked.

    Args:
        place: a folder, a zip archive, or a table of labels.
        skip_bad: leave wrong files and images of one colour out.
        how: what the labels are; by default found out.
        size: see `geometry.read_size`; or that of a model.

    Raises:
        InputError: see `list_images` and `collect`.
    """
    listing = list_images(place, how or LabelRules())
    plain = listing.layout == "the files' names"
    told = listing.notes if plain else (f"labels: {listing.layout}", *listing.notes)
    return collect(listing.items, listing.source, skip_bad, size, told)
