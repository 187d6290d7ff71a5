"""Adaptation of a configuration to images that it cannot be trained on as it stands.

A shipped configuration was found on one set of images. On others a few fields have to change:
labels of mixed length, no generator for them, fewer images than a batch, too few steps of CTC.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from captcha_models.architectures import config_class
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.limits import Limits, in_short

GENERATED = ("synthetic_share", "synthetic_steps")
"""Fields that ask for generated images where they are not 0."""
DEPTH = 4
"""Fields that are changed together at most."""
NEAR = 8
"""How far a whole number is moved."""


def adapted(
    config: Config, images: LabelledImages, split: Split, keep: Collection[str] = ()
) -> tuple[Config, tuple[str, ...]]:
    """The configuration with as few fields changed as it takes to train it on these images.

    Args:
        config: as it stands.
        images: all images.
        split: of them.
        keep: fields that were asked for, which stay as they are.

    Returns:
        The configuration, and what was changed: `cut 6 -> 5 (why)`.

    Raises:
        InputError: nothing that may be changed helps.
    """
    limits = Limits(images, split)
    before = config.model_dump()
    values = dict(before)
    if "batch_size" not in keep:
        most = limits.largest_batch(config.batch_size)
        values["batch_size"] = min(config.batch_size, most)
    free = [name for name in GENERATED if values[name] and name not in keep]
    unserved = limits.no_generated(values["batch_size"]) if free else None
    if unserved:
        values |= dict.fromkeys(free, 0)
    found = repaired(
        values,
        {name: near(config, name) for name in changeable(config) if name not in keep},
        lambda tried: limits.refusal(config.arch, tried),
    )
    if found is None:
        raise InputError(str(limits.refusal(config.arch, values)))

    def why(name: str) -> str:
        if name == "batch_size":
            return f"{limits.num_train} training images"
        return in_short(limits.refusal(config.arch, {**found, name: before[name]}) or "")

    changed = [name for name in found if found[name] != before[name]]
    notes = [
        f"{name} {shown(before[name])} -> {shown(found[name])} ({why(name)})"
        for name in changed
        if name not in GENERATED
    ]
    if any(name in GENERATED for name in changed):
        notes.append(f"no generated images ({unserved or why(GENERATED[0])})")
    return config_class(config.arch).parse(found), tuple(notes)


def changeable(config: Config) -> list[str]:
    """Fields that may be changed to make a configuration fit, the first ones rather.

    Those of the architecture's own decide what it can read; generated images ask for the more.
    """
    own = [name for name in type(config).model_fields if name not in Config.model_fields]
    return [*own, *GENERATED]


def near(config: Config, name: str) -> list[Any]:
    """Other values of one field, the nearest first: switched over, whole numbers near it, none."""
    value = getattr(config, name)
    tried: list[Any] = []
    if isinstance(value, bool):
        tried = [not value]
    elif isinstance(value, int):
        tried = [value + step for far in range(1, NEAR + 1) for step in (-far, far)]
        tried = [0] if name in GENERATED else tried
    elif isinstance(value, float):
        tried = [0.0]
    return [one for one in tried if _is_allowed(config, name, one)]


def _is_allowed(config: Config, name: str, value: Any) -> bool:
    try:
        config.changed(**{name: value})
    except InputError:
        return False
    return True


def repaired(
    values: Mapping[str, Any],
    options: Mapping[str, Sequence[Any]],
    refusal: Callable[[Mapping[str, Any]], str | None],
) -> dict[str, Any] | None:
    """Values of which as few as possible are changed until nothing is refused any more.

    A change that leaves the refusal as it is has nothing to do with it and is not followed.

    Args:
        values: to begin with.
        options: other values of some of them; of equally many changes the first are taken.
        refusal: says what is wrong with values, None if nothing is.

    Returns:
        The values, None if no four changes help.
    """
    reason = refusal(values)
    level: list[tuple[dict[str, Any], str | None]] = [({}, reason)]
    seen = {reason}
    if reason is None:
        return dict(values)
    for _ in range(DEPTH):
        following: list[tuple[dict[str, Any], str | None]] = []
        for changes, before in level:
            for name, choice in ((n, c) for n, some in options.items() for c in some):
                if name in changes or choice == values[name]:
                    continue
                tried = {**changes, name: choice}
                reason = refusal({**values, **tried})
                if reason is None:
                    return {**values, **tried}
                if reason != before and reason not in seen:
                    seen.add(reason)
                    following.append((tried, reason))
        level = following
    return None


def shown(value: Any) -> str:
    """A value as a configuration file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
