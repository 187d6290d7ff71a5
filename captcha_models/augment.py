"""Augmentation of whole batches on the device, by fastai's transforms as the source has them."""

from fastai.vision.augment import Brightness, Contrast, Rotate
from fasttransform import Transform

MAX_DEGREES = 10
MAX_LIGHTING = 0.5
LIGHTING_PROBABILITY = 0.8


def augmentations(strength: float) -> list[Transform]:
    """Rotation, brightness and contrast, drawn for each image on its own.

    Args:
        strength: 1 is the article's (10 degrees, lighting 0.5), 0 none, at most 1.5.
    """
    if strength == 0:
        return []
    lighting = MAX_LIGHTING * strength
    return [
        Rotate(max_deg=MAX_DEGREES * strength),
        Brightness(max_lighting=lighting, p=LIGHTING_PROBABILITY, batch=False),
        Contrast(max_lighting=lighting, p=LIGHTING_PROBABILITY, batch=False),
    ]
