"""Two loss families: one class per position, and CTC over columns; parts that they share."""

import heapq
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from captcha_models.architectures.base import Recogniser
from captcha_models.charset import BLANK, Charset, min_steps
from captcha_models.config import Config
from captcha_models.ctc import loss as ctc
from captcha_models.errors import InputError


class PositionalConfig(Config):
    """What recognisers of positions share."""

    label_smoothing: float = Field(0.1, ge=0, le=0.9)
    """Share of the target spread evenly over all classes."""


class PositionalRecogniser(Recogniser):
    """One class per character position; all labels have one length. Logits are (N, L, K).

    K counts class 0, 'unknown', as the source does, though no label contains it. A recogniser of
    this family owes `config_class` (derived from `PositionalConfig`), `__init__` and `forward`.
    """

    def __init__(self, config: PositionalConfig, charset: Charset, length: int) -> None:
        super().__init__(config, charset)
        self.length = self.max_length = length
        self.label_smoothing = config.label_smoothing

    @classmethod
    def check(
        cls, config: Config, labels: Sequence[str], size: tuple[int, int], length: int | None = None
    ) -> None:
        """Refuse labels of mixed length, for every position needs a character."""
        expected = length or len(labels[0])
        for label in labels:
            if len(label) != expected:
                raise InputError(
                    f"label {label!r} has {len(label)} characters, not {expected}: {config.arch} "
                    "reads labels of one length"
                )

    def by_position(self, outputs: Tensor) -> Tensor:
        """(N, L * K) -> (N, L, K)."""
        return outputs.view(-1, self.length, self.charset.num_classes)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Label-smoothed cross-entropy, mean over characters."""
        return F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), label_smoothing=self.label_smoothing
        )

    def nll(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,) the sum of the positions' unsmoothed cross-entropies."""
        losses = F.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")
        return losses.sum(dim=1)

    def read(self, logits: Tensor, n_best: int = 1) -> list[list[ctc.Hypothesis]]:
        """Exact n-best: positions are independent, so rankings are merged position by position."""
        log_probs = logits.float().log_softmax(dim=2)
        log_probs[:, :, BLANK] = float("-inf")
        top, ids = log_probs.topk(min(n_best, log_probs.shape[2] - 1), dim=2)
        return [
            _merge(scores, classes, n_best)
            for scores, classes in zip(top.tolist(), ids.tolist(), strict=True)
        ]


def _merge(
    scores: list[list[float]], classes: list[list[int]], n_best: int
) -> list[ctc.Hypothesis]:
    partial: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for row, ids in zip(scores, classes, strict=True):
        extended = (
            (total + score, (*prefix, symbol))
            for total, prefix in partial
            for score, symbol in zip(row, ids, strict=True)
        )
        partial = heapq.nlargest(n_best, extended, key=lambda pair: pair[0])
    return [ctc.Hypothesis(ids=ids, log_prob=total) for total, ids in partial]


def located_loss(columns: Tensor, places: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each position's symbol, read where the position looks.

    Args:
        columns: (N, K, T) scores.
        places: (L, T) logarithms of where each position looks.
        targets: (N, L) class ids.
    """
    located = torch.einsum("nkt,lt->nkl", columns, places.softmax(dim=1))
    return F.cross_entropy(located, targets)


def even_places(max_length: int, steps: int) -> Tensor:
    """(L, T) logarithms of where each position looks at first: a bell around its even share.

    CTC alone has to find out at once what symbols look like and where they stand, and for thousands
    of images finds neither. Told which column belongs to which position, if only roughly, the
    columns learn their symbols within a few epochs, and the places follow; CTC then has an easy
    task. A label shorter than L leaves its last positions to class 0.
    """
    centres = (torch.arange(max_length) + 0.5) * steps / max_length
    distance = torch.arange(steps) + 0.5 - centres[:, None]
    return -((distance / (0.16 * steps)) ** 2) / 2


class CTCRecogniser(Recogniser):
    """Class scores per column of the image, read in any alignment. Logits are (T, N, K).

    Class 0 is the blank. A recogniser of this family owes `config_class`, `__init__`, `forward`
    and `num_steps`; columns run from left to right.
    """

    beam_width: int = 10
    """Prefixes kept while decoding."""
    length: int | None = None
    """Characters of every label it reads; None is any number."""
    decided_by: ClassVar[str | None] = None
    """Name of the configuration's field that decides T, for the refusal of long labels."""

    @classmethod
    @abstractmethod
    def num_steps(cls, config: Any, size: tuple[int, int]) -> int:
        """T of images of that height and width, in px, with that configuration."""

    @classmethod
    def check(
        cls, config: Config, labels: Sequence[str], size: tuple[int, int], length: int | None = None
    ) -> None:
        """Refuse labels that need more steps than there are."""
        steps, field = cls.num_steps(config, size), cls.decided_by
        cause = f"{field} = {getattr(config, field)}" if field else config.arch
        for label in labels:
            if (needed := min_steps(label)) > steps:
                raise InputError(
                    f"{cause} leaves {steps} steps of a {size[1]} px wide image, but label "
                    f"{label!r} needs {needed} (its length plus its equal neighbours)"
                    + f"; choose another {field}"
                    * bool(field)
                )

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """CTC as `nn.CTCLoss()` has it: nats per character, mean over the batch."""
        return per_character(self.nll(logits, targets), targets)

    def nll(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,) CTC's negative log of the sum over all alignments."""
        return ctc_nll(logits, targets)

    def read(self, logits: Tensor, n_best: int = 1) -> list[list[ctc.Hypothesis]]:
        """Prefix beam search at the configuration's beam width."""
        width = max(self.beam_width, n_best)
        return ctc.beam_decode(
            _log_probs(logits), beam_width=width, n_best=n_best, length=self.length
        )

    def read_greedily(self, logits: Tensor) -> list[list[int]]:
        """The best path, collapsed."""
        return ctc.greedy_decode(_log_probs(logits))


def _log_probs(logits: Tensor) -> Tensor:
    # In float32 even under mixed precision: the sums over alignments need it.
    return logits.float().log_softmax(dim=2)


def ctc_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """(N,) nats per captcha of logits (T, N, K) under CTC."""
    return ctc.nll_per_captcha(_log_probs(logits), targets, (targets != BLANK).sum(dim=1))


def per_character(nll: Tensor, targets: Tensor) -> Tensor:
    """Nats per character, mean over the batch, of nats per captcha (N,)."""
    return (nll / (targets != BLANK).sum(dim=1)).mean()


def body_shape(body: nn.Module, size: tuple[int, int]) -> torch.Size:
    """(1, C, H, W) of the features a body makes of an image, found by a probe."""
    training = body.training
    with torch.no_grad():
        shape: torch.Size = body.eval()(torch.zeros(1, 3, *size)).shape
    body.train(training)
    return shape


def stride_of(cut: int) -> int:
    """Px from the middle of one column of a resnet cut so to that of the next."""
    return 1 << (cut - 3)
