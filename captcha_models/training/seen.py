"""Images that a model has seen, by what they show: they go with it in its file."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split

_SEEN = "images."


class Seen(NamedTuple):
    """The images of a training by what they show: `LabelledImages.digests`.

    Attributes:
        train: they were learned from.
        valid: they validated.
        locked: they are the locked test set.
    """

    train: frozenset[str]
    valid: frozenset[str]
    locked: frozenset[str]

    @classmethod
    def of(cls, images: LabelledImages, split: Split) -> Self:
        """The images of a split."""
        parts = (split.train, split.valid, split.test)
        return cls(*(frozenset(images.digests[i] for i in rows) for rows in parts))

    def part(self, digest: str) -> str:
        """Where an image was: `train`, `valid`, `locked`, or `new`."""
        found = (name for name in self._fields if digest in getattr(self, name))
        return next(found, "new")

    def tensors(self) -> dict[str, Tensor]:
        """Each part as whole numbers of 64 bits, as a model file keeps it."""
        return {
            f"{_SEEN}{name}": torch.tensor(
                [int.from_bytes(bytes.fromhex(one), signed=True) for one in sorted(digests)],
                dtype=torch.int64,
            )
            for name, digests in self._asdict().items()
        }

    @classmethod
    def read(cls, tensors: dict[str, Tensor]) -> Self | None:
        """Takes what `tensors` gave out of a file's tensors; None if they are not there."""
        parts = [tensors.pop(f"{_SEEN}{name}", None) for name in cls._fields]
        if any(part is None for part in parts):
            return None
        return cls(
            *(
                frozenset(number.to_bytes(8, signed=True).hex() for number in part.tolist())
                for part in parts
                if part is not None
            )
        )
