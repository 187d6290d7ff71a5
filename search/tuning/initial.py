"""Model that every trial of a search starts from: read, and found again where a run goes on."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.errors import InputError

if TYPE_CHECKING:
    from captcha_models.training.initial import Initial
    from search.tuning.plan import SpacePlan
    from search.tuning.task import Data


KEPT = "init.safetensors"
"""The model in the run folder: where it came from, such as another run's best, may change."""


def load_init(
    settings: Mapping[str, Any],
    recorded: Mapping[str, Any] | None = None,
    run: Path | None = None,
) -> "Initial | None":
    """The model that every trial starts from, if there is one.

    Args:
        settings: of the search.
        recorded: `init` of run.json, of a run that goes on.
        run: the folder of that run; its own copy is read unless another place was given.

    Raises:
        InputError: no such model, or another one than the run was started with.
    """
    place = settings.get("init")
    if not place:
        return None
    from captcha_models.training.initial import read_initial

    if run and recorded and place == recorded["path"] and (run / KEPT).is_file():
        place = run / KEPT
    found = read_initial(place)
    if recorded and found.digest != recorded["sha256"]:
        raise InputError(
            f"--init {place} is another model than the run was started with (sha256 "
            f"{found.digest[:12]}, not {recorded['sha256'][:12]}, then at {recorded['path']}): "
            "give the same file"
        )
    return found


def keep_init(init: "Initial | None", run: Path) -> None:
    """Put the model into the folder of a new run."""
    if init is not None:
        from captcha_models.training.checkpoint import write_whole

        data = init.file.read_bytes()
        if hashlib.sha256(data).hexdigest() == init.digest:  # Else it has just changed.
            write_whole(run / KEPT, data)


def check_init(plans: "Mapping[str, SpacePlan]", data: "Data") -> list[str]:
    """Lines that say what each space's baseline takes of the model that trials start from.

    Raises:
        InputError: a space's architecture has nothing to start from there.
    """
    if data.init is None:
        return []
    from captcha_models.architectures import config_class

    told: dict[str, None] = {}
    for plan in plans.values():
        start = plan.space.start(plan.space.baseline)
        config = config_class(plan.space.arch).parse({**plan.base, **start})
        told[data.init.describe(config, data.images)] = None
    if warning := data.init.judged(data.images, data.split):
        told[warning] = None
    return list(told)
