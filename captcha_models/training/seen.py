"""Images that a model has seen, by what they show: they go with it in its file."""

from dataclasses import asdict, dataclass, fields
from typing import Self

import torch
from torch import Tensor

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split

_SEEN = "images."


@dataclass(frozen=True)
class Seen:
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
        found = (one.name for one in fields(self) if digest in getattr(self, one.name))
        return next(found, "new")

    def tensors(self) -> dict[str, Tensor]:
        """Each part as whole numbers of 64 bits, as a model file keeps it."""
        return {
            f"{_SEEN}{name}": torch.tensor(
                [int.from_bytes(bytes.fromhex(one), signed=True) for one in sorted(digests)],
                dtype=torch.int64,
            )
            for name, digests in asdict(self).items()
        }

    @classmethod
    def read(cls, tensors: dict[str, Tensor]) -> Self | None:
        """Takes what `tensors` gave out of a file's tensors; None if they are not there."""
        parts = [tensors.pop(f"{_SEEN}{one.name}", None) for one in fields(cls)]
        if any(part is None for part in parts):
            return None
        return cls(
            *(
                frozenset(number.to_bytes(8, signed=True).hex() for number in part.tolist())
                for part in parts
                if part is not None
            )
        )
