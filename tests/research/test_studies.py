"""Studies find what is known: a wrong label, the place where symbols meet."""

from dataclasses import replace

import pytest
import torch

from captcha_models import generator as kaptcha
from research.label_check import draughtsman
from research.seam_error import meetings


@pytest.mark.parametrize(("text", "label"), [("cdcb3", "edcb3"), ("mxmw4", "mxnw4")])
def test_a_wrong_label_contradicts_its_pixels_and_a_right_one_does_not(
    text: str, label: str
) -> None:
    artist = draughtsman()
    for seed in range(3):
        image = kaptcha.draw(kaptcha.PRESETS["default"], [text], seed)[0, 0]
        right, wrong = artist.best(image, text), artist.best(image, label)
        # Only the curves' ink is beyond the text's, and none of the text's is lacking.
        assert right.lacking < 25
        assert right.cost < artist.rivals(image, right)[0].cost
        other = artist.rivals(image, wrong)[0]
        assert other.text == text
        assert other.cost < wrong.cost


def test_where_symbols_meet_there_is_little_ink() -> None:
    style = replace(kaptcha.load_style("default"), noise=0.0)
    texts = kaptcha.labels(style, 0, 64)
    met = meetings(style, texts, 0)
    assert met.shape == (64, 4)
    ink = torch.from_numpy(255 - kaptcha.draw(style, texts, 0)).float().std(dim=2)[:, 0]
    middles = (met[:, 1:] + met[:, :-1]) / 2
    at, between = (ink.gather(1, places.long()).mean() for places in (met, middles))
    assert at < 0.7 * between
