"""From what was typed to what will run: spaces with their pins, data, split; every check on input.

Nothing is written here, so that a refused input leaves nothing behind. What needs the
architectures, and so torch, imports them itself: it runs while Ray starts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import IntDistribution

import spaces
from captcha_models.data.sources import open_images
from captcha_models.data.splits import make_split
from captcha_models.errors import InputError
from search.tuning.settings import Settings
from search.tuning.task import Data
from spaces.space import Space

LEAST_EPOCHS = 3
"""The shortest cycle that a search for the cheapest configuration tries."""


@dataclass(frozen=True)
class SpacePlan:
    """One space as it will be searched.

    Attributes:
        space: what varies, pins taken out.
        base: every field of the Config, before a point is put over it; so a parameter that does
            not appear keeps its default.
        notes: what the person is told of the points to begin with.
    """

    space: Space
    base: dict[str, Any]
    notes: tuple[str, ...] = ()


def plan_spaces(settings: Settings) -> dict[str, SpacePlan]:
    """The spaces of a search with what `--set` fixes in them.

    A field that only some of the architectures have is set in those. Where the cost is a metric the
    length of the cycle varies too, and the known points are tried at half of it, which may be all
    they need, at a quarter, and whole.

    Raises:
        InputError: an unknown space or field, or a value out of range.
    """
    from captcha_models.architectures import config_class

    known: set[str] = set()
    plans = {}
    for name in settings.spaces:
        if name not in spaces.names():
            raise InputError(f"no space {name!r}: choose one of {', '.join(spaces.names())} or all")
        whole = spaces.load(name)
        fields = config_class(whole.arch)
        known |= fields.model_fields.keys()
        typed = {k: v for k, v in settings.fixed.items() if k in fields.model_fields}
        config = fields.parse({**typed, "epochs": settings.epochs})
        space = whole.pinned({k: getattr(config, k) for k in typed if k in whole.parameters})
        if settings.objective.cost:
            longest = settings.epochs
            least = min(LEAST_EPOCHS, longest)
            cycles = IntDistribution(least, longest, log=True)
            tried = [max(least, longest // 2), max(least, longest // 4), longest]
            space = space.widened("epochs", cycles, longest, list(dict.fromkeys(tried)))
        plans[space.name] = SpacePlan(space, config.model_dump())
    if "epochs" in settings.fixed:
        raise InputError("--set epochs: use --epochs")
    for name in settings.fixed:
        if name not in known:
            raise InputError(f"--set {name}: unknown; known are {', '.join(sorted(known))}")
    return plans


def load_data(settings: Settings) -> Data:
    """The images and their split.

    Raises:
        InputError: no such place, a wrong image, too few of them.
    """
    images = open_images(
        settings.data,
        skip_bad=settings.skip_bad,
        synthetic_seed=settings.synthetic_seed,
        synthetic_preset=settings.synthetic_preset,
    )
    return Data(images, make_split(images.names, fold=settings.fold, folds=settings.folds))


def check_baselines(plans: dict[str, SpacePlan], data: Data) -> None:
    """Refuse a search whose first trial could not even begin.

    Raises:
        InputError: names the field and the label.
    """
    from captcha_models.architectures import config_class
    from captcha_models.training.checks import check

    for plan in plans.values():
        start = plan.space.active({**plan.space.baseline, **plan.space.fixed})
        check(config_class(plan.space.arch).parse({**plan.base, **start}), data.images, data.split)


def absolute(spec: str) -> str:
    """The data's place, so that it is found again from another working directory."""
    kinds = ("auto", "download", "synthetic")
    return str(Path(spec).resolve()) if spec not in kinds and Path(spec).exists() else spec
