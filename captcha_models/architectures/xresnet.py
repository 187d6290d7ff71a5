"""Classifiers on the features of xresnet34, taught by a second head that reads their columns."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from captcha_models.architectures.heads import (
    PositionalConfig,
    PositionalRecogniser,
    body_shape,
    ctc_loss,
    even_places,
    located_loss,
    stride_of,
)
from captcha_models.charset import Charset
from captcha_models.config import Config
from captcha_models.errors import InputError


class XResNetConfig(PositionalConfig):
    """What the classifiers on xresnet34's features share."""

    cut: int = Field(8, ge=5, le=8)
    """How many of xresnet34's children are kept; 5, 6, 7, 8 leave 50, 25, 13, 7 columns."""
    coordinates: bool = False
    """Tell the body where it looks: x and y in two of the three channels, after Liu et al., 2018
    (arXiv:1807.03247); the image is read as a grey one."""
    joint_weight: float = Field(0.0, ge=0, le=10)
    """Weight of a second head, which reads columns of the features, in training only; `splice`
    needs it, and a cut that leaves it 2 L - 1 columns."""


class XResNetClassifier(PositionalRecogniser):
    """A classifier on xresnet34's features, with a second head that reads their columns by CTC."""

    def __init__(self, config: XResNetConfig, charset: Charset, length: int) -> None:
        super().__init__(config, charset, length)
        self.coordinates = config.coordinates
        self.joint_weight = config.joint_weight
        self.stride = stride_of(config.cut)
        self.joint: JointHead | None = None

    def join(self, body: nn.Module, size: tuple[int, int]) -> None:
        """Add the second head, on this body's features, if the configuration has one."""
        if self.joint_weight:
            _, features, _, steps = body_shape(body, size)
            self.joint = JointHead(features, self.charset.num_classes, self.length, steps)

    def class_layers(self) -> list[tuple[nn.Module, int]]:
        """The last linear layer, and that of the second head."""
        last = [layer for layer in self.modules() if isinstance(layer, nn.Linear)][-1]
        second = [] if self.joint is None else [(self.joint.classes, 1)]
        return [(last, self.length), *second]

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> the body's features (N, F, H', W')."""

    @abstractmethod
    def classify(self, features: Tensor) -> Tensor:
        """Features (N, F, H', W') -> logits (N, L, K)."""

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, L, K)."""
        return self.classify(self.features(images))

    def objective(self, images: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, and by its weight the loss of the second head."""
        features = self.features(images)
        loss = self.loss(self.classify(features), targets)
        if self.joint is not None:
            loss = loss + self.joint_weight * self.joint.loss(features, targets)
        return loss

    def columns(self, images: Tensor) -> Tensor | None:
        """(T, N, K) scores of the second head, if it reads."""
        if self.joint is None or not self.joint.reads:
            return None
        scores: Tensor = self.joint(self.features(images))
        return scores.permute(2, 0, 1)

    @classmethod
    def check(
        cls, config: Config, labels: Sequence[str], size: tuple[int, int], length: int | None = None
    ) -> None:
        """Refuse `pretrained`, too."""
        if config.pretrained and length is None:
            raise InputError(
                f"pretrained = true: fastai publishes no weights for xresnet34; {config.arch} "
                "starts from scratch (crnn can be pretrained)"
            )
        super().check(config, labels, size, length)

    def prepare(self, images: Tensor) -> Tensor:
        """(N, 3, H, W): with `coordinates` the image, x and y, both from -1 to 1."""
        prepared = super().prepare(images)
        if not self.coordinates:
            return prepared
        grey = prepared.mean(dim=1, keepdim=True)
        y, x = (
            torch.linspace(-1, 1, n, dtype=grey.dtype, device=grey.device) for n in grey.shape[2:]
        )
        return torch.cat([grey, x.expand_as(grey), y[:, None].expand_as(grey)], dim=1)


class JointHead(nn.Module):
    """Reads columns of a classifier's features by CTC, and tells the body where symbols stand.

    Features that have to name the symbol above them learn to read within a few epochs; a head that
    sees all of them at once takes many more to find out by itself. With too few columns for any
    label of its length it does without CTC.
    """

    def __init__(self, features: int, num_classes: int, max_length: int, steps: int) -> None:
        super().__init__()
        self.classes = nn.Conv1d(features, num_classes, kernel_size=3, padding=1)
        self.places = nn.Parameter(even_places(max_length, steps))
        self.reads = steps >= 2 * max_length - 1

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, F, H', T) -> scores (N, K, T)."""
        scores: Tensor = self.classes(features.amax(dim=2))
        return scores

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """CTC, nats per character, and the cross-entropy of the positions."""
        columns = self(features)
        loss = located_loss(columns, self.places, targets)
        if self.reads:
            loss = loss + ctc_loss(columns.permute(2, 0, 1), targets)
        return loss
