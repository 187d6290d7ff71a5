"""One sitting of a search: check everything, connect, search each space, say how it went.

A run may take several sittings; each begins where the records end.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from captcha_models.cli import ALL_FAILED, INTERRUPTED, OK
from captcha_models.errors import InputError
from captcha_models.secrets import HIDDEN
from search.cluster.connection import Cluster, Share, connect, knock, share
from search.cluster.gpu_sharing import probe
from search.store import provenance
from search.store.disk_full import writing
from search.store.leaderboard import counts
from search.store.records import RUN_FILE, Records, RunFolder, now, read_run, whole
from search.store.storage import Storage
from search.store.sync import fetch, is_kept
from search.tuning.loggers import check_trackers
from search.tuning.monitor import Watch
from search.tuning.plan import SpacePlan, absolute, check_baselines, load_data, plan_spaces
from search.tuning.progress import Progress
from search.tuning.settings import FULL, Settings
from search.tuning.space_run import SpaceRun
from search.tuning.stopping import Control
from search.tuning.task import Data, Objective, train
from spaces.space import Space

AGAIN = (
    "trials", "time_budget_s", "gpus_per_trial", "cpus_per_trial", "max_concurrent", "log_to",
    "prices", "max_cost", "stall_s",
)  # fmt: skip
"""Settings that a resumed run may be given anew: how far and on what, never what is compared."""


@dataclass
class Sitting:
    """What a sitting is given, and how it ends.

    Attributes:
        place: the run folder.
        say: prints one line.
        address: of Ray; see `cluster.connect`.
        storage: where a run is kept besides its folder; see search/store/storage.py. None is
            the folder itself.
        num_cpus: of a private local Ray; None is all.
        objective: what a trial is.
        records: what the run folder says, once there is one.
    """

    place: Path
    say: Callable[[str], None]
    address: str | None = None
    storage: str | None = None
    num_cpus: int | None = None
    objective: Objective = train
    records: Records | None = None
    control: Control = field(default_factory=Control)

    def begin(self, settings: Settings) -> int:
        """Start a new run; the exit code.

        Raises:
            InputError: something given is wrong; nothing has been written.
        """
        check_trackers(settings.log_to)
        settings = settings.model_copy(update={"data": absolute(settings.data)})
        if (store := self._store()) and is_kept(store):
            raise InputError(
                f"{store.place} holds a run of that name: choose another --name, or go on with it: "
                f"--resume --name {self.place.name}"
            )
        knock(self.address)  # Before the seconds that torch and the images take.
        with (
            self._guarded(),
            _preparing(settings) as preparing,
            connect(self.address, num_cpus=self.num_cpus) as cluster,
        ):
            if any(node.gpus for node in cluster.machines):
                settings = settings.grown()
            share(cluster, settings)  # Refuses what cannot be before anything is waited for.
            _, data = preparing.result()
            plans = _plan(settings)  # Again: with GPUs the epochs may be others.
            self._tell_data(data)
            self._look_first(cluster, settings, Storage(self.storage or str(self.place.parent)))
            settings = self._packed(cluster, settings, plans)
            each = share(cluster, settings)
            self._tell_share(cluster, settings, each)
            for note in [line for plan in plans.values() for line in plan.notes]:
                self.say(note)
            run = _describe(settings, plans, data, cluster)
            if store:
                run["storage"] = store.place
            with RunFolder.create(self.place, run, store) as folder:
                self._search(folder, settings, plans, data, each)
        return self._exit_code()

    def resume(self, changes: dict[str, Any]) -> int:
        """Go on with a run; the exit code.

        Args:
            changes: settings that were given this time.

        Raises:
            InputError: no such run, another search is writing it, a setting or the data differ
                from what the run was started with.
        """
        knock(self.address)
        if not self.place.exists() and (store := self._store()):
            fetch(store, self.place)
        kept = read_run(self.place).run.get("storage")
        if kept and HIDDEN in kept:
            # Passwords are not recorded.
            if (store := self._store()) is None:
                raise InputError(f"the run is kept in {kept}: give --storage with its keys again")
            kept = store.place
        with self._guarded(), RunFolder.open(self.place, Storage(kept) if kept else None) as folder:
            self.records = folder.records
            with whole(self.place):
                settings = _continued(folder.records, changes)
                plans = {
                    name: SpacePlan(Space.from_json(saved["space"]), saved["base"])
                    for name, saved in folder.records.run["spaces"].items()
                }
                before = folder.records.run["data"]["digest"]
            check_trackers(settings.log_to)
            data = load_data(settings)
            self._tell_data(data)
            found = data.images.digest
            if found != before:
                raise InputError(
                    f"the images differ from those {self.place} was started with "
                    f"(digest {found[:12]}, not {before[:12]}): give the same --data"
                )
            with connect(self.address, num_cpus=self.num_cpus) as cluster:
                self._look_first(cluster, settings, folder.store)
                settings = self._packed(cluster, settings, plans)
                each = share(cluster, settings)
                self._tell_share(cluster, settings, each)
                folder.update_run(settings=settings.model_dump(mode="json"))
                self._search(folder, settings, plans, data, each)
        return self._exit_code()

    def _tell_data(self, data: Data) -> None:
        split, images = data.split, data.images
        self.say(images.describe())
        self.say(
            f"split: {len(split.train)} train, {len(split.valid)} valid (fold {split.fold} of "
            f"{split.folds}), {len(split.test)} in the locked test set"
        )

    def _look_first(self, cluster: Cluster, settings: Settings, store: Storage) -> None:
        """Refuse a cluster whose machines cannot do what the driver will ask of them."""
        if not cluster.private:
            from search.cluster.preflight import preflight

            preflight(cluster, share(cluster, settings), store, self.say)

    def _store(self) -> Storage | None:
        """Where the run is kept besides its folder, if it is."""
        store = Storage(self.storage).child(self.place.name) if self.storage else None
        return None if store and store.place == str(self.place.resolve()) else store

    def _packed(
        self, cluster: Cluster, settings: Settings, plans: dict[str, SpacePlan]
    ) -> Settings:
        """The settings with a share of a GPU measured, if `auto` asks for it."""
        if settings.gpus_per_trial != "auto":
            return settings
        gpus = 0.0
        if any(node.gpus >= 1 for node in cluster.machines):
            import ray

            self.say("packing: measuring how many trials share a GPU best (some minutes)")
            plan = next(iter(plans.values()))
            config = {**plan.base, **plan.space.active({**plan.space.baseline, **plan.space.fixed})}
            # A process for this alone: one that has seen a GPU keeps it.
            measuring = ray.remote(num_gpus=1, max_calls=1)(probe)
            gpus = ray.get(measuring.remote(plan.space.arch, config))
        return settings.model_copy(update={"gpus_per_trial": gpus})

    def _tell_share(self, cluster: Cluster, settings: Settings, each: Share) -> None:
        gpus = f" and {each.gpus:g} GPU" if each.gpus else ""
        self.say(
            f"ray: {cluster.description}; {each.concurrent} trial(s) at a time, each with "
            f"{each.cpus} CPU(s){gpus}"
        )
        chosen = [f"--{name}" for name in FULL if name not in settings.model_fields_set]
        default = f" (defaults; change them with {' and '.join(chosen)})" if chosen else ""
        most = f"{'up to ' if settings.objective.cost else ''}{settings.epochs} epochs"
        self.say(f"budget: {settings.trials} trials of {most} a space{default}")

    def _search(
        self,
        folder: RunFolder,
        settings: Settings,
        plans: dict[str, SpacePlan],
        data: Any,
        each: Share,
    ) -> None:
        from search.tuning.tuner import search_space

        self.records = folder.records
        self.say(f"run: {folder.path}")
        sittings = [
            *folder.records.run["sittings"],
            {"started": now(), "command": provenance.command()},
        ]
        folder.update_run(sittings=sittings)
        watch = self.control.watch = Watch(
            settings.prices, settings.max_cost, settings.stall_s, each, self.say,
            spent=sum(sitting.get("cost", 0.0) for sitting in sittings),
        )  # fmt: skip
        before = watch.spent
        budget = settings.time_budget_s
        ends = None if budget is None else time.monotonic() + budget
        try:
            with Progress(
                folder.records, settings.trials, settings.epochs, control=self.control, ends=ends
            ) as progress:
                for left, plan in zip(range(len(plans), 0, -1), plans.values(), strict=True):
                    # What one space leaves of its part goes to those after it.
                    part = None if ends is None else max(0.0, ends - time.monotonic()) / left
                    self.control.start_budget(part)
                    run = SpaceRun(folder, plan.space, settings, plan.base)
                    search_space(run, data, each, self.control, progress, self.objective)
                    if self.control.interrupted:
                        break
        finally:
            sittings[-1] |= {"ended": now(), "interrupted": self.control.interrupted}
            sittings[-1] |= {"gpu_seconds": round(watch.gpu_seconds, 3)}
            if settings.prices:
                sittings[-1]["cost"] = round(watch.spent - before, 6)
                self.say(f"cost: {watch.spent:.2f} for all machines while they were up")
            with writing(folder.path):
                folder.update_run(sittings=sittings)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with self.control.signals():
                yield
        except KeyboardInterrupt:
            self.control.interrupted = True
            if self.records is None and (self.place / RUN_FILE).is_file():
                self.records = read_run(self.place)

    def _exit_code(self) -> int:
        if self.control.interrupted or self.records is None:
            return INTERRUPTED
        found = [counts(self.records, space) for space in self.records.run["spaces"]]
        useful = sum(c["completed"] + c["stopped"] for c in found)
        return ALL_FAILED if not useful and any(c["failed"] for c in found) else OK


def _plan(settings: Settings) -> dict[str, SpacePlan]:
    from search.tuning.warm_start import warm_start  # Needs torch, as planning does.

    return warm_start(plan_spaces(settings), settings.warm_start)


@contextmanager
def _preparing(settings: Settings) -> Iterator[Future[tuple[dict[str, SpacePlan], Data]]]:
    """Plan and load in a thread: Ray takes seconds to start, and so do torch and a download."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(_prepare, settings)


