"""Session of a run: check everything, connect, run the trials of each source, say how it went.

A run may take several sessions; each begins where the records end.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.cli import ALL_FAILED, INTERRUPTED, OK
from captcha_models.errors import InputError
from captcha_models.secrets import HIDDEN
from search.cluster.connection import Cluster, Share, check_address, connect, share
from search.store import provenance
from search.store.disk_full import writing
from search.store.leaderboard import counts
from search.store.records import RUN_FILE, Records, now, read_run, whole
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from search.store.sync import fetch, is_kept
from search.tuning.loggers import check_trackers
from search.tuning.monitor import Monitor
from search.tuning.plan import SpacePlan, absolute, check_baselines, load_data, plan_spaces
from search.tuning.progress import Progress
from search.tuning.run_file import continued, describe
from search.tuning.settings import FULL, Settings
from search.tuning.stopping import Stopping
from search.tuning.task import Data, Trainable, train
from spaces.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from ray.tune import Callback
    from ray.tune.schedulers import TrialScheduler

    from search.tuning.source import Source


@dataclass
class Session:
    """What a session is given, and how it ends.

    Attributes:
        place: the run folder.
        say: prints one line.
        address: of Ray; see `cluster.connection.connect`.
        storage: where a run is kept besides its folder; see search/store/storage.py. None is the
            folder itself.
        num_cpus: of a private local Ray; None is all.
        train: what a trial does.
        sampler: of Optuna's, in the place of the default one.
        scheduler: of Ray Tune's, in the place of the objective's own.
        callbacks: further ones of Ray Tune's.
        records: what the run folder says, once there is one.
    """

    place: Path
    say: Callable[[str], None]
    address: str | None = None
    storage: str | None = None
    num_cpus: int | None = None
    train: Trainable = train
    sampler: "BaseSampler | None" = None
    scheduler: "TrialScheduler | None" = None
    callbacks: "Sequence[Callback]" = ()
    records: Records | None = None
    stopping: Stopping = field(default_factory=Stopping)

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
        check_address(self.address)  # Before the seconds that torch and the images take.
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
            self._say_data(data)
            self._preflight(cluster, settings, Storage(self.storage or str(self.place.parent)))
            settings = self._measured(cluster, settings, plans)
            each = self._share(cluster, settings)
            self._say_budget(settings)
            for note in [line for plan in plans.values() for line in plan.notes]:
                self.say(note)
            run = describe(settings, plans, data, cluster)
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
            InputError: no such run, another process is writing it, a setting or the data differ
                from what the run was started with.
        """
        check_address(self.address)
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
                settings = continued(folder.records, changes)
                plans = {
                    name: SpacePlan(Space.from_json(saved["space"]), saved["base"])
                    for name, saved in folder.records.run["spaces"].items()
                }
                before = folder.records.run["data"]["digest"]
            check_trackers(settings.log_to)
            data = load_data(settings)
            self._say_data(data)
            found = data.images.digest
            if found != before:
                raise InputError(
                    f"the images differ from those {self.place} was started with "
                    f"(digest {found[:12]}, not {before[:12]}): give the same --data"
                )
            with connect(self.address, num_cpus=self.num_cpus) as cluster:
                self._preflight(cluster, settings, folder.store)
                settings = self._measured(cluster, settings, plans)
                each = self._share(cluster, settings)
                self._say_budget(settings)
                folder.update_run(settings=settings.model_dump(mode="json"))
                self._search(folder, settings, plans, data, each)
        return self._exit_code()

    def run_list(
        self, run: Mapping[str, Any], data: Data, source: "Callable[[RunFolder], Source]",
        settings: Settings, first: Callable[[], None],
    ) -> None:  # fmt: skip
        """Run a list of trials in the run folder, which is made if it is not there.

        Args:
            run: what run.json says of a new folder.
            data: whose images the trials read.
            source: the list, recorded in the folder.
            settings: of the list; `trials` is how many it has.
            first: called when all is ready; it may refuse.

        Raises:
            InputError: another process is writing the folder, or the cluster cannot hold a trial.
            KeyboardInterrupt: what had ended is kept.
        """
        with self._guarded(), ExitStack() as stack:
            found = self.place.exists()
            folder = stack.enter_context(RunFolder.open(self.place)) if found else None
            cluster = stack.enter_context(connect(self.address, num_cpus=self.num_cpus))
            self._preflight(cluster, settings, Storage(str(self.place.parent)))
            each = self._share(cluster, settings)
            first()
            folder = folder or stack.enter_context(RunFolder.create(self.place, run))
            self.run(folder, settings, [source(folder)], data, each)
        if self.stopping.interrupted:
            raise KeyboardInterrupt

    def _search(
        self,
        folder: RunFolder,
        settings: Settings,
        plans: dict[str, SpacePlan],
        data: Any,
        each: Share,
    ) -> None:
        from search.store.study import write_study
        from search.tuning.space_search import SpaceSearch

        self.say(f"run: {folder.path}")
        sources = [
            SpaceSearch(folder, plan.space, settings, plan.base, self.sampler, self.scheduler)
            for plan in plans.values()
        ]
        self.run(folder, settings, sources, data, each)
        with writing(folder.path):
            write_study(folder.path)

    def run(
        self, folder: RunFolder, settings: Settings, sources: "Sequence[Source]", data: Any,
        each: Share,
    ) -> None:  # fmt: skip
        """Run the trials of all sources, one source after another, within the budgets."""
        from search.tuning.tuner import run_trials

        self.records = folder.records
        sittings = [
            *folder.records.run["sittings"],
            {"started": now(), "command": provenance.command()},
        ]
        folder.update_run(sittings=sittings)
        monitor = self.stopping.monitor = Monitor(
            settings.prices, settings.max_cost, settings.stall_s, each, self.say,
            spent=sum(sitting.get("cost", 0.0) for sitting in sittings),
        )  # fmt: skip
        before = monitor.spent
        budget = settings.time_budget_s
        ends = None if budget is None else time.monotonic() + budget
        try:
            with Progress(
                folder.records, settings.trials, settings.epochs, stopping=self.stopping, ends=ends
            ) as progress:
                for left, source in zip(range(len(sources), 0, -1), sources, strict=True):
                    # What one source leaves of its part goes to those after it.
                    part = None if ends is None else max(0.0, ends - time.monotonic()) / left
                    self.stopping.start_budget(part)
                    run_trials(
                        source, data, each, self.stopping, progress, self.train, self.callbacks
                    )
                    if self.stopping.interrupted:
                        break
        finally:
            sittings[-1] |= {"ended": now(), "interrupted": self.stopping.interrupted}
            sittings[-1] |= {"gpu_seconds": round(monitor.gpu_seconds, 3)}
            if settings.prices:
                sittings[-1]["cost"] = round(monitor.spent - before, 6)
                self.say(f"cost: {monitor.spent:.2f} for all machines while they were up")
            with writing(folder.path):
                folder.update_run(sittings=sittings)

    def _say_data(self, data: Data) -> None:
        self.say(data.images.describe())
        self.say(data.split.describe())

    def _preflight(self, cluster: Cluster, settings: Settings, store: Storage) -> None:
        """Refuse a cluster whose machines cannot do what the driver will ask of them."""
        if not cluster.private:
            from search.cluster.preflight import preflight

            preflight(cluster, share(cluster, settings), store, self.say)

    def _store(self) -> Storage | None:
        """Where the run is kept besides its folder, if it is."""
        store = Storage(self.storage).child(self.place.name) if self.storage else None
        return None if store and store.place == str(self.place.resolve()) else store

    def _measured(
        self, cluster: Cluster, settings: Settings, plans: dict[str, SpacePlan]
    ) -> Settings:
        """The settings with a share of a GPU measured, if `auto` asks for it."""
        if settings.gpus_per_trial != "auto":
            return settings
        from search.cluster.gpu_sharing import measured_share

        plan = next(iter(plans.values()))
        config = {**plan.base, **plan.space.active({**plan.space.baseline, **plan.space.fixed})}
        gpus = measured_share(cluster, plan.space.arch, config, self.say)
        return settings.model_copy(update={"gpus_per_trial": gpus})

    def _share(self, cluster: Cluster, settings: Settings) -> Share:
        each = share(cluster, settings)
        gpus = f" and {each.gpus:g} GPU" if each.gpus else ""
        self.say(
            f"ray: {cluster.description}; {each.concurrent} trial(s) at a time, each with "
            f"{each.cpus} CPU(s){gpus}"
        )
        return each

    def _say_budget(self, settings: Settings) -> None:
        chosen = [f"--{name}" for name in FULL if name not in settings.model_fields_set]
        default = f" (defaults; change them with {' and '.join(chosen)})" if chosen else ""
        most = f"{'up to ' if settings.objective.cost else ''}{settings.epochs} epochs"
        self.say(f"budget: {settings.trials} trials of {most} for each space{default}")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with self.stopping.signals():
                yield
        except KeyboardInterrupt:
            self.stopping.interrupted = True
            if self.records is None and (self.place / RUN_FILE).is_file():
                self.records = read_run(self.place)

    def _exit_code(self) -> int:
        if self.stopping.interrupted or self.records is None:
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
