"""Parts that images had in the training of a model: it is judged by some, not by others."""

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import make_split
from captcha_models.training.checkpoint import Loaded


def parts_of(loaded: Loaded, images: LabelledImages) -> list[str]:
    """For each image `new`, `valid`, `train`, `locked` or `left out`.

    Models of earlier versions do not know their images one by one, but the set as a whole.
    """
    if loaded.seen:
        return [loaded.seen.part(digest) for digest in images.digests]
    card = loaded.card
    if images.digest != card.data.digest:
        return ["new"] * len(images)
    if card.split is None:
        return ["train"] * len(images)
    split = make_split(images.units, images.parts, **card.split.model_dump())
    parts = ["left out"] * len(images)
    for name, rows in (("train", split.train), ("valid", split.valid), ("locked", split.test)):
        for row in rows.tolist():
            parts[row] = name
    return parts
