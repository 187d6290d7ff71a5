"""What can be refused before a training; without fastai, so that a search plans at once."""

from captcha_models.architectures import model_class
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError


def check(config: Config, images: LabelledImages, split: Split) -> None:
    """Refuse a configuration that could not be trained on these images or never read them.

    Raises:
        InputError: naming the field or the label.
    """
    if len(split.train) < config.batch_size:
        raise InputError(
            f"batch_size = {config.batch_size}: there are only {len(split.train)} training images"
        )
    height, width = images.pixels.shape[2:]
    labels = list(images.labels)
    if config.synthetic_share or config.synthetic_steps or config.splice:
        # The longest way to spell a label that may be drawn, or put together from two.
        labels.append(images.charset.symbols[0] * max(map(len, images.labels)))
    model_class(config).check(config, labels, (height, width))
