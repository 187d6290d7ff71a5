"""Case of conformance: an architecture, and images and labels small enough to check it on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from captcha_models import generator as kaptcha
from captcha_models.architectures import Architecture, build
from captcha_models.architectures.base import Recogniser
from captcha_models.charset import Charset
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import LabelledImages, squish
from captcha_models.data.sources import synthetic
from captcha_models.data.splits import Split

if TYPE_CHECKING:
    from captcha_models.training.state import TrainingState

SYMBOLS = "2345678bcdefgmnpwxy"
LABELS = ("by5y3", "efb3f", "76y6f", "e2d66")
MIXED_LABELS = ("by5y3", "efb3", "7", "66")
SEED = 5


@dataclass(frozen=True)
class Case:
    """An architecture to be checked, and values of its configuration; others have defaults."""

    architecture: Architecture
    values: Mapping[str, Any] = field(default_factory=dict)

    def model(self, *, mixed: bool = False, **values: Any) -> Recogniser:
        """A model with the same random weights each time, for labels of one length or mixed."""
        torch.manual_seed(0)
        config = self.architecture.config_class.parse({**self.values, **values})
        return build(config, Charset(SYMBOLS), len(LABELS[0]), mixed=mixed)

    def fit(
        self,
        values: Mapping[str, Any],
        on_epoch: "Callable[[TrainingState], None]" = lambda state: None,
        resume: Path | None = None,
        count: int = 16,
        mixed: bool = False,
        every_epoch: bool = True,
    ) -> "TrainingState":
        """The last state of a training on a few generated images, which validate, too.

        Unless `every_epoch`, they do so after the last one alone.
        """
        from captcha_models.training.fit import fit  # fastai takes seconds to load.

        rows = np.arange(count)
        split = Split(train=rows, valid=rows, test=rows[:0], fold=0, folds=5, seed=0)
        config = self.architecture.config_class.parse({"batch_size": 8, **self.values, **values})
        return fit(
            config,
            mixed_images(count) if mixed else synthetic(count, seed=3),
            split,
            seed=SEED,
            device="cpu",
            on_epoch=lambda metrics, state: on_epoch(state),
            resume=resume,
            every_epoch=every_epoch,
        )


def images(count: int = len(LABELS)) -> Tensor:
    """(N, 1, 50, 200) of noise in [0, 1], the same each time."""
    return torch.rand(count, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))


def mixed_images(count: int) -> LabelledImages:
    """Generated images of 3 to 5 symbols."""
    style = replace(kaptcha.load_style("default"), length=(3, 5))
    texts = sorted(kaptcha.labels(style, 3, count))
    pixels = squish(kaptcha.draw(style, texts, 3))
    images = synthetic(count, seed=3)
    names = tuple(f"{text}.png" for text in texts)
    return replace(images, names=names, labels=tuple(texts), pixels=pixels)


def targets(model: Recogniser) -> Tensor:
    """(N, L) class ids of LABELS, or of MIXED_LABELS."""
    return torch.from_numpy(model.charset.encode(MIXED_LABELS if model.mixed else LABELS))
