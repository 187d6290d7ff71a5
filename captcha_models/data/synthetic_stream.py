"""Synthetic stream: ever-new generated images, with no label that validates or tests."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from captcha_models import generator as kaptcha
from captcha_models.charset import Charset
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import squish
from captcha_models.generator.device import Press


def stream_style(preset: str, labels: Sequence[str], charset: Charset) -> kaptcha.Style:
    """The preset's style, for labels of this alphabet and these lengths.

    Args:
        preset: of the generator.
        labels: the real training labels; the lengths are taken from them.
        charset: of the recogniser.

    Raises:
        InputError: the generator's fonts lack a symbol, or its images are too narrow.
    """
    style = kaptcha.load_style(preset)
    lengths = {len(label) for label in labels}
    known = set(style.alphabet) == set(charset.symbols)
    return replace(
        style,
        # The default lists `n` twice, as the program behind the real images does.
        alphabet=style.alphabet if known else charset.symbols,
        length=(min(lengths), max(lengths)),
    )


class SyntheticStream:
    """Generated images that look like the data set's, a batch at a time.

    Args:
        preset: of the generator.
        labels: the real training labels; alphabet and length are taken from them.
        held_out: labels never to draw.
        charset: of the recogniser.
        num_batches: batches of an epoch.
        seed: of the training.
        device: where the images are needed.

    Raises:
        InputError: the generator's font lacks a symbol, or too few labels are left.
    """

    def __init__(
        self,
        preset: str,
        labels: Sequence[str],
        held_out: Collection[str],
        charset: Charset,
        num_batches: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.style = style = stream_style(preset, labels, charset)
        self.held_out, self.charset, self.seed = held_out, charset, seed
        self.num_batches, self.max_length = num_batches, max(map(len, [*labels, *held_out]))
        self.device = device
        # On the CPU the byte-wise generator is the quicker one; both draw the same images.
        own_size = (style.height, style.width) == (HEIGHT, WIDTH)
        self.press = Press(self.style, device) if device.type != "cpu" and own_size else None

    def batch(self, epoch: int, number: int, count: int, least: int = 0) -> tuple[Tensor, Tensor]:
        """Images no other batch of the training has, a function of seed, epoch and number.

        Args:
            epoch: 0 for the first.
            number: of the batch in its epoch.
            count: N, images wanted.
            least: px that they have to be wide, at most 200, which they are.

        Returns:
            (N, 1, 50, 200) float32 in [0, 1]; (N, L) targets.
        """
        key = np.random.SeedSequence((self.seed, epoch, number)).generate_state(1, np.uint64)
        seed = int(key[0] >> np.uint64(1))
        texts = kaptcha.labels(self.style, seed, count, exclude=self.held_out)
        ids = torch.from_numpy(self.charset.encode(texts))
        targets = torch.zeros(count, self.max_length, dtype=torch.int64)
        targets[:, : ids.shape[1]] = ids
        if self.press is None:
            bytes_ = torch.from_numpy(squish(kaptcha.draw(self.style, texts, seed)))
            drawn = bytes_.to(self.device).float().div_(255)
        else:
            drawn = self.press.draw(*self.press.choices(texts, seed))
        return drawn, targets.to(self.device)
