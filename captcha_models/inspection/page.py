"""Page of a survey: one HTML file with a contact sheet, in the look of the search's report."""

import secrets

from captcha_models.data.images import LabelledImages
from captcha_models.inspection import text
from captcha_models.inspection.contact import Shown, contact_sheet, extremes
from captcha_models.inspection.pictures import (
    TEMPLATES,
    generated,
    style,
    thumbnail,
    with_columns,
)
from captcha_models.inspection.readers import Reader
from captcha_models.inspection.survey import SHOWN, Survey, folders

DRAWN = 8
"""Generated images that are shown."""


def page(found: Survey, images: LabelledImages, command: str) -> str:
    """The page.

    Args:
        found: about the images.
        images: that it is about.
        command: that searches on them.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = text.symbol_name
    sheet = contact_sheet(images, found.symbols)
    reader = next((one for one in found.readers if one.cuts), None)
    rows = {name: row for row, name in enumerate(images.names)}
    alike = {name for one in found.contradictions[:SHOWN] for name in one[::2]}
    return environment.get_template("inspect.html.j2").render(
        found=found,
        words=text,
        command=command,
        folders=folders(images.names),
        sheet=[(one, images.names[one.row], images.labels[one.row]) for one in sheet],
        pictures={one.row: thumbnail(images, one.row) for one in sheet},
        chosen=_chosen(sheet),
        together=any(part["units"] < part["images"] for part in found.split.values()),
        generated=generated(images, DRAWN) if found.draws else [],
        reader=reader,
        looks=_looks(images, reader) if reader else [],
        shown=SHOWN,
        alike={name: thumbnail(images, rows[name]) for name in alike},
        nonce=secrets.token_urlsafe(16),
        style=style(),
    )


def _chosen(sheet: list[Shown]) -> str:
    """What is on the contact sheet, in words."""
    kinds = {one.why.partition(":")[0] for one in sheet}
    words = {"narrow": "the narrowest and the widest", "rare": "some with rare symbols"}
    told = [words[kind] for kind in words if kind in kinds]
    return ", ".join([*told, "others at random"]) if told else "chosen at random"


def _looks(images: LabelledImages, reader: Reader) -> list[dict[str, object]]:
    """The narrowest, a usual and the widest image as the CRNN sees them, with its columns."""
    from captcha_models.architectures.heads import stride_of
    from captcha_models.charset import min_steps

    able = [one.value for one in reader.cuts if not one.why_not]
    cut = max(able) if able else reader.cuts[0].value
    return [
        {
            "picture": with_columns(images, row, stride_of(cut)),
            "name": images.names[row],
            "label": images.labels[row],
            "width": int(images.widths[row]),
            "columns": -(-int(images.widths[row]) // stride_of(cut)),
            "needs": min_steps(images.labels[row]),
            "cut": cut,
        }
        for row in extremes(images)
    ]
