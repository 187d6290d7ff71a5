"""Reading of labelled images from a folder, a zip archive or a table: listed, then decoded."""

from pathlib import Path

from captcha_models.data.collect import collect
from captcha_models.data.geometry import Geometry
from captcha_models.data.images import LabelledImages
from captcha_models.data.labels.corrections import corrected
from captcha_models.data.labels.listing import STEMS, list_images, lowered
from captcha_models.data.labels.rules import LabelRules


def read_images(
    place: Path,
    skip_bad: bool = False,
    how: LabelRules | None = None,
    size: str | Geometry = "auto",
    corrections: str | None = None,
) -> LabelledImages:
    """The images of a place, checked.

    Args:
        place: a folder, a zip archive, or a table of labels.
        skip_bad: leave wrong files and images of one colour out.
        how: what the labels are; by default found out.
        size: see `geometry.read_size`; or that of a model.
        corrections: path of a table whose labels replace those that were read.

    Raises:
        InputError: see `list_images`, `corrected` and `collect`.
    """
    how = how or LabelRules()
    listing = list_images(place, how)
    if corrections:
        listing = corrected(listing, corrections)
    if how.ignore_case:
        listing = lowered(listing)
    told = () if listing.layout == STEMS else (f"labels: {listing.layout}",)
    return collect(listing.items, listing.source, skip_bad, size, (*told, *listing.notes))
