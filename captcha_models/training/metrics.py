"""Metrics of a recogniser: sums and counts over images, divided once."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from captcha_models.renamed import renamed

if TYPE_CHECKING:
    from torch import Tensor

OnStep = Callable[[int, int, int, int], None]
"""Called after each step with the epoch under way (from 1), the step (from 1), the steps that the
epoch has, and the images that a step trains on."""
GRID = tuple(2 ** (k / 2) for k in range(-2, 8))
"""Temperatures that models of several folds are compared at: 0.5 to 11.3, by steps of sqrt 2."""
IMPOSSIBLE = 100.0
"""Nats that count for a label which a model can never give, so that models are compared on all."""
SPREAD = 0.5
"""Standard deviation of log temperature before anything is known of it."""


def doubt(temperature: float) -> float:
    """Nats that a temperature costs for being unusual, beside those of the images it is fitted to.

    A hundred images that are all read say nothing against being ever surer, and the one that is
    misread next then costs a hundred nats: without this term a search's best trial was one with
    99.4 % read and 0.85 nats per captcha. It is the negative logarithm of a normal density.
    """
    return math.log(temperature) ** 2 / (2 * SPREAD**2)


@dataclass(frozen=True)
class Scores:
    """How well a recogniser reads a set of images, in eval mode and without augmentation.

    Attributes:
        num_images: images scored.
        loss: mean of the criterion as the source defines it (smoothed cross-entropy, or CTC per
            character).
        nll: mean of -ln p(label | image), nats per captcha, at the model's temperature; the same
            quantity for every architecture.
        nll_raw: the same at temperature 1.
        exact_match: share of images whose whole label is read, in [0, 1].
        exact_match_greedy: the same without beam search.
        cer: character error rate: edits that turn what was read into the label, all images' edits
            over all labels' characters; 0 is best, above 1 where more is read than there is.
        position_accuracy: share of characters right, position by position, of a recogniser that
            reads positions; not a number for others, of which one lost letter shifts all.
        predictions: what was read, in the order of the images.
        nlls: nats of each image, in the same order; not a number for those that are unreadable.
        num_unreadable: images whose label the model can never give: misread, in no mean of nats.
        confidences: the model's probability of each prediction, in [0, 1]; none without a search.
        outputs: what forward returned, batch by batch, so that it can be decoded otherwise; none
            without a search.
        order: which image each row of the outputs is, counted from 0.
    """

    num_images: int
    loss: float
    nll: float
    nll_raw: float
    exact_match: float
    exact_match_greedy: float
    cer: float
    position_accuracy: float
    predictions: tuple[str, ...]
    nlls: tuple[float, ...]
    num_unreadable: int = 0
    confidences: tuple[float, ...] = ()
    outputs: "tuple[Tensor, ...]" = field(default=(), repr=False, compare=False)
    order: tuple[int, ...] = field(default=(), repr=False, compare=False)

    def figures(self) -> dict[str, float | None]:
        """The figures over all images, ready for JSON: None for what is not a number."""
        names = ("exact_match", "exact_match_greedy", "cer", "position_accuracy", "nll", "nll_raw")
        return {name: _plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """What training reports after each epoch; its fields are the columns of the epochs table.

    Where nothing validates, what would need validation images is not a number.

    Attributes:
        epoch: finished epochs, from 1.
        images_seen: images trained on so far.
        lr: learning rate of the epoch's last step.
        train_loss: running mean of the training criterion, with augmentation, as fastai shows it.
        valid_loss: the source's criterion on the validation images.
        train_nll: nats per captcha on training images, as many as there are validation images,
            eval mode, no augmentation, at the model's temperature.
        valid_nll: nats per captcha on the validation images, the same way.
        gap: `valid_nll - train_nll`.
        train_nll_raw: `train_nll` at temperature 1.
        valid_nll_raw: `valid_nll` at temperature 1.
        temperature: of the model.
        valid_exact_match: at the trial's beam width, in [0, 1].
        valid_exact_match_greedy: without beam search.
        valid_cer: character error rate, see `Scores`; of a training older than it, not a number.
        valid_position_accuracy: in [0, 1]; of classifiers alone.
        images_per_s: training images per second of this epoch, evaluation left out.
        seconds: wall time since training began, evaluation counted, earlier sessions counted.
        device: where it ran.
    """

    epoch: int
    images_seen: int
    lr: float
    train_loss: float
    valid_loss: float
    train_nll: float
    valid_nll: float
    gap: float
    train_nll_raw: float
    valid_nll_raw: float
    temperature: float
    valid_exact_match: float
    valid_exact_match_greedy: float
    valid_position_accuracy: float
    images_per_s: float
    seconds: float
    device: str
    valid_cer: float = math.nan

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, which has no word for what is not a number: null."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `as_dict` made plain, in this version or another: fields it lacks are left out."""
        known = cls.__dataclass_fields__
        numbers: dict[str, Any] = {
            k: math.nan if v is None else v for k, v in renamed(values).items() if k in known
        }
        return cls(**numbers)


def _plain(value: Any) -> Any:
    return None if value != value else value


def edits(prediction: str, label: str) -> int:
    """Fewest characters to insert, delete or replace that turn one text into the other.

    Source: Levenshtein 1966, by the recurrence of Wagner and Fischer 1974, row by row.
    """
    if prediction == label:
        return 0
    row = list(range(len(label) + 1))
    for i, read in enumerate(prediction):
        corner, row[0] = i, i + 1
        for j, wanted in enumerate(label):
            best = min(corner + (read != wanted), row[j] + 1, row[j + 1] + 1)
            corner, row[j + 1] = row[j + 1], best
    return row[-1]


def char_matches(predictions: Sequence[str], labels: Sequence[str]) -> tuple[int, int]:
    """Characters right and characters counted, position by position.

    A captcha counts as many characters as the longer of prediction and label has, so that missing
    and surplus ones are both wrong.
    """
    right = total = 0
    for prediction, label in zip(predictions, labels, strict=True):
        right += sum(a == b for a, b in zip(prediction, label, strict=False))
        total += max(len(prediction), len(label))
    return right, total
