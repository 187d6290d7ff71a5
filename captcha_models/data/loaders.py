"""Loaders by fastai's mid-level data API, over images that stay on the device."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from fastai.data.core import DataLoaders, TfmdDL, TfmdLists
from fastai.torch_core import TensorImage
from fastcore.basics import fastuple
from fasttransform import Transform
from torch import Tensor

from captcha_models.charset import Charset
from captcha_models.config import Config
from captcha_models.data.augment import augmentations
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.data.synthetic_stream import SyntheticStream


class CaptchaTransform(Transform):  # type: ignore[misc]
    """From an image's number to the image (C, H, W) in [0, 1] and its class ids (L,)."""

    def __init__(self, images: LabelledImages, charset: Charset) -> None:
        self.charset = charset
        self.pixels = torch.from_numpy(images.pixels)
        self.targets = torch.from_numpy(charset.encode(images.labels))

    def encodes(self, i: int) -> fastuple:
        """Image number `i`, as floats, and its targets."""
        return fastuple(TensorImage(self.pixels[i].float() / 255), self.targets[i])


@dataclass(frozen=True)
class Mix:
    """How many images of a batch are generated.

    Attributes:
        images: where they come from.
        share: of each batch, in [0, 1].
        steps: at the beginning, that see generated images only.
    """

    images: SyntheticStream
    share: float
    steps: int

    def count(self, epoch: int, number: int, batch_size: int) -> int:
        """Generated images in that batch."""
        step = epoch * self.images.num_batches + number
        return batch_size if step < self.steps else round(self.share * batch_size)


class ResidentDL(TfmdDL):  # type: ignore[misc]
    """A loader whose images were moved to the device once, as bytes; a batch is an index.

    Attributes:
        epoch: set before each epoch; decides which generated images are mixed in.
        mix: what is mixed in, None for nothing.
    """

    def __init__(self, dataset: TfmdLists, **kwargs: Any) -> None:
        super().__init__(dataset, num_workers=0, **kwargs)
        self._resident: tuple[Tensor, Tensor] | None = None
        self.epoch = 0
        self.mix: Mix | None = None

    @property
    def n_inp(self) -> int:
        """Images are the one input; fastai would draw a batch, and chance, to find out."""
        return 1

    def _tensors(self) -> tuple[Tensor, Tensor]:
        if self._resident is None:
            source: CaptchaTransform = self.dataset.tfms[0]
            chosen = torch.as_tensor(list(self.dataset.items))
            device = self.device or torch.device("cpu")
            self._resident = (
                source.pixels[chosen].to(device),
                source.targets[chosen].to(device),
            )
        return self._resident

    def __iter__(self) -> Iterator[fastuple]:
        self.before_iter()
        pixels, targets = self._tensors()
        n = len(pixels)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        order = order[: len(self) * self.bs].to(pixels.device)
        for number, chunk in enumerate(torch.split(order, self.bs)):
            fresh = self.mix.count(self.epoch, number, len(chunk)) if self.mix else 0
            rows = chunk[fresh:]
            images, labels = pixels[rows].float().div_(255), targets[rows]
            if self.mix and fresh:
                drawn, drawn_labels = self.mix.images.batch(self.epoch, number, fresh)
                images = torch.cat([images, drawn.expand(-1, images.shape[1], -1, -1)])
                labels = torch.cat([labels, drawn_labels])
            yield self.after_batch(fastuple(TensorImage(images), labels))


def make_loaders(
    images: LabelledImages,
    split: Split,
    config: Config,
    *,
    device: torch.device,
    batch_size: int | None = None,
) -> DataLoaders:
    """Training batches, shuffled by torch's global generator and augmented, and validation ones.

    Args:
        images: all images; only the split's training and validation parts are touched.
        split: which image is for what.
        config: batch size and augmentation; a last, smaller training batch is left out.
        device: where the images stay.
        batch_size: another one than the configuration's.
    """
    transform = CaptchaTransform(images, images.charset)
    # Setting up looks at a first item, which a part that holds nothing does not have.
    parts = [
        TfmdLists(rows.tolist(), transform, split_idx=i, do_setup=bool(len(rows)))
        for i, rows in enumerate((split.train, split.valid))
    ]
    return DataLoaders.from_dsets(
        *parts,
        bs=batch_size or config.batch_size,
        dl_type=ResidentDL,
        after_batch=augmentations(config.augment, config.augment_kinds),
        device=device,
    )
