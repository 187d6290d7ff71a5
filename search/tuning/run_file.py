"""Description of a run in run.json, and the settings of a run that goes on."""

from typing import Any

from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from search.cluster.connection import Cluster
from search.store import provenance
from search.store.records import Records, now
from search.tuning.plan import SpacePlan, absolute, load_outside
from search.tuning.settings import FLAGS, Settings
from search.tuning.task import Data

AGAIN = (
    "trials", "time_budget_s", "gpus_per_trial", "cpus_per_trial", "max_concurrent", "log_to",
    "prices", "max_cost", "stall_s",
)  # fmt: skip
"""Settings that a resumed run may be given anew: how far and on what, never what is compared."""


def describe(
    settings: Settings, plans: dict[str, SpacePlan], data: Data, cluster: Cluster
) -> dict[str, Any]:
    """What run.json says of a new search."""
    split = data.split
    gpus = any(node.gpus for node in cluster.nodes)
    init = {"path": settings.init, "sha256": data.init.digest} if data.init else None
    return {
        **describe_list(settings, data.images),
        **({"init": init} if init else {}),
        "split": {
            "num_train": len(split.train),
            "num_valid": len(split.valid),
            "num_test": len(split.test),
            "fold": split.fold,
            "folds": split.folds,
            "seed": split.seed,
        },
        "hardware": {**provenance.hardware(gpus), "ray": cluster.description},
        "spaces": {
            name: {"space": plan.space.to_json(), "digest": plan.space.digest, "base": plan.base}
            for name, plan in plans.items()
        },
    }


def describe_list(settings: Settings, images: LabelledImages) -> dict[str, Any]:
    """What run.json says of any new run: settings, program and images."""
    return {
        "started": now(),
        "settings": settings.model_dump(mode="json"),
        "versions": provenance.versions(),
        "git_revision": provenance.git_revision(),
        "data": {
            "source": images.source,
            "digest": images.digest,
            "num_images": len(images),
            "num_skipped": images.num_skipped,
            "symbols": images.charset.symbols,
        },
        "spaces": {},
        "sessions": [],
    }


def continued(records: Records, changes: dict[str, Any]) -> Settings:
    """The settings of a run that goes on.

    Raises:
        InputError: one is given that differs and cannot change.
    """
    before = Settings.parse(records.run["settings"])
    after = Settings.parse({**records.run["settings"], **changes})
    for name in changes:
        old, new = (one.model_dump()[name] for one in (before, after))
        same = ("data", "labels", "columns", "corrections")
        if name in same or (name == "init" and old and new):
            continue  # Judged by the digest of what lies there.
        if name not in AGAIN and new != old:
            flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
            raise InputError(
                f"{flag} {new!r} contradicts the run, which was started with {old!r}: leave it "
                "out, or start a new run"
            )
    if not after.objective.computable:
        raise InputError(
            f"the run's objective {after.objective.name} is a function of the program that "
            "started it: resume it from there"
        )
    load_outside(after.model_dump())
    if after.trials < before.trials:
        raise InputError(f"--trials {after.trials}: the run has {before.trials}; it can only grow")
    init = absolute(after.init) if after.init else None
    return after.model_copy(update={"data": absolute(after.data), "init": init})
