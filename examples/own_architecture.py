"""Tiny: a recogniser of one's own, three convolutions and CTC over the columns of the image.

python -m captcha_models.conformance examples/own_architecture.py:Tiny
python -m captcha_models.train --arch examples/own_architecture.py:Tiny
"""

from itertools import pairwise
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from captcha_models.architectures.heads import CTCRecogniser
from captcha_models.charset import Charset
from captcha_models.config import Config


class TinyConfig(Config):
    """Fields of every configuration, and one of its own."""

    arch: ClassVar[str] = "tiny"
    channels: int = Field(32, ge=8, le=128)


class Tiny(CTCRecogniser):
    """Each of three convolutions halves height and width: 25 columns of 200 px."""

    config_class = TinyConfig

    def __init__(
        self, config: TinyConfig, charset: Charset, max_length: int, size: tuple[int, int]
    ):
        super().__init__(config, charset)
        widths = [3, config.channels, 2 * config.channels, 4 * config.channels]
        layers = [
            nn.Sequential(nn.Conv2d(a, b, 5, stride=2, padding=2), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(widths)
        ]
        self.body = nn.Sequential(*layers)
        self.classes = nn.Conv1d(widths[-1], charset.num_classes, kernel_size=3, padding=1)

    @classmethod
    def num_steps(cls, config: TinyConfig, size: tuple[int, int]) -> int:
        return -(-size[1] // 8)

    def forward(self, images: Tensor) -> Tensor:
        features = self.body(self.prepare(images)).amax(dim=2)  # (N, F, T)
        logits: Tensor = self.classes(features).permute(2, 0, 1)  # (T, N, K)
        return logits
