"""Printed stream: ever-new lines of text, set as in the training images of a set.

A label is that of a training image, each symbol replaced by one of its kind by chance, so that it
has the form of the set's labels and rare symbols are as frequent as others.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from captcha_models.charset import min_steps
from captcha_models.data.geometry import filled, stepped
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.generator import printed

TRIES = 200
"""Labels that are drawn at most until one is not held out."""
MEASURED = 400
"""Training images whose text is measured at most; each takes a millisecond."""


def cannot_print(images: LabelledImages, split: Split) -> str | None:
    """Why lines cannot be printed in the manner of these images; None if they can.

    Args:
        images: all images.
        split: of them.
    """
    if not len(split.train):
        return "there is no training image"
    return _refusal(
        images.charset.symbols,
        tuple(images.labels[i] for i in split.train),
        frozenset(images.labels[i] for i in (*split.valid, *split.test)),
    )


@lru_cache(maxsize=8)
def _refusal(symbols: str, labels: tuple[str, ...], held_out: frozenset[str]) -> str | None:
    if not printed.faces(symbols):
        return "the generator has no face with all these symbols, to be set side by side"
    try:
        Labels(symbols, labels, held_out).draw(np.random.default_rng(0))
    except InputError as error:
        return str(error)
    return None


class Labels:
    """Labels of the form of others.

    Args:
        symbols: that they may have.
        labels: the others, at least one.
        held_out: never to be drawn.
    """

    def __init__(self, symbols: str, labels: tuple[str, ...], held_out: frozenset[str]) -> None:
        self.labels, self.held_out = labels, held_out
        kinds: dict[str, list[str]] = {}
        for symbol in symbols:
            kinds.setdefault(printed.kind_of(symbol), []).append(symbol)
        self.choices = {symbol: alike for alike in kinds.values() for symbol in alike}

    def draw(self, rng: np.random.Generator) -> tuple[int, str]:
        """The place of a label, and another one in its stead that takes no more steps of CTC.

        Raises:
            InputError: hardly any is left.
        """
        for _ in range(TRIES):
            place = int(rng.integers(len(self.labels)))
            choices = (self.choices[symbol] for symbol in self.labels[place])
            text = "".join(alike[rng.integers(len(alike))] for alike in choices)
            if text not in self.held_out and min_steps(text) <= min_steps(self.labels[place]):
                return place, text
        raise InputError("hardly a label of their form neither validates nor tests")


class PrintedStream:
    """Lines of text in the manner of the training images, a batch at a time.

    Args:
        images: all images.
        split: of them; labels of what validates and tests are never drawn.
        num_batches: batches of an epoch.
        seed: of the training.
        device: where the images are needed.

    Raises:
        InputError: see `cannot_print`.
    """

    def __init__(
        self,
        images: LabelledImages,
        split: Split,
        num_batches: int,
        seed: int,
        device: torch.device,
    ) -> None:
        if reason := cannot_print(images, split):
            raise InputError(reason)
        self.charset, self.geometry = images.charset, images.geometry
        self.num_batches, self.seed, self.device = num_batches, seed, device
        self.max_length = max(map(len, images.labels))
        self.faces = printed.faces(images.charset.symbols)
        rows = np.random.default_rng(0).permutation(split.train)[:MEASURED]
        self.lines = [_line(images, int(i)) for i in rows]
        held_out = frozenset(images.labels[i] for i in (*split.valid, *split.test))
        self.labels = Labels(
            images.charset.symbols, tuple(line.label for line in self.lines), held_out
        )

    def batch(self, epoch: int, number: int, count: int, least: int = 0) -> tuple[Tensor, Tensor]:
        """Images no other batch of the training has, a function of what it is given and the seed.

        Args:
            epoch: 0 for the first.
            number: of the batch in its epoch.
            count: N, images wanted, at least 1.
            least: px that they have to be wide, at most the set's own W.

        Returns:
            (N, 1, H, W) float32 in [0, 1], H as the set's images; (N, L) targets.
        """
        rng = np.random.default_rng((self.seed, epoch, number))
        height, widest = self.geometry.height, self.geometry.width
        drawn, texts = [], []
        for _ in range(count):
            place, text = self.labels.draw(rng)
            line = self.lines[place]
            face = self.faces[rng.integers(len(self.faces))]
            # Never narrower than the image that it is like, which has room for its own label.
            size = (height, line.width if self.geometry.keep_aspect else widest)
            drawn.append(printed.draw_line(line, text, face, size, widest, rng)[None])
            texts.append(text)
        width = min(max(least, *(stepped(grey.shape[2]) for grey in drawn)), widest)
        pixels = torch.from_numpy(np.stack([filled(grey, width) for grey in drawn]))
        ids = torch.from_numpy(self.charset.encode(texts))
        targets = torch.zeros(count, self.max_length, dtype=torch.int64)
        targets[:, : ids.shape[1]] = ids
        return pixels.to(self.device).float().div_(255), targets.to(self.device)


def _line(images: LabelledImages, i: int) -> printed.Line:
    grey = images.pixels[i, :, :, : images.widths[i]].mean(axis=0).round().astype(np.uint8)
    return printed.measured(grey, images.labels[i])
