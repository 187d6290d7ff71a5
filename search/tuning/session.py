"""Session of a run: connect, check the cluster, run the trials of each source within the budgets.

A run may take several sessions; each begins where the records end.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.cli import ALL_FAILED, INTERRUPTED, OK
from captcha_models.loading import loading
from captcha_models.words import counted
from search.cluster.connection import Cluster, address_of, connect, share
from search.store import provenance
from search.store.disk_full import writing
from search.store.leaderboard import counts
from search.store.records import RUN_FILE, Records, now, read_run
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from search.store.sync import is_kept
from search.tuning.monitor import Monitor
from search.tuning.progress import Progress
from search.tuning.settings import STOPPED, Settings
from search.tuning.steps import Steps
from search.tuning.stopping import Stopping
from search.tuning.task import Data, Trainable, train

if TYPE_CHECKING:
    from ray.tune import Callback

    from search.tuning.source import Source


Doing = Callable[[str | None], None]
STARTING = "starting Ray"


def quiet(doing: str | None) -> None:
    """Show nothing of what is being done."""


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
        callbacks: further ones of Ray Tune's.
        doing: shows what is being done while there is no progress to show; None ends it.
        kept: keeps the connection to Ray for further lists, unless this one is not brought to its
            end; None ends it with the list.
        records: what the run folder says, once there is one.
    """

    place: Path
    say: Callable[[str], None]
    address: str | None = None
    storage: str | None = None
    num_cpus: int | None = None
    train: Trainable = train
    callbacks: "Sequence[Callback]" = ()
    doing: Doing = quiet
    kept: ExitStack | None = None
    records: Records | None = None
    stopping: Stopping = field(default_factory=Stopping)

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
        with self.guarded(), ExitStack() as stack:
            store = Storage(self.storage) if self.storage else None
            folder = None
            if (self.place / RUN_FILE).is_file() or (store and is_kept(store)):
                folder = stack.enter_context(RunFolder.open(self.place, store, self.say))
            self.doing(STARTING)
            kept = self.kept or stack
            cluster = kept.enter_context(connect(self.address, num_cpus=self.num_cpus))
            # Here, where a second signal does not break off the end of Ray.
            stack.push(lambda kind, *_: kept.close() if kind or self.stopping.interrupted else None)
            self.check_cluster(cluster, settings, store or Storage(str(self.place.parent)))
            self.say_share(cluster, settings)
            first()
            if folder is None:
                # One whose making was cut off holds nothing yet.
                made = RunFolder.create(self.place, run, store, over=True, say=self.say)
                folder = stack.enter_context(made)
            self.run(folder, settings, [source(folder)], data, cluster)
        if self.stopping.interrupted:
            raise KeyboardInterrupt

    def run(
        self, folder: RunFolder, settings: Settings, sources: "Sequence[Source]", data: Any,
        cluster: Cluster,
    ) -> None:  # fmt: skip
        """Run the trials of all sources, one source after another, within the budgets."""
        each = share(cluster, settings)
        self.doing("loading torch and Ray Tune")
        with loading():
            from search.tuning.tuner import run_trials

        self.doing(None)
        self.records = folder.records
        sessions = [
            *folder.records.run["sessions"],
            {"started": now(), "command": provenance.command()},
        ]
        folder.update_run(sessions=sessions)
        monitor = self.stopping.monitor = Monitor(
            settings.prices, settings.max_cost, settings.stall_s, each, self.say,
            spent=sum(session.get("cost", 0.0) for session in sessions),
        )  # fmt: skip
        before = monitor.spent
        budget = settings.time_budget_s
        ends = None if budget is None else time.monotonic() + budget
        try:
            with Steps(address_of(cluster)) as steps, Progress(
                folder.records,
                settings.trials,
                settings.epochs,
                stopping=self.stopping,
                ends=ends,
                stops={rung: STOPPED for one in sources for rung in one.rungs()},
                steps=steps,
            ) as progress:  # fmt: skip
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
            self.doing("writing down how it went and ending Ray")
            sessions[-1] |= {"ended": now(), "interrupted": self.stopping.interrupted}
            sessions[-1] |= {"gpu_seconds": round(monitor.gpu_seconds, 3)}
            if settings.prices:
                sessions[-1]["cost"] = round(monitor.spent - before, 6)
                self.say(f"cost: {monitor.spent:.2f} for all machines while they were up")
            with writing(folder.path):
                folder.update_run(sessions=sessions)

    def check_cluster(self, cluster: Cluster, settings: Settings, store: Storage) -> None:
        """Refuse a cluster whose machines cannot do what the driver will ask of them."""
        if not cluster.private:
            from search.cluster.preflight import preflight

            preflight(cluster, share(cluster, settings), store, self.say)

    def say_share(self, cluster: Cluster, settings: Settings) -> None:
        """Print the share of each trial."""
        each = share(cluster, settings)
        gpus = f" and {each.gpus:g} GPU" if each.gpus else ""
        self.say(
            f"ray: {cluster.description}; {counted(each.concurrent, 'trial')} at a time, each with "
            f"{counted(each.cpus, 'CPU')}{gpus}"
        )

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """While a session is open: an interrupt ends it, and what was recorded is read."""
        try:
            with self.stopping.signals():
                yield
        except KeyboardInterrupt:
            self.stopping.interrupted = True
            if self.records is None and (self.place / RUN_FILE).is_file():
                self.records = read_run(self.place)

    def exit_code(self) -> int:
        """How the session ended, for the command line."""
        if self.stopping.interrupted or self.records is None:
            return INTERRUPTED
        found = [counts(self.records, space) for space in self.records.run["spaces"]]
        useful = sum(c["completed"] + c["stopped"] for c in found)
        return ALL_FAILED if not useful and any(c["failed"] for c in found) else OK
