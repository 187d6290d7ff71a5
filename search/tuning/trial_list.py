"""Trials of a list as a source: those that have no row yet; one that failed is tried again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from search.store.listed import ListedTrial, model_file, name_of
from search.store.provenance import git_revision, versions
from search.store.run_folder import RunFolder
from search.tuning.settings import Settings
from search.tuning.source import Source, TrialSearcher
from search.tuning.stopping import Stopping


class TrialList(Source):
    """The trials of a list; one that failed is tried again under another name.

    Args:
        folder: where they are recorded.
        settings: of the list.
        trials: by their keys.
    """

    def __init__(
        self, folder: RunFolder, settings: Settings, trials: Mapping[str, ListedTrial]
    ) -> None:
        super().__init__("list", folder, settings)
        # A model that is gone is trained again; its trial had ended well.
        ended = self.records.trials.items()
        failed = Counter(
            row["key"]
            for name, row in ended
            if row["state"] == "failed"
            or (row["state"] == "completed" and not row.get("scored", True)
                and not model_file(folder.path, name).is_file())
        )  # fmt: skip
        # Another name for another attempt, which shall know nothing of the epochs of the first.
        self.trials = {name_of(key, failed[key]): (key, trial) for key, trial in trials.items()}
        self._by = {"versions": versions(), "git_revision": git_revision()}

    def own(self) -> Any:
        return ((name, row) for name, row in super().own() if name in self.trials)

    def leaves_model(self, trial: str) -> bool:
        return self.trials[trial][1].leaves_model

    def archs(self) -> Iterable[str]:
        return {trial.arch for _, trial in self.trials.values()}

    def searcher(self, stopping: Stopping) -> tuple[Searcher, int] | None:
        self.settle()
        rows = self.records.trials
        missing = [n for n in self.trials if n not in rows or rows[n]["state"] != "completed"]
        return (_ListSearcher(self, missing, stopping), len(missing)) if missing else None

    def start(self, name: str) -> None:
        """Append the row of a trial that starts."""
        key, trial = self.trials[name]
        apart = ("config", "seed", "name", "keep")
        about = {k: v for k, v in asdict(trial).items() if k not in apart}
        self.start_trial(
            name, trial.config, trial.seed, key=key, title=trial.name, says=str(trial),
            split=asdict(trial.spec), **about, **self._by,
        )  # fmt: skip


class _ListSearcher(TrialSearcher):
    """Hands out the trials of a list, in their order."""

    def __init__(self, source: TrialList, missing: Sequence[str], stopping: Stopping) -> None:
        super().__init__()
        self._source, self._missing, self._stopping = source, list(missing), stopping

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if self._stopping.closed or not self._missing:
            return Searcher.FINISHED  # type: ignore[return-value]
        name = self._missing.pop(0)
        rows = self._source.records.trials
        if name not in rows:
            self._source.start(name)
        return self._source.suggestion(name, self._source.trials[name][1].arch, self._stopping)

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: nobody learns from a list."""
