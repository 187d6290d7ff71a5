"""The data set's own generator: unlimited labelled images, the same bytes on every machine.

    style = PRESETS["default"]
    texts = labels(style, seed=0, n=1000)
    images = draw(style, texts, seed=0)  # uint8 (1000, 1, 50, 200)

An own implementation of the default look of Kaptcha, a Java library: text, two displacement fields
that never change, two noise curves, a gradient. `device` draws whole batches on an accelerator.
"""

from captcha_models.generator.render import draw
from captcha_models.generator.style import PRESETS, Style, labels, load_style

__all__ = ["PRESETS", "Style", "draw", "labels", "load_style"]
