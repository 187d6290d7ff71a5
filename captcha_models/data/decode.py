"""Decoding: the bytes of one image file as an array of grey or colour, its text left visible."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from captcha_models.errors import InputError

MAX_IMAGE_PIXELS = 20_000_000
TALLEST = 400
"""Px; a taller image is scaled down to it at once, for a model sees far fewer."""
SAME = 2
"""Grey levels that an image of one colour may vary by."""


def decode(data: bytes, name: str) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """An encoded image as (h, w) if it is grey, else (h, w, 3), and its own width and height.

    Raises:
        InputError: empty, no image, truncated, corrupt or gigantic, with the name.
    """
    if not data:
        raise InputError(f"{name} is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > MAX_IMAGE_PIXELS:
                    raise InputError(
                        f"{name} has {image.width} x {image.height} pixels; "
                        f"at most {MAX_IMAGE_PIXELS:,} are read"
                    )
                rgb = to_rgb(image)
                rgb.load()  # It may be the file's own, of which nothing is read yet.
    except InputError:
        raise
    except Exception as error:
        # Pillow's decoders raise whatever the broken bytes lead them to; of what it does not know
        # at all it tells the address in memory, which tells the person nothing.
        reason = " ".join(str(error).split())
        known = "" if "<_io.BytesIO" in reason else f" ({type(error).__name__}: {reason})"
        raise InputError(f"{name} is no readable image{known}") from None
    return as_array(rgb), rgb.size


def as_array(image: Image.Image) -> NDArray[np.uint8]:
    """(h, w) bytes of an image of any mode if it is grey, else (h, w, 3)."""
    rgb = to_rgb(image)
    if rgb.height > TALLEST:
        width = max(round(rgb.width * TALLEST / rgb.height), 1)
        rgb = rgb.resize((width, TALLEST), Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = np.asarray(rgb)
    red = pixels[:, :, 0]
    grey = (pixels == red[:, :, None]).all()
    return np.ascontiguousarray(red) if grey else pixels


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Whether an image (h, w) or (h, w, 3) is of one colour, so that nothing can be read."""
    return bool(np.ptp(pixels, axis=(0, 1)).max() <= SAME)


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode in red, green and blue, upright, on an opaque ground."""
    if image.mode == "RGB" and not image.info and not image.getexif():
        return image
    # As a camera's note asks, and every viewer shows it.
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        # Pillow would cut 16-bit grey off at 255.
        grey = np.asarray(image).astype(np.int64) // 257
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return _opaque(image.convert("RGBA"))
    return image.convert("RGB")


def _opaque(image: Image.Image) -> Image.Image:
    """The image on white; on black if its text would vanish on white, as white letters do."""
    white, black = (
        Image.alpha_composite(Image.new("RGBA", image.size, ground), image).convert("RGB")
        for ground in ("white", "black")
    )
    seen, otherwise = (float(np.asarray(one.convert("L")).std()) for one in (white, black))
    return black if otherwise > 2 * seen else white
