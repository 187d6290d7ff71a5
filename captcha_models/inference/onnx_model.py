"""Exported graph in the place of the model that it was made from: onnxruntime runs it.

What needs a search, and the alphabet, come from the model card that the file carries; its pixels go
in and its calibrated log-probabilities come out, see `onnx_export.Portable`.
"""

import json
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from captcha_models.architectures import names, resolve
from captcha_models.architectures.heads import CTCRecogniser
from captcha_models.ctc.loss import Hypothesis
from captcha_models.errors import InputError, explain
from captcha_models.inference.onnx_export import needs
from captcha_models.renamed import renamed
from captcha_models.training.checkpoint import Card

SUFFIX = ".onnx"


class OnnxModel:
    """A recogniser's graph in a file that `captcha_models.export` wrote.

    Attributes:
        card: of the model that it was made from.
        charset: its alphabet.
        any_width: whether batches may differ in width.
    """

    def __init__(self, path: Path, arch: str | None = None, threads: int = 0) -> None:
        """Load a file, onto the CPU.

        Args:
            path: of the file.
            arch: code of a model of one's own; see `checkpoint.load_model`.
            threads: of the CPU; 0 is as many as onnxruntime finds good.

        Raises:
            InputError: no such file, onnxruntime is missing, no file that `export` wrote, or of an
                architecture that is not known.
        """
        needs("onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
            notes = self._session.get_modelmeta().custom_metadata_map
            found = json.loads(notes["model_card"])
            card = Card.model_validate(renamed(found["model"]))
        except ValidationError as error:
            raise InputError(f"{path} is no export of this version: {explain(error)}") from None
        except Exception:  # onnxruntime has no public class for the errors of a file
            raise InputError(
                f"{path} is no ONNX file that captcha_models.export wrote; give one, or the folder "
                "of a training or a run"
            ) from None
        given = resolve(arch).name if arch else None
        if given not in (None, card.arch) or card.arch not in names():
            raise InputError(
                f"{path} is of architecture {card.arch!r}: name its code, --arch file.py:NAME or "
                "--arch module:NAME"
            )
        self.card = card
        # Its weights are random and never used.
        self._shape = card.rebuild().eval()
        self.charset = self._shape.charset
        self.any_width = bool(found["any_width"])

    def outputs(self, pixels: Tensor) -> Tensor:
        """Images (N, 1 or 3, H, W) uint8 -> log-probabilities, in the shape of its logits."""
        images = pixels.expand(-1, 3, -1, -1).contiguous().numpy()
        [log_probs] = self._session.run(["log_probs"], {"images": images})
        found = torch.from_numpy(log_probs)
        return found.transpose(0, 1) if isinstance(self._shape, CTCRecogniser) else found

    def read(self, outputs: Tensor, n_best: int = 1) -> list[list[Hypothesis]]:
        """Per image the most probable labellings of what `outputs` returned, best first."""
        return self._shape.read(outputs, n_best)
