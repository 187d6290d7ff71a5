"""What a model read on the validation images, image by image, and how wide its search had to be."""

from collections.abc import Sequence
from typing import Any

from captcha_models.architectures.base import Recogniser
from captcha_models.architectures.heads import CTCRecogniser
from captcha_models.training.metrics import Scores

BEAM_WIDTHS = (1, 2, 5, 10, 25)


def readings(model: Recogniser, scores: Scores, labels: Sequence[str]) -> dict[str, Any]:
    """Plain values, kept small: a search keeps them of every trial.

    Args:
        model: that was scored.
        scores: with what it put out.
        labels: N texts, of the images that were scored.

    Returns:
        `wrong`: what was read, by the image's position, where that is not its label;
        `confidences`: the model's probability of what it read, of each image; `nlls`: nats of each;
        `beams`: share of captchas read by beam width, `greedy` among them; a model that decodes
        exactly has that alone.
    """
    pairs = enumerate(zip(scores.predictions, labels, strict=True))
    return {
        "wrong": {str(i): read for i, (read, label) in pairs if read != label},
        "confidences": [round(value, 4) for value in scores.confidences],
        "nlls": [round(value, 5) for value in scores.nlls],
        "beams": {"greedy": scores.exact_match_greedy, **_by_width(model, scores, labels)},
    }


def _by_width(model: Recogniser, scores: Scores, labels: Sequence[str]) -> dict[str, float]:
    """Accuracy at each width, decoded from what the model put out: nothing is run again."""
    if not isinstance(model, CTCRecogniser):
        return {}
    own, found = model.beam_width, {}
    try:
        for width in sorted({*BEAM_WIDTHS, own}):
            model.beam_width = width
            read = [
                model.charset.decode(best[0].ids)
                for logits in scores.outputs
                for best in model.read(model.tempered(logits))
            ]
            right = sum(a == b for a, b in zip(read, labels, strict=True))
            found[str(width)] = right / len(labels)
    finally:
        model.beam_width = own
    return found
