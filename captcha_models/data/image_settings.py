"""Settings of what is read: where images come from, what their labels are, how they are scaled."""

from typing import Any

from pydantic import Field, field_validator

from captcha_models.data.geometry import read_size
from captcha_models.data.labels.rules import LabelRules


class ImageSettings(LabelRules):
    """Everything that decides which labelled images are read."""

    data: str = "auto"
    """Where the images come from, as `captcha_models.data.sources.open_images` reads it."""
    skip_bad: bool = False
    """Leave unreadable images, and those of one colour, out instead of refusing them."""
    corrections: str | None = None
    """A table with the columns image and label, whose labels replace those that were read."""
    size: str = "auto"
    """Height and width that images are brought to: `captcha_models.data.geometry.read_size`."""
    synthetic_seed: int = Field(0, ge=0)
    """Seed of generated images."""
    synthetic_preset: str = "default"
    """How hard generated images are to read: a name of the generator's presets."""

    @field_validator("size")
    @classmethod
    def _check_size(cls, value: str) -> str:
        read_size(value)
        return value

    def image_options(self) -> dict[str, Any]:
        """What `open_images` takes besides `data`."""
        return {name: getattr(self, name) for name in ImageSettings.model_fields if name != "data"}

    def rules(self) -> LabelRules:
        """What the labels of files are."""
        return LabelRules(**{name: getattr(self, name) for name in LabelRules.model_fields})
