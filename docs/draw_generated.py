"""Picture `docs/generated.png`: four images of each of the generator's presets."""

from pathlib import Path

import numpy as np
from PIL import Image

from captcha_models import generator as kaptcha
from captcha_models.data.images import squish

GAP = 6

rows = []
for style in kaptcha.PRESETS.values():
    images = squish(kaptcha.draw(style, kaptcha.labels(style, 3, 4), 3))[:, 0]
    rows.append(np.concatenate([np.pad(image, GAP, constant_values=255) for image in images], 1))
sheet = np.concatenate(rows)
Image.fromarray(sheet).save(Path(__file__).with_name("generated.png"), optimize=True)
