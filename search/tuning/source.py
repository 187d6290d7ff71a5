"""Source of trials: a space that a sampler draws from, or a list. What both have in common.

The tuner, the recorder and the trainable know a source by this interface alone, so that a search, a
confirmation, a cross-validation and an ablation run through the same loop and leave the same
records.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.store.records import Records, State, now
from search.store.run_folder import RunFolder
from search.tuning.objectives import Objective
from search.tuning.settings import Settings
from search.tuning.stopping import Stopping

BUDGET_SPENT = "the time budget was spent"
COST_REACHED = "the cost limit of the run was reached"


class Source(ABC):
    """Where the trials of one part of a run come from, and how they end.

    Attributes:
        name: of the part; the column `space` of the records.
        folder: where it is recorded.
        settings: of the whole run.
        objective: what counts as better; None if trials are not compared while they run.
        keeps_best: whether the best trial's model is kept.
    """

    objective: Objective | None = None
    keeps_best: bool = False

    def __init__(self, name: str, folder: RunFolder, settings: Settings) -> None:
        self.name, self.folder, self.settings = name, folder, settings

    @property
    def records(self) -> Records:
        """What the run folder says so far."""
        return self.folder.records

    @abstractmethod
    def searcher(self, stopping: Stopping) -> tuple[Searcher, int] | None:
        """Who proposes what is missing, and how many trials that is; None if nothing is."""

    @abstractmethod
    def archs(self) -> Iterable[str]:
        """Architectures of its trials."""

    def scheduler(self) -> TrialScheduler:
        """Who stops trials before their full budget; by default nobody."""
        return FIFOScheduler()  # type: ignore[no-untyped-call]

    def rungs(self) -> tuple[int, ...]:
        """Epochs after which a trial may be stopped."""
        return ()

    def why_stopped(self, trial: str) -> str | None:
        """Why a trial ended before its full budget, unless a budget was spent."""
        return None

    def leaves_model(self, trial: str) -> bool:
        """Whether a trial's model is kept, whatever others come to."""
        return False

    def own(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and row of each trial of this part."""
        for name, row in list(self.records.trials.items()):
            if row["space"] == self.name:
                yield name, row

    def start_trial(self, trial: str, config: Mapping[str, Any], seed: int, **more: Any) -> None:
        """Append the row of a trial before anything of it runs: its whole configuration."""
        about = {"number": len(self.records.trials), "baseline": False, **more}
        self.folder.add_trial(
            trial=trial, space=self.name, state="running", seed=seed, config=dict(config),
            started=now(), ended=None, epochs=0, error=None, reason=None, **about,
        )  # fmt: skip

    def suggestion(self, trial: str, arch: str, stopping: Stopping) -> dict[str, Any]:
        """What Ray Tune hands to the trainable, read from the trial's row."""
        row = self.records.trials[trial]
        kept = self.folder.checkpoint(trial)
        return {
            "trial": trial,
            "number": row["number"],
            "arch": arch,
            "config": row["config"],
            "seed": row["seed"],
            "split": row.get("split"),
            "left_s": stopping.remaining_s,
            "resume": self.folder.store.child(kept[1]).place if kept else None,
        }

    def end_trial(self, trial: str, state: State, stopping: Stopping, **more: Any) -> None:
        """Append the row that ends a trial, with the reason if it was stopped."""
        reason = None
        if state == "stopped":
            spent = COST_REACHED if stopping.cost_reached else BUDGET_SPENT
            reason = spent if stopping.budget_spent else self.why_stopped(trial)
        self.folder.end_trial(trial, state, reason=reason, **more)

    def settle(self) -> list[str]:
        """End the trials whose last word was lost to a kill; the names of the unfinished ones."""
        unfinished = []
        for name, row in self.own():
            if row["state"] != "running":
                continue
            if self.records.is_whole(name):
                self.folder.end_trial(name, "completed")
            elif reason := self.was_stopped(name):
                self.folder.end_trial(name, "stopped", reason=reason)
            else:
                unfinished.append(name)
        return unfinished

    def was_stopped(self, trial: str) -> str | None:
        """Why a trial that its row calls running had been stopped already; None if it had not."""
        return None

    def finish(self) -> None:
        """End the trials that the time budget cut off without a last word."""
        for name, row in self.own():
            if row["state"] == "running":
                self.folder.end_trial(name, "stopped", reason=BUDGET_SPENT)


class TrialSearcher(Searcher):
    """A searcher of Ray Tune's that keeps nothing of its own: the records are what it resumes from.

    Ray pickles its searcher into a file that is never read; a placeholder keeps the
    study and the folder's lock out of it.
    """

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return object, ()

    def save(self, checkpoint_path: str) -> None:
        """Leave an empty file."""
        open(checkpoint_path, "wb").close()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: nothing in a run folder is unpickled."""
