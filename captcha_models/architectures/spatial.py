"""System 2 of the source: xresnet34's body without pooling, so that features keep their place.

28,575,004 parameters at the source's values and 19 symbols.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from captcha_models.architectures.heads import body_shape
from captcha_models.architectures.xresnet import XResNetClassifier, XResNetConfig
from captcha_models.charset import Charset


class Config(XResNetConfig):
    """The spatial classifier's settings."""

    arch: ClassVar[str] = "spatial"

    head_size: int = Field(1000, ge=8, le=8192)
    """Width of the hidden linear layer."""
    dropout_1: float = Field(0.5, ge=0, le=0.95)
    """On the flattened features."""
    dropout_2: float = Field(0.5, ge=0, le=0.95)
    """Before the outputs."""


class Model(XResNetClassifier):
    """xresnet34's body, flattened, one hidden layer."""

    config_class = Config

    def __init__(
        self, config: Config, charset: Charset, length: int, size: tuple[int, int]
    ) -> None:
        from fastai.vision.learner import create_body
        from fastai.vision.models.xresnet import xresnet34

        super().__init__(config, charset, length)
        self.body = create_body(xresnet34(pretrained=False), pretrained=False, cut=config.cut)
        features = body_shape(self.body, size).numel()
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.ReLU(),
            nn.Dropout(config.dropout_1),
            nn.Linear(features, config.head_size),
            nn.ReLU(),
            nn.BatchNorm1d(config.head_size),
            nn.Dropout(config.dropout_2),
            nn.Linear(config.head_size, length * charset.num_classes),
        )
        self.join(self.body, size)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, F, H', W')."""
        features: Tensor = self.body(self.prepare(images))
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Features (N, F, H', W') -> logits (N, L, K)."""
        return self.by_position(self.head(features))
