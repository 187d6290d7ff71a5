"""The recognisers, one file each; a file put into this folder is an architecture.

A file `NAME.py` gives `Config` (its settings, with `arch = "NAME"`) and `Model` (a `Recogniser`).
`base.py` says what each owes, `heads.py` holds the two loss families. fastai and torchvision
are imported where a model is built: they take seconds, and a Config is had without them.
"""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any, cast

import torch

from captcha_models.architectures.base import Recogniser
from captcha_models.charset import Charset
from captcha_models.config import Config
from captcha_models.data.images import HEIGHT, WIDTH
from captcha_models.errors import InputError

SHARED = {"base", "heads"}
"""Modules of this folder that are no architecture."""


@cache
def names() -> tuple[str, ...]:
    """The architectures found in this folder, sorted."""
    found = {module.name for module in pkgutil.iter_modules(__path__)}
    return tuple(sorted(found - SHARED))


def config_class(arch: str) -> type[Config]:
    """The settings of an architecture.

    Raises:
        InputError: no such architecture.
    """
    if arch not in names():
        raise InputError(f"unknown architecture {arch!r}: choose one of {', '.join(names())}")
    return cast(type[Config], import_module(f"{__name__}.{arch}").Config)


def model_class(config: Config) -> type[Recogniser]:
    """The Recogniser a configuration is for; the configuration's own class decides."""
    return cast(type[Recogniser], import_module(f"{__name__}.{config.arch}").Model)


def build(
    config: Config, charset: Charset, max_length: int, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> Recogniser:
    """A recogniser with fresh weights, drawn from torch's global generator.

    Args:
        config: its settings; their class decides which architecture.
        charset: what it can read.
        max_length: L, the characters of the longest label.
        size: height and width of the images, in pixels.
    """
    model: Recogniser = cast(Any, model_class(config))(config, charset, max_length, size)
    # Convolutions run a quarter faster on channels that lie side by side.
    model.to(memory_format=torch.channels_last)
    return model
