"""Int8 form of an exported graph: its convolutions compute in whole numbers of eight bits.

The ranges of what flows into them are those that occur on some images; all other layers stay as
they are, for they take little of the time. Weights use seven of their eight bits: where a processor
has no instructions for eight, sums of larger ones would overflow, and the same file would read
otherwise there. `docs/results/2026-11-28-reading-in-use.md` has what was tried.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from captcha_models.inference.onnx_model import OnnxModel
from captcha_models.inference.predictor import predict_images
from captcha_models.training.evaluation import batches
from captcha_models.words import counted

if TYPE_CHECKING:
    from onnxruntime.quantization import CalibrationDataReader

FOR_RANGES, AT_ONCE = 128, 16
"""Images whose ranges are taken, and how many of them at a time."""
MOST_FEWER = 0.001
"""Share of the labels that int8 may read fewer than float32 does."""


@dataclass(frozen=True)
class Compared:
    """Labels that both forms read of the same images.

    Attributes:
        num_images: that were read.
        read: labels that int8 reads.
        read_float32: labels that float32 reads.
        otherwise: images of which int8 reads another text than float32 does, right or wrong.
    """

    num_images: int
    read: int
    read_float32: int
    otherwise: int

    def describe(self) -> str:
        """One line for the person."""
        return (
            f"int8 reads {self.read:,} of {counted(self.num_images, 'label')}, float32 "
            f"{self.read_float32:,}; {counted(self.otherwise, 'image')} read otherwise"
        )

    def check(self) -> None:
        """Refuse an int8 form that reads too few.

        Raises:
            InputError: it reads more than MOST_FEWER fewer labels than float32.
        """
        fewer = self.read_float32 - self.read
        if fewer > MOST_FEWER * self.num_images:
            raise InputError(
                f"{self.describe()}: {fewer / self.num_images:.2%} fewer, and {MOST_FEWER:.1%} is "
                "allowed; nothing was written; --format onnx has no such loss"
            )


def divided(parts: Sequence[str], name: str) -> tuple[list[int], list[int]]:
    """Images that give the ranges, and others that both forms are compared by.

    Args:
        parts: of each image in the model's training, as `parts.parts_of` has them.
        name: what the person calls the images.

    Returns:
        Up to FOR_RANGES that were trained on or, where too few were, any; and all others. None is
        of the locked test set.

    Raises:
        InputError: fewer than two images are left.
    """
    usable = [i for i, part in enumerate(parts) if part in ("train", "valid", "new")]
    if len(usable) < 2:
        raise InputError(
            f"--data {name}: {counted(len(usable), 'image')} outside the locked test set; int8 "
            "needs two at least, one for its ranges and one to compare by"
        )
    trained = [i for i in usable if parts[i] == "train"]
    wanted = min(FOR_RANGES, len(usable) // 2)
    among = trained if len(trained) >= wanted else usable
    ranges = [among[place * len(among) // wanted] for place in range(wanted)]
    chosen = set(ranges)
    return ranges, [i for i in usable if i not in chosen]


def write_int8(path: Path, source: Path, pixels: Iterable[NDArray[np.uint8]]) -> None:
    """Write the int8 form of an exported graph, its metadata included.

    Args:
        path: of the file that is written.
        source: file of the graph in float32.
        pixels: images (N, 3, H, W), some at a time, whose ranges are taken.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        # Folds what is constant and the normalisation into the convolutions.
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded),
            str(path),
            _reader(iter(pixels)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _reader(pixels: Iterator[NDArray[np.uint8]]) -> "CalibrationDataReader":
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return next(({"images": some} for some in pixels), None)

    return Reader()


def some_at_a_time(
    images: LabelledImages, rows: Sequence[int], any_width: bool, most: int = AT_ONCE
) -> Iterator[NDArray[np.uint8]]:
    """Images (N, 3, H, W), those of one width together, at most so many at a time."""
    for those, width in batches(any_width, images.widths, rows, most):
        some = images.pixels[those][..., :width]
        yield np.broadcast_to(some, (len(some), 3, *some.shape[2:])).copy()


def compared(
    int8: OnnxModel, float32: OnnxModel, images: LabelledImages, rows: Sequence[int]
) -> Compared:
    """Read some of the images with both."""
    pixels, widths = torch.from_numpy(images.pixels[rows]), images.widths[rows]
    texts, others = (
        [best[0].label for best in predict_images(model, pixels, 1, widths)]
        for model in (int8, float32)
    )
    labels = [images.labels[i] for i in rows]

    def same(one: Sequence[str], other: Sequence[str]) -> int:
        return sum(a == b for a, b in zip(one, other, strict=True))

    return Compared(
        len(rows), same(texts, labels), same(others, labels), len(rows) - same(texts, others)
    )
