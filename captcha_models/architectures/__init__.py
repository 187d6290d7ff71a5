"""Registry of the recognisers: the built-in ones, those of other packages, and one's own.

A file in this folder is a built-in one: `Model`, a `Recogniser`, and its `Config`, whose `arch` is
the file's name. Others come by an entry point of the group `captcha_search.architectures`, as
`module:NAME`, as `file.py:NAME`, or by `register`. `base.py` says what each owes.
fastai is imported where a model is built: it takes seconds.
"""

import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, cast

import torch

from captcha_models.architectures.base import Recogniser
from captcha_models.charset import Charset
from captcha_models.config import Config
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.outside import entry_names, load_object

GROUP = "captcha_search.architectures"
SHARED = {"base", "heads", "resnet", "xresnet"}
"""Modules of this folder that are no architecture."""


@dataclass(frozen=True)
class Architecture:
    """A recogniser that can be trained: its name, its settings' class and the model's class."""

    name: str
    config_class: type[Config]
    model_class: type[Recogniser]


_own: dict[str, Architecture] = {}


@cache
def built_in() -> tuple[str, ...]:
    """The architectures of this folder, sorted."""
    found = {module.name for module in pkgutil.iter_modules(__path__)}
    return tuple(sorted(found - SHARED))


def names() -> tuple[str, ...]:
    """All architectures that are known here by name: built-in ones, then the others."""
    return (*built_in(), *sorted({*_own, *entry_names(GROUP)} - {*built_in()}))


def resolve(ref: str) -> Architecture:
    """The architecture that a name, `module:NAME` or `file.py:NAME` means; known from then on.

    Raises:
        InputError: there is none, its code fails, or it is no architecture.
    """
    if ref in built_in():
        model = import_module(f"{__name__}.{ref}").Model
        return Architecture(ref, model.config_class, model)
    if ref in _own:
        return _own[ref]
    if ":" in ref or ref.endswith(".py") or ref in entry_names(GROUP):
        return register(load_object(ref, GROUP), ref)
    raise InputError(
        f"unknown architecture {ref!r}: choose one of {', '.join(names())}, or give your own as "
        "file.py:NAME or module:NAME"
    )


def register(model: type[Recogniser], where: str = "") -> Architecture:
    """Make an architecture of one's own known in this process, under its configuration's `arch`.

    Calling it again is no error; a class of the same name takes the place of the one before.

    Args:
        model: a Recogniser that can be built, with a `config_class`.
        where: what error messages call it.

    Raises:
        InputError: it is no such class, or has the name of a built-in architecture.
    """
    where = where or getattr(model, "__qualname__", repr(model))
    if not (isinstance(model, type) and issubclass(model, Recogniser)):
        raise InputError(
            f"{where} is no Recogniser: derive it from CTCRecogniser or PositionalRecogniser of "
            "captcha_models.architectures.heads"
        )
    if missing := sorted(getattr(model, "__abstractmethods__", ())):
        raise InputError(f"{where} cannot be built: it lacks {', '.join(missing)}")
    config: Any = getattr(model, "config_class", None)
    if not (isinstance(config, type) and issubclass(config, Config)):
        raise InputError(
            f"{where} has no Config: set config_class to a class derived from "
            "captcha_models.config.Config (a classifier: from heads.PositionalConfig)"
        )
    name = getattr(config, "arch", None)
    if not (isinstance(name, str) and name.isidentifier()):
        raise InputError(f'{where}: its Config needs a name of letters and digits: arch = "mine"')
    if name in built_in():
        known = resolve(name)
        if known.model_class is not model:
            raise InputError(f"{where}: arch = {name!r} is a built-in architecture's name")
        return known
    _own[name] = Architecture(name, config, model)
    return _own[name]


def config_class(arch: str) -> type[Config]:
    """The settings' class of an architecture; raises an InputError if it is not known."""
    return resolve(arch).config_class


def model_class(config: Config) -> type[Recogniser]:
    """The Recogniser that a configuration is for."""
    return resolve(config.arch).model_class


def check(config: Config, images: LabelledImages, split: Split) -> None:
    """Refuse a configuration that could not be trained on these images or never read them.

    Raises:
        InputError: naming the field or the label.
    """
    check_labels(config, images, split, grouped(images, model_class(config).any_width))


Group = tuple[Sequence[str], tuple[int, int]]
"""Labels, and the height and width of the images that carry them."""


def grouped(images: LabelledImages, any_width: bool) -> list[Group]:
    """All labels with the size of the widest image, then those of each narrower width.

    Without those of images that are too narrow for them: `LabelledImages.crowded`.

    Args:
        images: all images.
        any_width: whether a model sees an image at its own width; else all are filled up.
    """
    height, widest = images.size
    of_width: dict[int, list[str]] = {}
    labels = []
    for i, (label, width) in enumerate(zip(images.labels, images.widths.tolist(), strict=True)):
        if i in images.crowded:
            continue
        labels.append(label)
        if any_width and width < widest:
            of_width.setdefault(width, []).append(label)
    return [
        (labels, (height, widest)),
        *((of_width[width], (height, width)) for width in sorted(of_width)),
    ]


def check_labels(
    config: Config, images: LabelledImages, split: Split, groups: Sequence[Group]
) -> None:
    """Refuse a configuration that could not be trained on images with these labels.

    Args:
        config: to be trained.
        images: all images.
        split: of them.
        groups: from `grouped`, or the hardest labels of each of them.

    Raises:
        InputError: naming the field or the label.
    """
    from captcha_models.data.generated import most_of_a_batch
    from captcha_models.data.likeness import cannot_draw
    from captcha_models.data.printed_stream import cannot_print

    if len(split.train) < config.batch_size:
        raise InputError(
            f"batch_size = {config.batch_size}: there are only {len(split.train)} training images"
        )
    name = "synthetic_steps" if config.synthetic_steps else "synthetic_share"
    asked = getattr(config, name)
    captchas = not asked or cannot_draw(images, split, most_of_a_batch(config)) is None
    if not captchas and (reason := cannot_print(images, split)):
        raise InputError(f"{name} = {asked}: {reason}; set it to 0")
    model = model_class(config)
    for labels, size in groups:
        model.check(config, labels, size)
    for labels, size in groups if asked and captchas else ():
        # The longest way to spell a label that may be drawn; printed lines keep to the set's own.
        model.check(config, [images.charset.symbols[0] * max(map(len, labels))], size)


def build(
    config: Config,
    charset: Charset,
    max_length: int,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    *,
    mixed: bool = False,
    keep_aspect: bool = False,
) -> Recogniser:
    """A recogniser with fresh weights, drawn from torch's global generator.

    Args:
        config: its settings; they decide which architecture.
        charset: what it can read.
        max_length: L, the characters of the longest label.
        size: height and width of the images, in pixels; of the widest where they differ.
        mixed: labels may be shorter.
        keep_aspect: narrow images are filled up with paper on the right.
    """
    model: Recogniser = cast(Any, model_class(config))(config, charset, max_length, size)
    model.max_length, model.mixed, model.keep_aspect = max_length, mixed, keep_aspect
    # Convolutions run a quarter faster on channels that lie side by side.
    model.to(memory_format=torch.channels_last)
    return model
