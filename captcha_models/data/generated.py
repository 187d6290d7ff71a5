"""Generated images beside a set's own: captchas where they look alike, else printed lines."""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.likeness import cannot_draw, no_captchas
from captcha_models.data.printed_stream import PrintedStream, cannot_print
from captcha_models.data.splits import Split
from captcha_models.data.synthetic_stream import SyntheticStream


class Stream(Protocol):
    """Ever-new images, a batch at a time."""

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""

    def batch(self, epoch: int, number: int, count: int, least: int = 0) -> tuple[Tensor, Tensor]:
        """(N, 1, H, W) float32 in [0, 1], at least `least` px wide; (N, L) targets."""


def most_of_a_batch(config: Config) -> int:
    """Generated images of one batch at most, at least 1."""
    share = 1.0 if config.synthetic_steps else config.synthetic_share
    return max(round(config.batch_size * share), 1)


@dataclass(frozen=True)
class Generated:
    """What is generated beside a set of images.

    Attributes:
        kind: of the images.
        why: why they are no captchas, or why there are none; empty for captchas.
    """

    kind: Literal["captchas", "printed lines", "none"]
    why: str = ""

    def describe(self) -> str:
        """In words for the person."""
        return {
            "captchas": "captchas, which look like these",
            "printed lines": f"printed lines, no captchas ({self.why})",
            "none": f"none ({self.why})",
        }[self.kind]


def generated(images: LabelledImages, split: Split) -> Generated:
    """What is generated beside these images.

    Args:
        images: of the data set.
        split: of them.
    """
    unlike = no_captchas(images, split)
    if unlike is None:
        return Generated("captchas")
    if reason := cannot_print(images, split):
        return Generated("none", reason)
    return Generated("printed lines", unlike)


def remark(images: LabelledImages, split: Split) -> tuple[str, ...]:
    """A line for the person where generated images are printed lines; none where they are not."""
    found = generated(images, split)
    return (f"generated images: {found.describe()}",) if found.kind == "printed lines" else ()


def make_stream(
    config: Config,
    images: LabelledImages,
    split: Split,
    num_batches: int,
    seed: int,
    device: torch.device,
) -> Stream:
    """The images that are mixed into a training's.

    Args:
        config: of the training.
        images: all images.
        split: of them.
        num_batches: batches of an epoch.
        seed: of the training.
        device: where they are needed.

    Raises:
        InputError: none can be generated.
    """
    unlike = no_captchas(images, split, count := most_of_a_batch(config)) is not None
    # Captchas of another kind that somebody asked for are better than none.
    if unlike and (cannot_print(images, split) is None or cannot_draw(images, split, count)):
        return PrintedStream(images, split, num_batches, seed, device)
    return SyntheticStream(
        images.preset,
        [images.labels[i] for i in split.train],
        {images.labels[i] for i in (*split.valid, *split.test)},
        images.charset,
        num_batches,
        seed,
        device,
    )
