"""Plans of a search: its spaces with what is fixed in them, data and split; every check on input.

Nothing is written here, so that a refused input leaves nothing behind. What needs the
architectures, and so torch, imports them itself: it runs while Ray starts.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import IntDistribution

import spaces
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.sources import open_images
from captcha_models.data.splits import make_split
from captcha_models.errors import InputError
from search.store.records import Records
from search.tuning.ranges import is_range, read_field, read_range
from search.tuning.settings import IN_MEMORY, Settings
from search.tuning.task import Data
from spaces.ranges import Value, ends, nearest_value
from spaces.space import Space

LEAST_EPOCHS = 3
"""The shortest cycle that a search for the cheapest configuration tries."""


@dataclass(frozen=True)
class SpacePlan:
    """One space as it will be searched.

    Attributes:
        space: what varies, fixed parameters taken out.
        base: every field of the Config, before a point is put over it; so a parameter that does
            not appear keeps its default.
        notes: lines to be printed about the points to begin with.
        typed: fields that the person set: they are not changed to suit the images.
    """

    space: Space
    base: dict[str, Any]
    notes: tuple[str, ...] = ()
    typed: frozenset[str] = frozenset()


def plan_spaces(settings: Settings, given: Sequence[Space] = ()) -> dict[str, SpacePlan]:
    """The spaces of a search with what `--set` changes in them, by their names.

    A field that only some of the architectures have is set in those. Where the cost is a metric the
    length of the cycle varies too, and the known points are tried at half of it, which may be all
    they need, at a quarter, and whole.

    Args:
        settings: of the search.
        given: the spaces themselves, in place of those that `settings.spaces` refers to.

    Raises:
        InputError: an unknown space or field, a value out of range, or a space that contradicts
            its architecture.
    """
    from captcha_models.architectures import config_class

    if "epochs" in settings.fixed:
        raise InputError("--set epochs: use --epochs")
    load_outside({"architectures": settings.architectures, "spaces": ()})
    known: set[str] = set()
    plans: dict[str, SpacePlan] = {}
    for whole in given or load_spaces(settings.spaces):
        if whole.name in plans:
            raise InputError(f"two spaces are named {whole.name}: give one of them another name")
        try:
            fields = config_class(whole.arch)
        except InputError as error:
            raise InputError(f"space {whole.name}: {error}; or give it with --arch") from None
        check_space(whole, fields)
        known |= fields.model_fields.keys()
        typed = {k: v for k, v in settings.fixed.items() if k in fields.model_fields}
        single = {k: v for k, v in typed.items() if not is_range(v)}
        config = fields.parse({**single, "epochs": settings.epochs})
        space, notes = _changed(whole, typed, fields, config)
        if settings.objective.cost:
            longest = settings.epochs
            least = min(LEAST_EPOCHS, longest)
            cycles = IntDistribution(least, longest, log=True)
            tried = [max(least, longest // 2), max(least, longest // 4), longest]
            space = space.widened("epochs", cycles, longest, list(dict.fromkeys(tried)))
        plans[space.name] = SpacePlan(space, config.model_dump(), notes, frozenset(typed))
    for name in settings.fixed:
        if name not in known:
            raise InputError(f"--set {name}: unknown; known are {', '.join(sorted(known))}")
    return plans


def _changed(
    space: Space, typed: Mapping[str, str], fields: type[Config], config: Config
) -> tuple[Space, tuple[str, ...]]:
    """The space with what was typed, and a note on the starting points that it moved.

    Args:
        space: as it was found.
        typed: values, ranges and choices by the name of the field.
        fields: of the architecture.
        config: with the values.
    """
    ranges = {
        name: read_range(fields, name, text, space.parameters.get(name))
        for name, text in typed.items()
        if is_range(text)
    }
    for name, among in ranges.items():
        if name not in space.parameters:
            default: Value = space.fixed.get(name, getattr(config, name))
            space = space.widened(name, among, default, [nearest_value(name, among, default)])
    known = {*space.parameters, *space.fixed}
    fixed = {k: getattr(config, k) for k in typed if k in known and k not in ranges}
    found = space.changed({**fixed, **ranges})
    moves = {
        f"{name} {point[name]} -> {value}": None
        for name, among in ranges.items()
        for point in (space.baseline, *space.known)
        if name in point and (value := nearest_value(name, among, point[name])) != point[name]
    }
    notes = [f"moved to the nearest allowed: {', '.join(moves)}"] if moves else []
    if gone := len(space.known) - len(found.known):
        notes.append(f"{gone} left out for being equal to another")
    return found, (f"starting points of space {space.name}: {'; '.join(notes)}",) if notes else ()


def load_outside(settings: Mapping[str, Any]) -> None:
    """Make the architectures known that a run took from outside.

    Args:
        settings: of the run. A space's file may make its architecture known, too; where it is gone
            the space itself is still in the records.

    Raises:
        InputError: there is no such architecture, or it lacks what it needs.
    """
    if settings.get("architectures"):
        from captcha_models.architectures import resolve

        for ref in settings["architectures"]:
            resolve(ref)
    for ref in settings["spaces"]:
        if ":" in ref:
            with suppress(ValueError):
                spaces.load(ref)


def load_spaces(refs: Sequence[str]) -> list[Space]:
    """The spaces that were asked for.

    Raises:
        InputError: there is no such space.
    """
    try:
        return [spaces.load(ref) for ref in refs]
    except ValueError as error:
        raise InputError(str(error)) from None


def check_space(space: Space, fields: type[Config]) -> None:
    """Refuse a space with a parameter or a value that its architecture's Config does not take.

    Raises:
        InputError: names the parameter, the value and what is allowed.
    """
    for name, among in space.parameters.items():
        if name not in fields.model_fields:
            known = ", ".join(fields.model_fields)
            raise InputError(f"space {space.name}: {space.arch} has no {name!r}; it has {known}")
        if name == "epochs":
            raise InputError(f"space {space.name}: epochs is set by --epochs: leave it out")
        for value in ends(among):
            try:
                found = read_field(fields, name, value)
            except ValueError as error:
                raise InputError(f"space {space.name}: {error}") from None
            if type(found) is not type(value):
                kind = type(found).__name__
                raise InputError(f"space {space.name}: {name} = {value!r}: must be of type {kind}")
    for point in (space.baseline, *space.known):
        try:
            fields.parse(space.start(point))
        except InputError as error:
            raise InputError(f"space {space.name}: {error}") from None


def load_data(settings: Settings, images: LabelledImages | None = None) -> Data:
    """The images and their split.

    Args:
        settings: of the search.
        images: in the place of those that the settings name.

    Raises:
        InputError: no such place, a wrong image, too few of them.
    """
    if images is None and settings.data == IN_MEMORY:
        raise InputError(
            "the images of this run were given as an object: give the same ones again, or with "
            "--data a folder or zip of them"
        )
    images = images or open_images(settings.data, **settings.image_options())
    split = make_split(images.units, images.parts, fold=settings.fold, folds=settings.folds)
    return Data(images, split)


def load_again(
    records: Records, place: str | None = None, images: LabelledImages | None = None
) -> LabelledImages:
    """The images of a run.

    Args:
        records: of the run.
        place: where they are now; by default where the run had them.
        images: in the place of those; they are not loaded.

    Raises:
        InputError: no such place, or other images than the run's.
    """
    given = {"data": place} if place else {}
    images = images or load_data(Settings.parse({**records.run["settings"], **given})).images
    before = records.run["data"]["digest"]
    if images.digest != before:
        raise InputError(
            f"the images ({images.describe()}) differ from those of {records.path} (digest "
            f"{images.digest[:12]}, not {before[:12]}): give the same ones with --data"
        )
    return images


def no_captchas(data: Data) -> str | None:
    """Why trials cannot be given captchas of the generator beside these; None if they can."""
    from captcha_models.data.likeness import no_captchas as reason

    return reason(data.images, data.split)


def generated(plans: Mapping[str, SpacePlan], data: Data) -> tuple[str, ...]:
    """A line for the person on what is generated, where a space may generate anything."""
    from captcha_models.adapt import GENERATED
    from captcha_models.data.generated import remark

    def may(plan: SpacePlan) -> bool:
        return any(
            name in plan.space.parameters or {**plan.base, **plan.space.fixed}.get(name)
            for name in GENERATED
        )

    return remark(data.images, data.split) if any(map(may, plans.values())) else ()


def check_baselines(plans: dict[str, SpacePlan], data: Data) -> None:
    """Refuse a search whose first trial could not even begin.

    Raises:
        InputError: names the field and the label.
    """
    from captcha_models.architectures import check, config_class

    for plan in plans.values():
        start = plan.space.start(plan.space.baseline)
        check(config_class(plan.space.arch).parse({**plan.base, **start}), data.images, data.split)


def absolute(spec: str) -> str:
    """The data's place, so that it is found again from another working directory."""
    kinds = ("auto", "download", "synthetic")
    return str(Path(spec).resolve()) if spec not in kinds and Path(spec).exists() else spec
