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

IGNORED = -100
"""Target of a position that does not count, as cross_entropy has it."""


class PositionalConfig(Config):
    """What recognisers of positions share."""

    label_smoothing: float = Field(0.1, ge=0, le=0.9)
    """Share of the target spread evenly over all classes."""


class PositionalRecogniser(Recogniser):
    """One class per character position. Logits are (N, L, K).

    K counts class 0. Where all labels have one length it is the source's 'unknown', which no label
    contains. Where lengths differ (`mixed`) it says that the label ended before that position; what
    positions after the end say does not count, and so the probabilities of all labels of up to L
    characters add up to 1. A label of L characters has no end.

    A recogniser of this family owes `config_class` (derived from `PositionalConfig`), `__init__`
    and `forward`.
    """

    def __init__(self, config: PositionalConfig, charset: Charset, length: int) -> None:
        super().__init__(config, charset)
        self.length = self.max_length = length
        self.label_smoothing = config.label_smoothing

    @classmethod
    def check(
        cls, config: Config, labels: Sequence[str], size: tuple[int, int], length: int | None = None
    ) -> None:
        """Refuse labels with more characters than a model that is built has positions."""
        for label in labels:
            if length is not None and len(label) > length:
                raise InputError(
                    f"label {label!r} has {len(label)} characters: this {config.arch} was built "
                    f"for {length} at most"
                )

    def readable(self, labels: Sequence[str], size: tuple[int, int]) -> list[bool]:
        """Which labels the model can give: those of its length, if mixed shorter ones too."""
        known = super().readable(labels, size)
        return [
            fine and (len(label) == self.length or (self.mixed and label != ""))
            for fine, label in zip(known, labels, strict=True)
        ]

    def by_position(self, outputs: Tensor) -> Tensor:
        """(N, L * K) -> (N, L, K)."""
        return outputs.view(-1, self.length, self.charset.num_classes)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Label-smoothed cross-entropy, mean over characters and ends."""
        targets = self.counted(targets)
        return F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), label_smoothing=self.label_smoothing
        )

    def nll(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,) the sum of the positions' unsmoothed cross-entropies."""
        targets = self.counted(targets)
        losses = F.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")
        return losses.sum(dim=1)

    def counted(self, targets: Tensor) -> Tensor:
        """(N, L) targets, of mixed labels 0 where they end and IGNORED after that."""
        if not self.mixed:
            return targets
        targets = widened(targets, self.length)
        place = torch.arange(self.length, device=targets.device)
        ended = place > (targets != BLANK).sum(dim=1, keepdim=True)
        return targets.masked_fill(ended, IGNORED)

    def read(self, logits: Tensor, n_best: int = 1) -> list[list[ctc.Hypothesis]]:
        """Exact n-best: positions are independent, so rankings are merged position by position.

        No label is empty, so none is read.
        """
        log_probs = logits.float().log_softmax(dim=2)
        ends = log_probs[:, :, BLANK].tolist() if self.mixed else [None] * len(log_probs)
        log_probs[:, :, BLANK] = float("-inf")
        top, ids = log_probs.topk(min(n_best, log_probs.shape[2] - 1), dim=2)
        return [
            _merge(scores, classes, end, n_best)
            for scores, classes, end in zip(top.tolist(), ids.tolist(), ends, strict=True)
        ]


def _merge(
    scores: list[list[float]], classes: list[list[int]], ends: list[float] | None, n_best: int
) -> list[ctc.Hypothesis]:
    partial: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[tuple[float, tuple[int, ...]]] = []
    for place, (row, ids) in enumerate(zip(scores, classes, strict=True)):
        if ends is not None and place:
            # Of all labels that end here the best are the best beginnings.
            ended += ((total + ends[place], prefix) for total, prefix in partial)
        extended = (
            (total + score, (*prefix, symbol))
            for total, prefix in partial
            for score, symbol in zip(row, ids, strict=True)
        )
        partial = heapq.nlargest(n_best, extended, key=lambda pair: pair[0])
    if ended:
        partial = heapq.nlargest(n_best, [*partial, *ended], key=lambda pair: pair[0])
    return [ctc.Hypothesis(ids=ids, log_prob=total) for total, ids in partial]


def best_ids(log_probs: Tensor, mixed: bool) -> Tensor:
    """(N, L) classes of the most probable label of each image, 0 after its end.

    Args:
        log_probs: (N, L, K), of a PositionalRecogniser.
        mixed: whether labels may be shorter than L.
    """
    ids = log_probs[:, :, 1:].argmax(dim=2) + 1
    if not mixed or ids.shape[1] == 1:
        return ids
    spelt = log_probs[:, :, 1:].amax(dim=2).cumsum(dim=1)
    whole = torch.cat([spelt[:, :-1] + log_probs[:, 1:, BLANK], spelt[:, -1:]], dim=1)
    last = whole.argmax(dim=1, keepdim=True)
    return torch.where(torch.arange(ids.shape[1], device=ids.device) <= last, ids, BLANK)


def widened(targets: Tensor, length: int) -> Tensor:
    """(N, length) of targets with as many columns or fewer, filled up with 0."""
    return F.pad(targets, (0, length - targets.shape[1]))


def located_loss(columns: Tensor, places: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each position's symbol, read where the position looks.

    Text starts on the left, so a narrower image has the first columns of a wider one; that a label
    has ended counts there by the share of the position's place that is left.

    Args:
        columns: (N, K, S) scores, S at most T.
        places: (L, T) logarithms of where each position looks.
        targets: (N, L) class ids, padded with 0, or fewer columns of them.
    """
    targets, steps = widened(targets, len(places)), columns.shape[2]
    located = torch.einsum("nkt,lt->nkl", columns, places[:, :steps].softmax(dim=1))
    if steps == places.shape[1]:
        return F.cross_entropy(located, targets)
    left = places.detach().softmax(dim=1)[:, :steps].sum(dim=1)
    weights = torch.where(targets == BLANK, left, 1.0)
    losses = F.cross_entropy(located.float(), targets, reduction="none")
    return (losses * weights).sum() / weights.sum()


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
        return ctc_loss(logits, targets)

    def nll(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,) CTC's negative log of the sum over all alignments."""
        return ctc_nll(logits, targets)

    def read(self, logits: Tensor, n_best: int = 1) -> list[list[ctc.Hypothesis]]:
        """Prefix beam search at the configuration's beam width."""
        return ctc.beam_decode(_log_probs(logits), self.beam_width, n_best, self.length)

    def read_greedily(self, logits: Tensor) -> list[list[int]]:
        """The best path, collapsed."""
        return ctc.greedy_decode(_log_probs(logits))


def _log_probs(logits: Tensor) -> Tensor:
    # In float32 even under mixed precision: the sums over alignments need it.
    return logits.float().log_softmax(dim=2)


def ctc_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """(N,) nats per captcha of logits (T, N, K) under CTC."""
    return ctc.nll_per_captcha(_log_probs(logits), targets, (targets != BLANK).sum(dim=1))


def ctc_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Nats per character of logits (T, N, K) under CTC, mean over the batch.

    A label that T columns cannot spell teaches nothing and counts as 0: the odd one of a large set
    must not end a training.
    """
    lengths = (targets != BLANK).sum(dim=1)
    spelled = ctc.min_steps(targets, lengths) <= len(logits)
    nll = ctc.nll_per_captcha(_log_probs(logits), targets, lengths * spelled)
    return (nll.where(spelled, 0.0) / lengths).mean()


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
