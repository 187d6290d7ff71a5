"""Points to begin with: the best trials of an earlier run, or a configuration file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from captcha_models.architectures import config_class
from captcha_models.config import read_values
from captcha_models.errors import InputError
from search.store.leaderboard import leaderboard
from search.store.records import Records, read_run, whole
from search.tuning.plan import SpacePlan
from spaces.space import Space

TOP = 3
"""So many trials of an unconfirmed run are tried again."""


def warm_start(plans: Mapping[str, SpacePlan], sources: tuple[str, ...]) -> dict[str, SpacePlan]:
    """The plans with further known points in their spaces, and a note on each.

    Args:
        plans: by the name of the space.
        sources: run folders, of which the confirmed configuration or else the best trials count;
            TOML files or names of shipped configurations.

    Raises:
        InputError: a source cannot be read, or holds nothing for any of the spaces.
    """
    found = dict(plans)
    for source in sources:
        refusals, used = [], False
        for name, plan in plans.items():
            try:
                configs = _configs(source, plan.space)
            except InputError as error:
                refusals.append(error)
                continue
            for label, config in configs:
                found[name] = _with_point(found[name], label, config)
                used = True
        if not used:
            names = " or ".join(plans)
            nothing = f"--warm-start {source}: the run has no trial of {names} to begin with"
            raise refusals[0] if refusals else InputError(nothing)
    return found


def _configs(source: str, space: Space) -> list[tuple[str, dict[str, Any]]]:
    """Configurations of a source for one space, each with a name for the person.

    Raises:
        InputError: it cannot be read, or is for another architecture.
    """
    path = Path(source)
    confirmed = path / "confirmed" / f"{space.name}.toml"
    if not path.is_dir():
        return [(source, read_values(source, space.arch))]
    if confirmed.is_file():
        return [(str(confirmed), read_values(str(confirmed), space.arch))]
    records = read_run(path)
    with whole(path):
        rows = [row for row in leaderboard(records, _same(records, space)) if row["epochs"]]
        useful = [row for row in rows if row["state"] != "failed"][:TOP]
        return [(f"{source} {row['trial']}", row["config"]) for row in useful]


def _same(records: Records, space: Space) -> str:
    """The space of a run that is one's own by its name or, of another name, by architecture."""
    alike = (
        name
        for name, about in records.run["spaces"].items()
        if about["space"].get("arch", name) == space.arch
    )
    return space.name if space.name in records.run["spaces"] else next(alike, space.name)


def _with_point(plan: SpacePlan, label: str, config: Mapping[str, Any]) -> SpacePlan:
    """The plan with the configuration's nearest point, and a note on what was done."""
    space = plan.space
    given = config_class(space.arch).parse(config).model_dump()
    try:
        point = space.nearest(given)
    except ValueError as error:
        return _noted(plan, f"{label} is left out: {error}")
    tried = {**plan.base, **space.fixed, **point}
    changes = [
        f"{name} {value} -> {tried[name]}"
        for name, value in given.items()
        # The budget is the search's own, unless it varies; what does not appear has no effect.
        if tried[name] != value and (name in point or name not in ("epochs", *space.parameters))
    ]
    line = label + (f" with {', '.join(changes)}" if changes else "")
    first = [space.nearest({**plan.base, **known}) for known in (space.baseline, *space.known)]
    if point in first:
        return _noted(plan, f"{line} is among the first points already")
    return _noted(replace(plan, space=space.knowing(point)), line)


def _noted(plan: SpacePlan, line: str) -> SpacePlan:
    return replace(plan, notes=(*plan.notes, f"warm start: {line}"))