def _prepare(settings: Settings) -> tuple[dict[str, SpacePlan], Data]:
    plans, data = _plan(settings), load_data(settings)
    check_baselines(plans, data)
    import_module("search.tuning.tuner")
    return plans, data


def _describe(
    settings: Settings, plans: dict[str, SpacePlan], data: Data, cluster: Cluster
) -> dict[str, Any]:
    """What run.json says of a new run."""
    images, split = data.images, data.split
    gpus = any(node.gpus for node in cluster.nodes)
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
        "sittings": [],
    }


def _continued(records: Records, changes: dict[str, Any]) -> Settings:
    """The settings of a run that goes on.

    Raises:
        InputError: one is given that differs and cannot change.
    """
    before = Settings.parse(records.run["settings"])
    after = Settings.parse({**records.run["settings"], **changes})
    for name in changes:
        old, new = (one.model_dump()[name] for one in (before, after))
        if name == "data":
            continue  # Judged by the images' digest.
        if name not in AGAIN and new != old:
            raise InputError(
                f"--{name.replace('_', '-')} {new!r} contradicts the run, which was started with "
                f"{old!r}: leave it out, or start a new run"
            )
    if after.trials < before.trials:
        raise InputError(f"--trials {after.trials}: the run has {before.trials}; it can only grow")
    return after.model_copy(update={"data": absolute(after.data)})
