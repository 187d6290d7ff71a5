"""ONNX file of a recogniser: pixels in, calibrated log-probabilities out."""

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from captcha_models.architectures.base import Recogniser
from captcha_models.architectures.heads import CTCRecogniser, best_ids
from captcha_models.charset import BLANK
from captcha_models.data.geometry import LARGEST, STEP, Geometry
from captcha_models.errors import InputError
from captcha_models.loading import loading
from captcha_models.training.checkpoint import write_whole


class Portable(nn.Module):
    """All of a recogniser that needs no search, as one graph.

    forward: images (N, 3, H, W) uint8, red, green, blue -> log_probs (N, T, K), per column (CTC)
    or position (classifiers; T = L) the natural logarithms of the classes' probabilities at the
    model's temperature; and ids (N, T), the classes read without a search, 0 where there is none.
    """

    def __init__(self, model: Recogniser) -> None:
        super().__init__()
        self.model = model
        self.by_columns = isinstance(model, CTCRecogniser)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model.tempered(self.model(images.float() / 255))
        log_probs = logits.log_softmax(dim=2)
        if not self.by_columns:
            # Class 0 stands for no character.
            return log_probs, best_ids(log_probs, self.model.mixed)
        log_probs = log_probs.transpose(0, 1)
        best = log_probs.argmax(dim=2)
        before = torch.cat([torch.full_like(best[:, :1], BLANK), best[:, :-1]], dim=1)
        return log_probs, torch.where(best == before, BLANK, best)


def write_onnx(path: Path, model: Recogniser, notes: Mapping[str, str], geometry: Geometry) -> None:
    """Write one ONNX file, any number of images at a time.

    Args:
        path: of the file.
        model: to be written.
        notes: become the file's metadata.
        geometry: of the images; if they keep their aspect, they may have any width.

    Raises:
        InputError: the packages that it needs are missing, or the file cannot be written.
    """
    needs("onnx", "onnxscript")
    # Two, for a single image would be taken for the only number there is.
    example = torch.zeros(2, 3, geometry.height, geometry.width, dtype=torch.uint8)
    free: dict[int, Any] = {0: torch.export.Dim("N")}
    if geometry.keep_aspect and model.any_width:
        free[3] = torch.export.Dim("W", min=2 * STEP, max=LARGEST)
    # Of the exporter's seconds most go into loading it.
    with loading(), warnings.catch_warnings():
        # torch warns about how its own layers are traced.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Portable(model).eval(),
            (example,),
            input_names=["images"],
            output_names=["log_probs", "ids"],
            dynamic_shapes={"images": free},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(notes)
    write_whole(path, program.model_proto.SerializeToString())


def run_onnx(path: Path, images: Tensor) -> tuple[Tensor, Tensor]:
    """What an ONNX file makes of images (N, 3, H, W) uint8; see `Portable`.

    Raises:
        InputError: onnxruntime is missing.
    """
    needs("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    log_probs, ids = session.run(["log_probs", "ids"], {"images": images.numpy()})
    return torch.from_numpy(log_probs), torch.from_numpy(ids)


def needs(*packages: str) -> None:
    """Refuse to go on without the packages that the extra `export` brings.

    Raises:
        InputError: naming those that are missing.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError(
            f"ONNX needs {' and '.join(missing)}: pip install 'captcha-search[export]' brings them"
        )
