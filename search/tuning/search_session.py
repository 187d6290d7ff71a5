"""Session of a search: check everything, connect, search each space, say how it went."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.errors import InputError
from captcha_models.inspection.remarks import remarks
from captcha_models.loading import loading
from captcha_models.secrets import HIDDEN
from captcha_models.words import counted
from search.cluster.address import check_address
from search.cluster.connection import Cluster, connect, share
from search.store.disk_full import writing
from search.store.records import read_run, whole
from search.store.run_folder import RunFolder, assert_not_kept
from search.store.storage import Storage
from search.tuning.initial import check_init, keep_init, load_init
from search.tuning.loggers import check_trackers
from search.tuning.plan import (
    SpacePlan,
    absolute,
    check_baselines,
    generated,
    load_data,
    no_captchas,
    plan_spaces,
)
from search.tuning.run_file import continued, describe
from search.tuning.session import STARTING, Session
from search.tuning.settings import FULL, Settings
from search.tuning.task import Data
from spaces.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from ray.tune.schedulers import TrialScheduler

    from captcha_models.data.images import LabelledImages


@dataclass
class SearchSession(Session):
    """A session that begins a search, or goes on with one.

    Attributes:
        images: in the place of those that the settings name.
        spaces: in the place of those that the settings name.
        sampler: of Optuna's, in the place of the default one.
        scheduler: of Ray Tune's, in the place of the objective's own.
    """

    images: "LabelledImages | None" = None
    spaces: tuple[Space, ...] = ()
    sampler: "BaseSampler | None" = None
    scheduler: "TrialScheduler | None" = None

    def begin(self, settings: Settings) -> int:
        """Start a new run; the exit code.

        Raises:
            InputError: something given is wrong; nothing has been written.
        """
        check_trackers(settings.log_to)
        init = absolute(settings.init) if settings.init else None
        settings = settings.model_copy(update={"data": absolute(settings.data), "init": init})
        if store := self._store():
            assert_not_kept(store, self.place)
        check_address(self.address)  # Before the seconds that torch and the images take.
        with self.guarded(), ExitStack() as stack:
            with self.stopping.holding():
                self.doing(f"{STARTING}, reading the images and loading torch")
                preparing = stack.enter_context(self._preparing(settings))
                cluster = stack.enter_context(connect(self.address, num_cpus=self.num_cpus))
            share(cluster, settings)  # Refuses what cannot be before anything is waited for.
            self.doing("reading the images and planning the trials")
            data, unserved = preparing.result()
            self._say_data(data)
            chosen = [f"--{name}" for name in FULL if name not in settings.model_fields_set]
            settings = settings.sized(
                gpus=any(node.gpus for node in cluster.machines),
                num_train=len(data.split.train) if unserved else None,
            )
            plans, left_out = self._plan(settings, data)  # Again: the epochs may be others.
            self.check_cluster(cluster, settings, Storage(self.storage or str(self.place.parent)))
            settings = self._measured(cluster, settings, plans)
            self.say_share(cluster, settings)
            self._say_budget(settings, chosen, unserved, data)
            notes = [line for plan in plans.values() for line in plan.notes]
            for note in (*left_out, *notes, *generated(plans, data), *check_init(plans, data)):
                self.say(note)
            run = describe(settings, plans, data, cluster)
            if store:
                run["storage"] = store.place
            with RunFolder.create(self.place, run, store, say=self.say) as folder:
                with writing(folder.path):
                    keep_init(data.init, folder.path)
                self._search(folder, settings, plans, data, cluster)
        return self.exit_code()

    def resume(self, changes: dict[str, Any]) -> int:
        """Go on with a run; the exit code.

        Args:
            changes: settings that were given this time.

        Raises:
            InputError: no such run, another process is writing it, a setting or the data differ
                from what the run was started with.
        """
        check_address(self.address)
        with self.guarded(), RunFolder.open(self.place, self._kept(), self.say) as folder:
            self.records = folder.records
            with whole(self.place):
                settings = continued(folder.records, changes)
                plans = {
                    name: SpacePlan(Space.from_json(saved["space"]), saved["base"])
                    for name, saved in folder.records.run["spaces"].items()
                }
                before = folder.records.run["data"]["digest"]
            check_trackers(settings.log_to)
            self.doing("reading the images")
            data = self._load(settings, folder.records.run.get("init"), folder.path)
            self._assert_same_spaces(settings, plans, data)
            self._say_data(data)
            found = data.images.digest
            if found != before:
                raise InputError(
                    f"the images differ from those {self.place} was started with "
                    f"(digest {found[:12]}, not {before[:12]}): give the same --data"
                )
            self.doing(STARTING)
            with connect(self.address, num_cpus=self.num_cpus) as cluster:
                self.check_cluster(cluster, settings, folder.store)
                settings = self._measured(cluster, settings, plans)
                self.say_share(cluster, settings)
                self._say_budget(settings)
                folder.update_run(settings=settings.model_dump(mode="json"))
                self._search(folder, settings, plans, data, cluster)
        return self.exit_code()

    def _assert_same_spaces(
        self, settings: Settings, begun: dict[str, SpacePlan], data: Data
    ) -> None:
        """Refuse spaces given as objects that are not those that the run was begun with."""
        if not self.spaces:
            return
        from search.tuning.fitted import fit_plans

        given = plan_spaces(settings, self.spaces)
        fitted, _ = fit_plans(given, data.images, data.split)
        for name in given:
            # One of an earlier version was not fitted. Points to begin with may have come from a
            # warm start.
            may_be = [plans[name] for plans in (fitted, given) if name in plans]
            digests = [replace(plan.space, known=()).digest for plan in may_be]
            if name in begun and replace(begun[name].space, known=()).digest not in digests:
                raise InputError(f"space {name} differs from that of the run: start a new one")

    def _search(
        self,
        folder: RunFolder,
        settings: Settings,
        plans: dict[str, SpacePlan],
        data: Any,
        cluster: Cluster,
    ) -> None:
        from search.store.study import write_study
        from search.tuning.space_search import SpaceSearch

        self.say(f"run: {folder.path}")
        sources = [
            SpaceSearch(folder, plan.space, settings, plan.base, self.sampler, self.scheduler)
            for plan in plans.values()
        ]
        self.run(folder, settings, sources, data, cluster)
        with writing(folder.path):
            write_study(folder.path)

    def _plan(self, settings: Settings, data: Data) -> tuple[dict[str, SpacePlan], tuple[str, ...]]:
        # These need torch, as planning does.
        from search.tuning.fitted import fit_plans
        from search.tuning.warm_start import warm_start

        plans, left_out = fit_plans(plan_spaces(settings, self.spaces), data.images, data.split)
        return warm_start(plans, settings.warm_start), left_out

    def _load(
        self, settings: Settings, init: dict[str, Any] | None = None, run: Path | None = None
    ) -> Data:
        data = load_data(settings, self.images)
        return replace(data, init=load_init(settings.model_dump(), init, run))

    @contextmanager
    def _preparing(self, settings: Settings) -> Iterator[Future[tuple[Data, str | None]]]:
        """Plan and load in a thread: Ray takes seconds to start, and so do torch and a download."""

        def prepare() -> tuple[Data, str | None]:
            with loading():
                import_module("captcha_models.architectures")
            plan_spaces(settings, self.spaces)  # Refuses what needs no images to be refused.
            data = self._load(settings)
            plans, _ = self._plan(settings, data)
            check_baselines(plans, data)
            check_init(plans, data)
            with loading():
                import_module("search.tuning.tuner")
            return data, no_captchas(data)

        with ThreadPoolExecutor(1) as threads:
            yield threads.submit(prepare)

    def _store(self) -> Storage | None:
        """Where the run is kept besides its folder, if it is."""
        store = Storage(self.storage).child(self.place.name) if self.storage else None
        return None if store and store.place == str(self.place.resolve()) else store

    def _kept(self) -> Storage | None:
        """Where an existing run is kept besides its folder, if it is."""
        if not self.place.exists() and (store := self._store()):
            return store
        kept = read_run(self.place).run.get("storage")
        if kept and HIDDEN in kept:
            # Passwords are not recorded.
            if (store := self._store()) is None:
                raise InputError(f"the run is kept in {kept}: give --storage with its keys again")
            return store
        return Storage(kept) if kept else None

    def _measured(
        self, cluster: Cluster, settings: Settings, plans: dict[str, SpacePlan]
    ) -> Settings:
        """The settings with a share of a GPU measured, if `auto` asks for it."""
        if settings.gpus_per_trial != "auto":
            return settings
        from search.cluster.gpu_sharing import measured_share

        self.doing("measuring how many trials a GPU holds")
        plan = next(iter(plans.values()))
        config = {**plan.base, **plan.space.active({**plan.space.baseline, **plan.space.fixed})}
        gpus = measured_share(cluster, plan.space.arch, config, self.say)
        return settings.model_copy(update={"gpus_per_trial": gpus})

    def _say_data(self, data: Data) -> None:
        for line in (data.images.describe(), *remarks(data.images), data.split.describe()):
            self.say(line)

    def _say_budget(
        self,
        settings: Settings,
        chosen: Sequence[str] = (),
        unserved: str | None = None,
        data: Data | None = None,
    ) -> None:
        """Say how many trials of how many epochs.

        Args:
            settings: of the search.
            chosen: options that nobody gave.
            unserved: why no captchas are generated.
            data: whose training images then decide the epochs.
        """
        default = f"defaults; change them with {' and '.join(chosen)}" if chosen else ""
        if unserved and data and "--epochs" in chosen:
            default = (
                f"so many epochs for {counted(len(data.split.train), 'training image')}; {default}"
            )
        most = f"{'up to ' if settings.objective.cost else ''}{counted(settings.epochs, 'epoch')}"
        self.say(
            f"budget: {counted(settings.trials, 'trial')} of {most} for each space"
            + f" ({default})" * bool(default)
        )
