"""Predictor: a trained model that reads images, and says how sure it is.

predictor = load("runs/train-crnn")
[prediction] = predictor.predict(["captcha.png"])
prediction.label, prediction.confidence
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from captcha_models.architectures.base import Recogniser
from captcha_models.data.decode import as_array, decode
from captcha_models.data.images import stacked
from captcha_models.data.labels.archive import file_reader
from captcha_models.errors import InputError
from captcha_models.inference.onnx_model import SUFFIX, OnnxModel
from captcha_models.inference.origin import origin
from captcha_models.training.checkpoint import Card, load_model
from captcha_models.training.device import pick_device
from captcha_models.training.evaluation import batches

Picture = str | Path | Image.Image | NDArray[np.uint8]
"""An image: its file, a Pillow image, or an array (H, W), (H, W, 3) or (H, W, 4) of bytes."""


@dataclass(frozen=True)
class Prediction:
    """One labelling of an image.

    Attributes:
        label: the text.
        confidence: p(label | image) in [0, 1] at the model's temperature, e to the minus NLL; for
            CTC the sum over all alignments, for classifiers the product over the positions.
    """

    label: str
    confidence: float


@dataclass(frozen=True)
class Predictor:
    """A model in eval mode, on its device.

    Attributes:
        model: the recogniser, or its exported graph.
        card: what its file says of it: architecture, alphabet, images, metrics.
        origin: which model of a run it is, in one line; None of any other.
    """

    model: Recogniser | OnnxModel
    card: Card
    origin: str | None = None

    def predict(self, images: Iterable[Picture]) -> list[Prediction]:
        """The most probable label of each image, brought to the model's size as in training.

        Raises:
            InputError: a file that is no readable image.
        """
        return [best[0] for best in self.ranked(map(_pixels, images), 1)]

    def ranked(self, pictures: Iterable[NDArray[np.uint8]], n_best: int) -> list[list[Prediction]]:
        """For each picture (h, w) or (h, w, 3) of any size its most probable labels, best first."""
        images = [self.card.geometry.fit(pixels) for pixels in pictures]
        if not images:
            return []
        pixels = torch.from_numpy(stacked(images, self.card.width))
        widths = np.array([image.shape[2] for image in images])
        return predict_images(self.model, pixels, n_best, widths)


def load(place: str | Path, *, device: str | None = None, arch: str | None = None) -> Predictor:
    """A predictor from a model file, or the folder of a training or a search.

    Args:
        place: see `training.checkpoint.find_model`; or an ONNX file that `export` wrote.
        device: such as "cpu" or "cuda:0"; the GPU if there is one by default. An ONNX file runs on
            the CPU.
        arch: where an architecture of one's own comes from, such as "own.py:Model".

    Raises:
        InputError: no model there, no such device, or an architecture that is not known.
    """
    if Path(place).suffix == SUFFIX:
        if device not in (None, "cpu"):
            raise InputError(f"--device {device}: an ONNX file runs on cpu alone")
        exported = OnnxModel(Path(place), arch)
        return Predictor(exported, exported.card)
    loaded = load_model(place, arch)
    return Predictor(loaded.model.to(pick_device(device)), loaded.card, origin(loaded))


@torch.inference_mode()
def predict_images(
    model: Recogniser | OnnxModel,
    pixels: Tensor,
    n_best: int = 1,
    widths: NDArray[np.intp] | None = None,
) -> list[list[Prediction]]:
    """Per image the most probable labels, best first.

    Args:
        model: in eval mode, on the device where it runs; or its exported graph.
        pixels: (N, C, H, W) uint8, on any device.
        n_best: at most so many per image; fewer where a beam holds fewer.
        widths: (N,) px of each image that it fills by itself; all by default.
    """
    found: dict[int, list[Prediction]] = {}
    for rows, width in batches(model.any_width, widths, range(len(pixels))):
        batch = pixels[rows, :, :, :width]
        if isinstance(model, OnnxModel):
            outputs = model.outputs(batch)
        else:
            device = next(model.parameters()).device
            outputs = model.tempered(model(batch.to(device).float().div_(255)))
        ranked = model.read(outputs, n_best)
        for row, hypotheses in zip(rows, ranked, strict=True):
            # Rounding may take a sum over alignments a little above 1.
            found[row] = [
                Prediction(model.charset.decode(h.ids), min(1.0, exp(h.log_prob)))
                for h in hypotheses
            ]
    return [found[row] for row in range(len(pixels))]


def _pixels(image: Picture) -> NDArray[np.uint8]:
    if isinstance(image, str | Path):
        return decode(file_reader(Path(image))(), str(image))[0]
    if not isinstance(image, Image.Image):
        if image.ndim == 3 and len(image) in (1, 3):  # (C, H, W), as `LabelledImages` has them.
            image = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        image = Image.fromarray(image)
    return as_array(image)
