"""Loaders by fastai's mid-level data API, over images that stay on the device."""

from collections.abc import Iterator, Sequence
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
from captcha_models.data.generated import Stream
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split


class CaptchaTransform(Transform):  # type: ignore[misc]
    """From an image's number to the image (C, H, W) in [0, 1] and its class ids (L,)."""

    def __init__(self, images: LabelledImages, charset: Charset) -> None:
        self.charset = charset
        self.pixels = torch.from_numpy(images.pixels)
        self.widths = torch.from_numpy(images.widths)
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

    images: Stream
    share: float
    steps: int

    def count(self, epoch: int, number: int, batch_size: int) -> int:
        """Generated images in that batch."""
        step = epoch * self.images.num_batches + number
        return batch_size if step < self.steps else round(self.share * batch_size)


WINDOW = 32
"""Batches whose images are sorted by width among themselves, so that each has little filling."""


class ResidentDL(TfmdDL):  # type: ignore[misc]
    """A loader whose images were moved to the device once, as bytes; a batch is an index.

    Attributes:
        epoch: set before each epoch; decides which generated images are mixed in.
        mix: what is mixed in, None for nothing.
        any_width: a batch is as wide as its widest image; else as the widest of all.
    """

    def __init__(self, dataset: TfmdLists, **kwargs: Any) -> None:
        super().__init__(dataset, num_workers=0, **kwargs)
        self._resident: tuple[Tensor, Tensor] | None = None
        self.epoch = 0
        self.mix: Mix | None = None
        self.any_width = False

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
        order = order[: len(self) * self.bs]
        widths = self._widths() if self.any_width else None
        if widths is None:
            # At once; widths are looked up on the CPU, where a GPU's numbers are no index.
            order = order.to(pixels.device)
        for number, chunk in enumerate(self._chunks(order, widths)):
            fresh = self.mix.count(self.epoch, number, len(chunk)) if self.mix else 0
            rows = chunk[fresh:]
            there = rows.to(pixels.device)
            images, labels = pixels[there], targets[there]
            width = pixels.shape[3]
            if widths is not None:
                width = int(widths[rows].max()) if len(rows) else 0
            if self.mix and fresh:
                drawn, drawn_labels = self.mix.images.batch(self.epoch, number, fresh, width)
                # What a set's image lacks of the width is its own paper.
                images = images[..., : drawn.shape[3]].float().div_(255)
                images = torch.cat([images, drawn.expand(-1, images.shape[1], -1, -1)])
                labels = torch.cat([labels, drawn_labels])
            else:
                images = images[..., :width].float().div_(255)
            yield self.after_batch(fastuple(TensorImage(images), labels))

    def _widths(self) -> Tensor | None:
        """(N,) px of each image, on the CPU; None if all are alike."""
        widths = self.dataset.tfms[0].widths[list(self.dataset.items)]
        return None if (widths == widths[0]).all() else widths

    def _chunks(self, order: Tensor, widths: Tensor | None) -> Sequence[Tensor]:
        """The batches of an order: images of like width together, the batches by chance."""
        if widths is None or not self.shuffle:
            return torch.split(order, self.bs)
        windows = torch.split(order, WINDOW * self.bs)
        by_width = [window[widths[window].argsort(stable=True)] for window in windows]
        chunks = [chunk for window in by_width for chunk in torch.split(window, self.bs)]
        return [chunks[i] for i in torch.randperm(len(chunks))]


def make_loaders(
    images: LabelledImages,
    split: Split,
    config: Config,
    *,
    device: torch.device,
    batch_size: int | None = None,
    any_width: bool = False,
) -> DataLoaders:
    """Training batches, shuffled by torch's global generator and augmented, and validation ones.

    Args:
        images: all images; only the split's training and validation parts are touched.
        split: which image is for what.
        config: batch size and augmentation; a last, smaller training batch is left out.
        device: where the images stay.
        batch_size: another one than the configuration's.
        any_width: a batch is as wide as its widest image; else as the widest of all.
    """
    transform = CaptchaTransform(images, images.charset)
    # Setting up looks at a first item, which a part that holds nothing does not have.
    parts = [
        TfmdLists(rows.tolist(), transform, split_idx=i, do_setup=bool(len(rows)))
        for i, rows in enumerate((split.train, split.valid))
    ]
    loaders = DataLoaders.from_dsets(
        *parts,
        bs=batch_size or config.batch_size,
        dl_type=ResidentDL,
        after_batch=augmentations(
            config.augment, config.augment_kinds, filled=images.geometry.keep_aspect
        ),
        device=device,
    )
    for loader in loaders:
        loader.any_width = any_width
    return loaders
