"""Page of label errors: each image in doubt with its picture, to accept, correct or leave out.

One HTML file in the look of the report; what is decided on it is saved as a file of corrections.
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from captcha_models.inspection.pictures import style, thumbnail
from search.confirmation.label_errors import LabelErrors
from search.report import formats

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages

TEMPLATES = Path(__file__).parent / "templates"
MOST = 400
"""Images on the page; the table has them all."""


def label_page(
    found: LabelErrors,
    images: "LabelledImages",
    run: Path,
    again: str,
    before: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The page.

    Args:
        found: the images in doubt.
        images: of the search.
        run: its folder.
        again: the command that searches with the corrections.
        before: label by image of the corrections that the run had; what the page saves holds them.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = formats.figure
    environment.filters["share"] = formats.share
    places = {name: i for i, name in enumerate(images.names)}
    shown = found.found[:MOST]
    return environment.get_template("labels.html.j2").render(
        found=found,
        shown=shown,
        run=run,
        again=again,
        before=json.dumps(dict(before)),
        num_before=len(before),
        source=images.source,
        pictures=[thumbnail(images, places[one.image]) for one in shown],
        nonce=secrets.token_urlsafe(16),
        style=style(),
        script=(TEMPLATES / "labels.js").read_text(encoding="utf-8"),
    )
