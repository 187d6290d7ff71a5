"""Recogniser: what every architecture owes, in one unit of loss.

Shapes, for the whole project: N batch, C channels, H height, W width, T time steps (columns),
K classes with the blank, L label length.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from captcha_models.charset import Charset
from captcha_models.config import Config
from captcha_models.ctc.loss import Hypothesis
from captcha_models.data.cutmix import splice
from captcha_models.data.geometry import FLAT
from captcha_models.errors import InputError


def content_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, (N, 1, 1, 1) each, of the columns that are not of one colour.

    So the paper that an image was filled up with, as wide as its batch happens to be, says nothing.
    Of an image without any other column, those of all.
    """
    span = (images.amax(dim=2) - images.amin(dim=2)).amax(dim=1)
    content = span > FLAT
    content = (content | ~content.any(dim=1, keepdim=True))[:, None, None].to(images.dtype)
    count = content.sum(dim=3, keepdim=True) * images.shape[1] * images.shape[2]
    mean = (images * content).sum(dim=(1, 2, 3), keepdim=True) / count
    squares = ((images - mean).square() * content).sum(dim=(1, 2, 3), keepdim=True)
    return mean, (squares / (count - 1)).sqrt()


class Recogniser(nn.Module, ABC):
    """Images in, labels out.

    An architecture derives from one of the two families in `heads.py`, which bring `loss`, `nll`
    and `read`; one with another loss derives from this class. It owes:

    - `config_class`: a class derived from `captcha_models.config.Config`, with `arch`, the name,
      and a field with a default and a range for each setting of its own.
    - `__init__(self, config, charset, max_length, size)`: the settings; the symbols, of which
      `charset.num_classes` is K; L, the characters of the longest label; (H, W) of the images.
    - `forward(self, images)`: (N, 1 or 3, H, W) float32 in [0, 1] -> logits, of the shape that its
      family asks for. It calls `self.prepare(images)` first, which gives (N, 3, H, W).

    In eval mode an image's logits depend on no other image of the batch.
    `python -m captcha_models.conformance file.py:NAME` tests all this.
    """

    config_class: ClassVar[type[Config]]

    any_width: ClassVar[bool] = False
    """Whether it reads images of any width, so that batches differ in it; else of W alone."""
    stride: int = 1
    """Px from the middle of one column of `columns` to that of the next."""
    max_length: int | None = None
    """L, the characters of the longest label that it was built for; set by `build`."""
    mixed: bool = False
    """Whether labels may be shorter than L; set by `build`."""
    keep_aspect: bool = False
    """Whether narrow images are filled up with paper on the right; set by `build`."""

    def __init__(self, config: Config, charset: Charset) -> None:
        super().__init__()
        self.config = config
        self.charset = charset
        self.temperature: Tensor
        self.register_buffer("temperature", torch.tensor(config.temperature))

    @classmethod
    def check(
        cls,
        config: Config,
        labels: Sequence[str],
        size: tuple[int, int],
        length: int | None = None,
    ) -> None:
        """Refuse a configuration that could never read these labels.

        Args:
            config: to be built, or that a model was built from.
            labels: every label that it has to read.
            size: height and width of the images, in pixels.
            length: L the model was built for; None if it is still to be built.

        Raises:
            InputError: naming the field or the label.
        """

    def readable(self, labels: Sequence[str], size: tuple[int, int]) -> list[bool]:
        """Which labels the model can give for images of that height and width, in pixels."""

        def check(those: Sequence[str]) -> bool:
            try:
                self.charset.encode(those)
                self.check(self.config, those, size, self.max_length)
            except InputError:
                return False
            return True

        return [True] * len(labels) if check(labels) else [check([label]) for label in labels]

    def prepare(self, images: Tensor) -> Tensor:
        """(N, 3, H, W): grey images get three equal channels; normalised if the config says so."""
        if self.config.normalize:
            if self.keep_aspect:
                mean, deviation = content_statistics(images)
            else:
                mean = images.mean(dim=(1, 2, 3), keepdim=True)
                deviation = images.std(dim=(1, 2, 3), keepdim=True)
            # The floor keeps an empty image from being blown up to noise.
            images = (images - mean) / deviation.clamp_min(1e-2)
        return images.expand(-1, 3, -1, -1)

    def tempered(self, logits: Tensor) -> Tensor:
        """What forward returned, as confident as calibration found right; for `read` and `nll`."""
        return logits.float() / self.temperature

    @abstractmethod
    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The criterion, a scalar.

        Args:
            logits: what forward returned.
            targets: (N, L) class ids in 1..K-1, padded with 0; columns of 0 alone may be missing.
        """

    @abstractmethod
    def nll(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,) -ln p(label | image), nats per captcha; the same quantity for every family."""

    @abstractmethod
    def read(self, logits: Tensor, n_best: int = 1) -> list[list[Hypothesis]]:
        """Per image the most probable labellings, best first, with their log-probabilities."""

    def read_greedily(self, logits: Tensor) -> list[list[int]]:
        """Per image the class ids read without a search."""
        return [list(best[0].ids) for best in self.read(logits)]

    def class_layers(self) -> list[tuple[nn.Module, int]]:
        """Layers that put out classes, and for how many positions each.

        With them `--init` finds the weights of each symbol, position by position: rows run over the
        K classes of the first position, then of the next.
        """
        return []

    def objective(self, images: Tensor, targets: Tensor) -> Tensor:
        """The criterion of a training batch, and whatever terms the architecture adds to it."""
        return self.loss(self(images), targets)

    def training_loss(self, images: Tensor, targets: Tensor) -> Tensor:
        """What training minimises: the objective, some captchas spliced if the config says so."""
        return self.objective(*self.spliced(images, targets))

    def columns(self, images: Tensor) -> Tensor | None:
        """(T, N, K) scores of a CTC head, for splicing; None from an architecture without one.

        Their columns lie `stride` px apart, the first at 0.
        """
        return None

    def spliced(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """A training batch, some of its captchas put together anew if the config says so."""
        if not self.config.splice:
            return images, targets
        before = self.training
        self.eval()
        try:
            with torch.no_grad():
                scores = self.columns(images)
        finally:
            self.train(before)
        if scores is None:
            return images, targets
        log_probs = scores.float().log_softmax(dim=2)
        return splice(images, targets, log_probs, self.stride, self.config.splice)
