"""System 1 of the source: xresnet34, pooled over the whole image, L x K outputs.

21,882,464 parameters at the source's values and 19 symbols.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from captcha_models.architectures.xresnet import XResNetClassifier, XResNetConfig
from captcha_models.charset import Charset


class Config(XResNetConfig):
    """The pooled classifier's settings."""

    arch: ClassVar[str] = "pooled"

    head_size: int = Field(512, ge=8, le=8192)
    """Width of the hidden linear layer."""
    dropout_1: float = Field(0.25, ge=0, le=0.95)
    """Before the hidden layer."""
    dropout_2: float = Field(0.5, ge=0, le=0.95)
    """Before the outputs."""


class Model(XResNetClassifier):
    """xresnet34's body, average and maximum over the image, one hidden layer."""

    config_class = Config

    def __init__(
        self, config: Config, charset: Charset, length: int, size: tuple[int, int]
    ) -> None:
        from fastai.vision.learner import create_vision_model
        from fastai.vision.models.xresnet import xresnet34

        super().__init__(config, charset, length)
        self.layers = create_vision_model(
            xresnet34,
            length * charset.num_classes,
            pretrained=False,
            cut=config.cut,
            lin_ftrs=[config.head_size],
            ps=[config.dropout_1, config.dropout_2],
        )
        self.join(self.layers[0], size)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, F, H', W')."""
        features: Tensor = self.layers[0](self.prepare(images))
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Features (N, F, H', W') -> logits (N, L, K)."""
        return self.by_position(self.layers[1](features))
