"""Run of a list of trials in a folder, where finished ones are found again by their keys."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import everything
from captcha_models.errors import InputError
from search.store.listed import ListedTrial, Row, kept_models, read_rows
from search.store.records import RUN_FILE, read_run
from search.tuning.run_file import describe_list
from search.tuning.session import Doing, Session, quiet
from search.tuning.settings import Settings
from search.tuning.task import Data, Trainable, train

if TYPE_CHECKING:
    from captcha_models.training.initial import Initial


@dataclass
class ListRun:
    """A folder of listed trials, and where they run.

    A trial that is recorded is not run again; one that failed is tried again by the next start. A
    trial that was interrupted goes on from its last checkpoint.

    Attributes:
        place: the folder.
        images: all images.
        say: prints one line.
        address: of Ray; see `cluster.connection.connect`.
        num_cpus: of a private local Ray; None is all.
        storage: where checkpoints and a copy of the folder go, which all machines see; None is the
            folder itself.
        resources: the settings `gpus_per_trial`, `cpus_per_trial`, `max_concurrent` and `stall_s`,
            if given.
        first: called when all is ready and something is left to be trained; it may refuse.
        train: what a trial does.
        init: a model that every trial starts from, as each trial's `init` says too.
        doing: shows what is being done while there is no progress to show.
        kept: keeps the connection to Ray for the next call; see `Session`.
    """

    place: Path
    images: LabelledImages
    say: Callable[[str], None]
    address: str | None = None
    num_cpus: int | None = None
    storage: str | None = None
    resources: dict[str, Any] = field(default_factory=dict)
    first: Callable[[], None] = lambda: None
    train: Trainable = train
    init: "Initial | None" = None
    doing: Doing = quiet
    kept: ExitStack | None = None

    def run(self, trials: Sequence[ListedTrial]) -> list[Row | None]:
        """Train what has no row yet.

        Returns:
            The row of each trial, in their order; None for one that failed, which is printed. What
            leaves its model has it among `kept_models`.

        Raises:
            InputError: another process is writing the folder, or the cluster cannot hold a trial.
            KeyboardInterrupt: the rows of what had ended are kept.
        """
        wanted: dict[str, ListedTrial] = {}
        for trial in trials:
            # Of equal ones it is enough that one leaves its model.
            key = trial.key(self.images.digest)
            keep = trial.keep or (key in wanted and wanted[key].keep)
            wanted[key] = replace(trial, keep=keep)
        done = self._done(wanted)
        missing = {key: trial for key, trial in wanted.items() if key not in done}
        self.say(f"trials: {len(wanted) - len(missing)} of {len(wanted)} are done: {self.place}")
        if missing:
            self._train(missing)
            done = self._done(wanted)
            for key, trial in missing.items():
                if key not in done:
                    self.say(f"{trial} failed: {self._errors().get(key, 'it was cut off')}")
        return [done.get(trial.key(self.images.digest)) for trial in trials]

    def run_groups(self, groups: Sequence[Sequence[ListedTrial]]) -> list[list[Row | None]]:
        """Train groups of trials as one list; the rows, in the same groups.

        Seed by seed, so that one that is interrupted says as much of each group.
        """
        trials = [trial for group in groups for trial in group]
        order = sorted(range(len(trials)), key=lambda i: trials[i].seed)
        rows = dict(zip(order, self.run([trials[i] for i in order]), strict=True))
        place = iter(range(len(trials)))
        return [[rows[next(place)] for _ in group] for group in groups]

    def rows(self) -> dict[str, Row]:
        """The rows of finished trials, by key."""
        return read_rows(self.place)

    def _done(self, wanted: Mapping[str, ListedTrial]) -> dict[str, Row]:
        """The rows of those that have ended; a model to be used has to be there, too."""
        rows, models = self.rows(), kept_models(self.place)
        return {
            key: rows[key]
            for key, trial in wanted.items()
            if key in rows and (trial.scored or key in models)
        }

    def _train(self, missing: dict[str, ListedTrial]) -> None:
        from search.tuning.trial_list import TrialList

        if str(self.resources.get("gpus_per_trial")) == "auto":
            raise InputError("--gpus-per-trial auto: a search measures it; here give 1/n or whole")
        done = sum(row["key"] not in missing for row in self._trials().values())
        given = {"spaces": ("list",), "trials": done + len(missing), "stall_s": None}
        settings = Settings.parse({**given, **self.resources})
        session = Session(
            self.place,
            self.say,
            self.address,
            self.storage,
            self.num_cpus,
            self.train,
            doing=self.doing,
            kept=self.kept,
        )
        self.place.parent.mkdir(parents=True, exist_ok=True)
        session.run_list(
            describe_list(settings, self.images) | {"spaces": {"list": {}}},
            Data(self.images, everything(self.images.names), self.init),
            lambda folder: TrialList(folder, settings, missing),
            settings,
            self.first,
        )

    def _trials(self) -> dict[str, Row]:
        return read_run(self.place).trials if (self.place / RUN_FILE).is_file() else {}

    def _errors(self) -> dict[str, str]:
        rows = self._trials().values()
        return {row["key"]: row["error"] for row in rows if row["state"] == "failed"}
