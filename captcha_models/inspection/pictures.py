"""Pictures for pages: images as a model sees them, packed into the page, and the pages' style."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from captcha_models.data.images import LabelledImages

TEMPLATES = Path(__file__).parent / "templates"
LARGEST = 400
"""Of a picture, px either way."""
MARKED = (214, 60, 40)
"""Colour of the edges of columns."""


def style() -> str:
    """The style sheet of all pages."""
    return (TEMPLATES / "page.css").read_text(encoding="utf-8")


def thumbnail(images: LabelledImages, row: int) -> str:
    """The picture (base64 of PNG) of an image as the models see it, in at most 64 colours."""
    picture = _own(images, row)
    picture.thumbnail((LARGEST, LARGEST))
    return _packed(picture)


def generated(images: LabelledImages, count: int) -> list[tuple[str, str]]:
    """Pictures (base64 of PNG) of images as they are generated beside a set, and their labels.

    Args:
        images: of the set; what is generated has the labels and looks of those that train.
        count: pictures wanted.
    """
    import torch

    from captcha_models.architectures import config_class
    from captcha_models.data.generated import make_stream
    from captcha_models.data.splits import make_split

    config = config_class("crnn")(
        batch_size=32, synthetic_share=1.0
    )  # As `Generated` is asked for.
    split = make_split(images.units, images.parts)
    stream = make_stream(config, images, split, 1, 0, torch.device("cpu"))
    found = []
    for pixels, targets in (stream.batch(0, number, 1) for number in range(count)):
        grey = (pixels[0, 0] * 255).round().to(torch.uint8).numpy()
        label = images.charset.decode([i for i in targets[0].tolist() if i])
        found.append((_packed(Image.fromarray(grey)), label))
    return found


def with_columns(images: LabelledImages, row: int, stride: int) -> str:
    """The picture (base64 of PNG) of an image, below it a tick every `stride` px.

    Narrow ones are twice as large.

    Each space between two ticks is a column, in which CTC reads a symbol or none.
    """
    picture = _own(images, row).convert("RGB")
    zoom = 2 if picture.width <= LARGEST else 1
    width, height = picture.width * zoom, picture.height * zoom
    canvas = Image.new("RGB", (width, height + 12), "white")
    canvas.paste(picture.resize((width, height), Image.Resampling.NEAREST))
    draw = ImageDraw.Draw(canvas)
    draw.line([(0, height + 11), (width, height + 11)], fill=MARKED)
    for x in (*range(0, width, zoom * stride), width - 1):
        draw.line([(x, height + 2), (x, height + 11)], fill=MARKED, width=2)
    return _packed(canvas)


def _own(images: LabelledImages, row: int) -> Image.Image:
    pixels = images.pixels[row][:, :, : images.widths[row]]
    grey = len(pixels) == 1
    return Image.fromarray(np.ascontiguousarray(pixels[0] if grey else pixels.transpose(1, 2, 0)))


def _packed(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.quantize(64).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
