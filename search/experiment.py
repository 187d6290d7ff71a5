"""Experiment: a search from Python, from images and spaces to a model that predicts.

    experiment = Experiment(load_images("labelled/"), "crnn", trials=8, epochs=6)
    run = experiment.run()
    print(run.leaderboard())
    run.confirm(top=2, seeds=3)
    print(run.best().predict(["new.png"]))

The commands do the same from the terminal; both leave the same run folder.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.cli import ALL_FAILED
from captcha_models.errors import InputError
from search.store.leaderboard import epochs_table, leaderboard_table
from search.store.records import Records, read_run
from search.tuning.objectives import Objective
from search.tuning.settings import IN_MEMORY, Settings
from spaces.space import Space

if TYPE_CHECKING:
    import pandas as pd
    from optuna.samplers import BaseSampler
    from ray.tune import Callback
    from ray.tune.schedulers import TrialScheduler

    from captcha_models.data.images import LabelledImages
    from captcha_models.inference.predictor import Predictor
    from search.tuning.names import SamplerName, SchedulerName
    from search.tuning.task import Trainable


def load_images(data: str | Path = "auto", **options: Any) -> "LabelledImages":
    """Labelled images from a folder, a zip or a table, the download, or the generator.

    Args:
        data: as the commands' `--data`.
        options: see `captcha_models.data.sources.open_images`.

    Raises:
        InputError: no such place, or a wrong image.
    """
    from captcha_models.data.sources import open_images

    return open_images(str(data), **options)


class Experiment:
    """A search that is to be run: what varies, on which images, and what counts as better.

    Args:
        images: as `load_images` returns them, or a place that it reads.
        spaces: spaces, or references to them such as `crnn` or `file.py:NAME`.
        name: of the run folder; by default the time.
        runs_dir: folder of the run folders.
        sampler: one of Optuna's, or the name of one as `--sampler` takes it; it proposes points
            after the starting points. By default near the priors and the best trials, or TPE where
            a space has no priors. A resumed run draws on with fresh randomness, and knows the
            trials so far.
        scheduler: one of Ray Tune's, or a name as `--scheduler` takes it; it stops trials early.
            By default ASHA, or what the objective asks for. The time attribute of one of Ray's is
            `epoch`; leave its metric and mode out.
        objective: its name, such as `nll` or `valid_cer`, or an Objective.
        callbacks: of Ray Tune's.
        train: what a trial does; by default it trains a recogniser.
        address: of Ray; by default RAY_ADDRESS, else a private local Ray.
        num_cpus: of a private local Ray; by default all.
        storage: see `search.run --storage`.
        say: gets each line that tells how the run is set up; by default nothing is printed.
        settings: further fields of `search.tuning.settings.Settings`, such as `trials`, `epochs`,
            `seed`, `max_concurrent` and `fixed`.

    Raises:
        InputError: a setting that does not exist, or a value that is not allowed.
    """

    def __init__(
        self,
        images: "LabelledImages | str | Path",
        spaces: Space | str | Sequence[Space | str],
        *,
        name: str | None = None,
        runs_dir: str | Path = "runs",
        sampler: "BaseSampler | SamplerName | None" = None,
        scheduler: "TrialScheduler | SchedulerName | None" = None,
        objective: str | Objective = "nll",
        callbacks: "Sequence[Callback]" = (),
        train: "Trainable | None" = None,
        address: str | None = None,
        num_cpus: int | None = None,
        storage: str | None = None,
        say: Callable[[str], None] = lambda line: None,
        **settings: Any,
    ) -> None:
        from search.tuning.plan import load_spaces

        given = [spaces] if isinstance(spaces, Space | str) else list(spaces)
        self.spaces = [one if isinstance(one, Space) else load_spaces([one])[0] for one in given]
        data = str(images) if isinstance(images, str | Path) else IN_MEMORY
        for key, value in (("sampler", sampler), ("scheduler", scheduler)):
            if isinstance(value, str):
                settings[key] = value
        sampler = None if isinstance(sampler, str) else sampler
        scheduler = None if isinstance(scheduler, str) else scheduler
        if "data" in settings:
            raise InputError("data: give the images, or their place, as the first argument")
        self.settings = Settings.parse(
            {"spaces": [space.name for space in self.spaces], "data": data,
             "objective": objective, **settings}
        )  # fmt: skip
        self.images = images if not isinstance(images, str | Path) else load_images(
            data, **self.settings.image_options()
        )  # fmt: skip
        if name is not None and Path(name).name != name:
            raise InputError(f"name = {name!r}: a plain name; its folder is runs_dir")
        self.path = Path(runs_dir) / (name or f"{datetime.now():%Y-%m-%d-%H%M%S-%f}")
        if scheduler is not None:
            from search.tuning.scheduler import ready

            ready(scheduler, self.settings.objective)
        self.train = train
        self._session: dict[str, Any] = {
            "say": say, "address": address, "num_cpus": num_cpus, "storage": storage,
            "sampler": sampler, "scheduler": scheduler, "callbacks": callbacks,
        }  # fmt: skip

    def run(self) -> "Run":
        """Search until all trials have ended or a budget is spent.

        Raises:
            InputError: the run folder exists, or something given is wrong.
            RuntimeError: every trial failed.
            KeyboardInterrupt: interrupted; `resume` goes on.
        """
        return self._run(lambda session: session.begin(self.settings))

    def resume(self) -> "Run":
        """Go on with a run of this experiment that was interrupted; raises as `run` does."""
        changes = self.settings.model_dump(exclude_unset=True, exclude={"spaces", "data"})
        changes["objective"] = self.settings.objective  # Its function is in no record.
        return self._run(lambda session: session.resume(changes))

    def _run(self, go: Callable[[Any], int]) -> "Run":
        from search.tuning.search_session import SearchSession

        given = self._session | ({"train": self.train} if self.train else {})
        session = SearchSession(self.path, images=self.images, spaces=tuple(self.spaces), **given)
        code = go(session)
        if session.stopping.interrupted:
            raise KeyboardInterrupt
        run = Run(self.path, self.images)
        if code == ALL_FAILED:
            errors = {row["error"] for row in run.records.trials.values() if row["error"]}
            raise RuntimeError(f"every trial failed: {'; '.join(sorted(errors))}")
        return run


class Run:
    """A run folder: what a search found.

    Args:
        path: the folder.
        images: of the search; by default they are loaded from where it had them.

    Raises:
        InputError: no run folder, or a damaged one.
    """

    def __init__(self, path: str | Path, images: "LabelledImages | None" = None) -> None:
        self.path, self._images = Path(path), images
        _ = self.records

    @property
    def records(self) -> Records:
        """The tables as they are now."""
        return read_run(self.path)

    def leaderboard(self, space: str | None = None) -> "pd.DataFrame":
        """A row for each trial, best first; see `search.store.leaderboard.leaderboard_table`."""
        return leaderboard_table(self.records, space)

    def epochs(self) -> "pd.DataFrame":
        """A row for each epoch of each trial: the learning curves."""
        return epochs_table(self.records)

    def best(
        self, space: str | None = None, say: Callable[[str], None] = lambda line: None
    ) -> "Predictor":
        """The model that `confirm` trained of the winner; before that, the best trial's.

        Args:
            space: whose; by default the winner of all spaces, or the best of the only one.
            say: gets one line that tells which model it is; `Predictor.origin` is the same.

        Raises:
            InputError: nothing is confirmed, the run has several spaces and none is named; or there
                is no model.
        """
        from captcha_models.inference.predictor import load
        from search.confirmation.final import file_of

        if space is None and (self.path / "best" / "model.safetensors").is_file():
            place = self.path / "best"
        else:
            name = self._space(space)
            winner = file_of(self.path, name)
            place = winner if winner.is_file() else self.path / "best" / name
        predictor = load(place)
        if predictor.origin:
            say(predictor.origin)
        return predictor

    def confirm(self, space: str | None = None, **options: Any) -> dict[str, Any]:
        """Retrain the best few on fresh seeds and folds, choose, and train the winner for use.

        Args:
            space: whose; may be left out where the run has one.
            options: `top`, `seeds`, `test` (evaluate once on the locked test set; off by default)
                and the further options of `search.confirm`, such as `max_concurrent`.

        Returns:
            What RUN/confirmed/SPACE.json says: `chosen`, its `verdict` and `model`, and
            `candidates` with their figures.

        Raises:
            InputError: other images than the search's, or a second test-set evaluation.
        """
        from search.confirmation.confirmation import DEFAULTS, Confirmation

        name = self._space(space)
        if unknown := options.keys() - {*DEFAULTS, "test", "say"}:
            raise InputError(
                f"confirm: unknown option {sorted(unknown)[0]!r}: known are "
                f"{', '.join(sorted({*DEFAULTS, 'test'}))}"
            )
        say = options.pop("say", lambda line: None)
        given = {**DEFAULTS, "no_test": not options.pop("test", False), **options}
        for count in ("top", "seeds", "test_seeds"):
            if type(given[count]) is not int or given[count] < 1:
                raise InputError(f"confirm: {count} = {given[count]!r}: must be a whole number")
        confirmation = Confirmation(self.records, (name,), given, say, images=self._images)
        return dict(confirmation.run()[name])

    def label_errors(self) -> "pd.DataFrame":
        """Images whose label models contradict that did not train on them, the worst first.

        The run has to be confirmed: each training reads the fold that it held out.

        Returns:
            See `search.confirmation.label_errors.LabelErrors.frame`.

        Raises:
            InputError: the run is not confirmed, or other images than the search's.
        """
        from search.confirmation.label_errors import label_errors
        from search.tuning.plan import load_again

        records = self.records
        return label_errors(records, load_again(records, images=self._images)).frame()

    def _space(self, name: str | None) -> str:
        names = tuple(self.records.run["spaces"])
        if name is None and len(names) == 1:
            return str(names[0])
        if name is None or name not in names:
            raise InputError(f"space {name!r}: choose one of {', '.join(names)}")
        return name


def open_run(path: str | Path, images: "LabelledImages | None" = None) -> Run:
    """A run folder that a command or another program left; see `Run`."""
    return Run(path, images)
