"""A recogniser as files that other programs run: pixels in, calibrated log-probabilities out."""

import torch
from torch import Tensor, nn

from captcha_models.architectures._contract import Recogniser
from captcha_models.architectures._heads import CTCRecogniser
from captcha_models.charset import BLANK


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
            return log_probs, log_probs[:, :, 1:].argmax(dim=2) + 1
        log_probs = log_probs.transpose(0, 1)
        best = log_probs.argmax(dim=2)
        before = torch.cat([torch.full_like(best[:, :1], BLANK), best[:, :-1]], dim=1)
        return log_probs, torch.where(best == before, BLANK, best)
