"""Fitting of a search's spaces to its images: what cannot be trained on them is cut before it runs.

Fields that all architectures share have rules of their own here. Of an architecture's own fields
only its `check` knows what they mean, so that each value is tried on the images' hardest labels;
ones from outside are fitted in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)

from captcha_models.adapt import GENERATED, changeable, near, repaired, shown
from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.limits import Limits, in_short
from search.tuning.plan import SpacePlan
from spaces.chance import Uniform
from spaces.ranges import Value, around, ends, only, values_of
from spaces.space import Space

TRIED = 200
"""Random points of a fitted space that are checked, for what two values refuse only together."""


def fit_plans(
    plans: Mapping[str, SpacePlan], images: LabelledImages, split: Split
) -> tuple[dict[str, SpacePlan], tuple[str, ...]]:
    """The plans with their spaces fitted; of several, those that cannot be are left out.

    Args:
        plans: by the name of the space, at least one.
        images: all images.
        split: of them.

    Returns:
        The plans, and a line on each that was left out.

    Raises:
        InputError: none is left, or a value that was typed cannot be trained.
    """
    limits = Limits(images, split)
    found: dict[str, SpacePlan] = {}
    refusals: dict[str, InputError] = {}
    for name, plan in plans.items():
        try:
            found[name] = fitted(plan, limits)
        except InputError as error:
            if _is_typed(str(error), plan.typed):
                raise
            refusals[name] = error
    if not found:
        raise next(iter(refusals.values()))
    return found, tuple(f"space {name} is left out: {why}" for name, why in refusals.items())


def fitted(plan: SpacePlan, limits: Limits) -> SpacePlan:
    """A plan whose space holds nothing that cannot be trained, with a note on what was cut.

    Typed values and what the space itself has fixed are kept. A plan that needs no cut is returned
    as it is.

    Args:
        plan: of a space.
        limits: of the images.

    Raises:
        InputError: nothing is left of it, or a value that was typed cannot be trained; says why.
    """
    fit = _Fit(plan.space, dict(plan.base), plan.typed, limits)
    fit.leave_generated()
    fit.cut_batches()
    safe = fit.safe_point()
    fit.cut_values(safe)
    fit.cut_pairs(safe)
    if not fit.told:
        return plan
    line = f"space {plan.space.name}: fitted to these images: {', '.join(fit.told.values())}"
    gone = len(plan.space.known) - len(fit.space.known)
    merged = f"; {gone} of its starting points left out for being equal to another" if gone else ""
    return replace(plan, space=fit.space, base=fit.base, notes=(*plan.notes, line + merged))


@dataclass
class _Fit:
    """A space while it is cut.

    Attributes:
        space: as it is by now.
        base: fields of the Config before a point is put over them, as they are by now.
        typed: fields that the person set.
        limits: of the images.
        told: what was cut, by field.
    """

    space: Space
    base: dict[str, Any]
    typed: frozenset[str]
    limits: Limits
    told: dict[str, str] = field(default_factory=dict)

    def refusal(self, values: Mapping[str, Any]) -> str | None:
        """Why these values, over the base, cannot be trained; None if they can."""
        return self.limits.refusal(self.space.arch, {**self.base, **self.space.fixed, **values})

    def free(self, name: str) -> bool:
        """Whether a field of the base may be changed."""
        return name not in (*self.typed, *self.space.parameters, *self.space.fixed)

    def cut(self, name: str, among: Value | BaseDistribution, why: str) -> None:
        """Put a value or a distribution in the place of a parameter's own, and tell it."""
        if isinstance(among, BaseDistribution) and among.single():
            among = ends(among)[0]
        self.space = self.space.changed({name: among})
        self.told[name] = f"{name} {shown_range(among)} ({why})"

    def leave_generated(self) -> None:
        """Fix the dimensions of the generator at 0 where it cannot serve."""
        space = self.space
        names = [
            name
            for name in GENERATED
            if name in space.parameters or (self.free(name) and self.base[name])
        ]
        reason = self.limits.no_generated(self._most_drawn()) if names else None
        if reason is None:
            return
        for name in names:
            if name not in self.typed:
                if name in space.parameters:
                    whole = isinstance(space.parameters[name], IntDistribution)
                    self.space = self.space.changed({name: 0 if whole else 0.0})
                else:
                    self.base[name] = type(self.base[name])(0)
                self.told[GENERATED[0]] = f"no generated images ({reason})"

    def _most_drawn(self) -> int:
        """Generated images of one batch, at most."""
        among = self.space.parameters.get("batch_size")
        values = ends(among) if among else (self.base["batch_size"],)
        numbers = [value for value in values if isinstance(value, int)]
        return min(max(numbers), self.limits.largest_batch(min(numbers)))

    def cut_batches(self) -> None:
        """Leave no batch that is larger than suits the images."""
        why = f"{self.limits.num_train} training images"
        among = self.space.parameters.get("batch_size")
        if among is None:
            if self.free("batch_size"):
                most = self.limits.largest_batch(before := self.base["batch_size"])
                if most < before:
                    self.base["batch_size"] = most
                    self.told["batch_size"] = f"batch_size {before} -> {most} ({why})"
            return
        values = [value for value in values_of(among) if isinstance(value, int)]
        least = min(values)
        typed = "batch_size" in self.typed
        most = self.limits.num_train if typed else self.limits.largest_batch(least)
        kept = [value for value in values if value <= most]
        if typed and not kept:
            raise InputError(str(self.refusal({"batch_size": least})))
        if len(kept) < len(values):
            self.cut("batch_size", only(among, kept) if kept else most, why)

    def safe_point(self) -> dict[str, Any]:
        """Every field of a configuration that can be trained, as near the baseline as may be.

        It is as ambitious as the space allows. Fields of the base that stand against it are
        changed.

        Raises:
            InputError: there is none; says what stands against the baseline.
        """
        space = self.space
        values = {**self.base, **space.fixed, **space.baseline}
        for name in GENERATED:
            if name in space.parameters:
                values[name] = ends(space.parameters[name])[-1]
        config = config_class(space.arch).parse({**self.base, **space.start(space.baseline)})
        order = [
            *changeable(config),
            *(n for n in space.parameters if n in type(config).model_fields),
        ]
        options: dict[str, Sequence[Any]] = {}
        for name in dict.fromkeys(order):
            if name in space.parameters:
                options[name] = _by_distance(values_of(space.parameters[name]), values[name])
            elif self.free(name):
                options[name] = near(config, name)
        found = repaired(values, options, self.refusal)
        for start in (space.baseline, *space.known, *self._random_points()) if not found else ():
            tried = {**self.base, **space.baseline, **space.start(start)}
            found = found or (None if self.refusal(tried) else tried)
        if found is None:
            others = [{**values, name: one} for name, some in options.items() for one in some]
            reason = self.limits.nearest_refusal(space.arch, [values, *others])
            if _is_typed(reason, self.typed):
                raise InputError(reason)
            raise InputError(
                f"space {space.name} cannot be fitted to these images: {in_short(reason)}; nothing "
                "that it varies helps" + ": is that label right?" * ("but label" in reason)
            )
        for name, value in found.items():
            if self.free(name) and value != (before := self.base[name]):
                why = in_short(self.refusal({**found, name: before}) or "")
                self.told[name] = f"{name} {shown(before)} -> {shown(value)} ({why})"
                self.base[name] = value
        return found

    def cut_values(self, safe: Mapping[str, Any]) -> None:
        """Leave no value of a parameter that is refused while all others are safe."""
        for name, among in list(self.space.parameters.items()):
            reasons = {value: self.refusal({**safe, name: value}) for value in values_of(among)}
            kept = [value for value, reason in reasons.items() if reason is None]
            if len(kept) < len(reasons):
                lost = [reason for reason in reasons.values() if reason]
                self.cut(name, around(among, kept, safe[name]), in_short(lost[0]))

    def cut_pairs(self, safe: Mapping[str, Any]) -> None:
        """Drop values until no random point is refused, and none of the starting points."""
        points = self._points()
        while points:
            point = points.pop()
            values = {**safe, **point}
            if (reason := self.refusal(values)) is None:
                continue
            own = [n for n in point if n not in self.space.fixed and point[n] != safe[n]]
            own.sort(key=lambda n: n in GENERATED)
            # The first that helps alone; if none does, the one with which all of them do.
            alone = [n for n in own if self.refusal({**values, n: safe[n]}) is None]
            name = alone[0] if alone else self._last(values, safe, own)
            among = self.space.parameters[name]
            every = values_of(among)
            kept = [value for value in every if value != point[name]]
            left = around(among, kept, safe[name]) if len(kept) < len(every) else safe[name]
            self.cut(name, left, in_short(reason))
            points = self._points()

    def _last(self, values: dict[str, Any], safe: Mapping[str, Any], names: Sequence[str]) -> str:
        for name in names:
            values = {**values, name: safe[name]}
            if self.refusal(values) is None:
                return name
        raise AssertionError("the safe point is refused")

    def _points(self) -> list[dict[str, Value]]:
        starts = [self.space.start(point) for point in (self.space.baseline, *self.space.known)]
        return [*self._random_points(), *starts]

    def _random_points(self) -> list[dict[str, Value]]:
        chance = Uniform(0)
        return [self.space.suggest(chance) for _ in range(TRIED)]


def _is_typed(reason: str, typed: frozenset[str]) -> bool:
    """Whether a refusal names a field that the person set."""
    return any(reason.startswith(f"{name} = ") for name in typed)


def _by_distance(values: Sequence[Value], start: Any) -> list[Value]:
    """The values, numbers near the start first."""
    if isinstance(start, bool | str):
        return list(values)
    return sorted(values, key=lambda v: abs(v - start) if isinstance(v, int | float) else 0.0)


def shown_range(among: Value | BaseDistribution) -> str:
    """A value, a range or choices as `--set` has them."""
    if not isinstance(among, BaseDistribution):
        return shown(among)
    choices = isinstance(among, CategoricalDistribution)
    return (", " if choices else "..").join(map(shown, ends(among)))
