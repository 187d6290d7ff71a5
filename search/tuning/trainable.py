"""The trainable: one trial on a worker, reporting each epoch to Ray Tune."""

import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ray import tune

from captcha_models.data.splits import SplitSpec
from captcha_models.errors import NonFiniteLossError, one_line
from captcha_models.loading import loading
from captcha_models.training.metrics import EpochMetrics
from search.store.disk_full import is_full
from search.store.storage import Storage
from search.tuning.objectives import Objective, exceeded
from search.tuning.steps import Address, Teller
from search.tuning.task import Savable, Task, Trainable

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

VALUE = "objective"
"""Key of the objective in what a trial reports."""
PREDICTIONS = "predictions"
"""Key of the predictions in a report; as text, which Ray's loggers leave alone."""
FULL = "full"
"""Key of the error of a trial that found no room on the disk."""

CHECKPOINT_EVERY_S = 60.0
EARLY_S = 2.0
"""So long before the deadline a report already carries a model: the driver reads it later."""


@dataclass(frozen=True)
class Shared:
    """What all trials of a source have in common.

    Attributes:
        caps: the most that a trial may cost; see `objectives.exceeded`.
        rungs: epochs after which a trial may be stopped.
        objective: what counts as better, its function called here; None if nothing is compared.
        cpus: of a trial.
        gpus: of a trial.
        deadline: time (Unix) after which the next report is the last; None is never.
        models: architectures from outside, which workers do not know by themselves.
        steps: where the driver hears of steps; None if it does not.
    """

    caps: Mapping[str, float]
    rungs: tuple[int, ...]
    objective: Objective | None
    cpus: int
    gpus: float
    deadline: float | None
    models: tuple[type[Any], ...] = ()
    steps: Address | None = None


class StorageError(OSError):
    """A storage that could not be used for as long as it is waited for; no fault of the trial's."""


class Sent(tune.Checkpoint):
    """A checkpoint that is where it was sent, or an error.

    Ray makes one for the place that it copied to, before it reports. Its copying, pyarrow's, says
    nothing where an object storage refuses a file.
    """

    source: ClassVar[Path | None] = None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The files of a folder, to be sent by this process, one trial at a time."""
        cls.source = folder
        return cls(str(folder))

    def __init__(self, path: str, filesystem: "FileSystem | None" = None) -> None:
        super().__init__(path, filesystem)
        if filesystem is None or self.source is None:
            return
        for file in sorted(self.source.iterdir()):
            place = f"{self.path}/{file.name}"
            if filesystem.get_file_info(place).size != file.stat().st_size:
                with open(file, "rb") as source, filesystem.open_output_stream(place) as to:
                    shutil.copyfileobj(source, to, 1 << 22)


def run_trial(config: dict[str, Any], *, train: Trainable, data: Any, shared: Shared) -> None:
    """Train one trial; the function that Ray Tune calls.

    A checkpoint and the predictions go with a report wherever the trial may end: at the rungs, at
    the last epoch, past a cap and after the deadline, and otherwise once a minute. An error of the
    trial's own is reported rather than raised, for raising makes Ray try again what would only fail
    again; a lost worker, a lack of memory or a storage that is away still is tried again.

    Args:
        config: from the searcher: `trial`, its name; `arch`, `config`, `seed` and `split` of the
            task; `resume`, a checkpoint's place, or None; `left_s`, seconds of the time budget, or
            None.
        train: what a trial does.
        data: its second argument.
        shared: what all trials share.
    """
    with loading():
        from captcha_models.architectures import register
        from captcha_models.training.checkpoint import CHECKPOINT_FILE

    for model in shared.models:
        register(model)
    # Of a GPU a trial that ran out of memory has more than the others: search/tuning/recorder.py.
    own = tune.get_context().get_trial_resources().required_resources
    teller = Teller(shared.steps, config["trial"])
    task = Task(
        arch=config["arch"],
        config=config["config"],
        seed=config["seed"],
        cpus=shared.cpus,
        gpus=own.get("GPU", shared.gpus),
        split=SplitSpec(**config["split"]) if config["split"] else None,
        on_step=teller,
    )
    epoch, last_saved = 0, time.monotonic()
    ends = _ends(shared, config["left_s"])

    def on_epoch(metrics: EpochMetrics, state: Savable) -> None:
        nonlocal epoch, last_saved
        found = shared.objective.measured(metrics) if shared.objective else metrics.as_dict()
        wanted = shared.objective and (shared.objective.metric, *shared.objective.metrics)
        compared = (*wanted, "train_nll", "valid_nll") if wanted else ()
        for name in compared:
            value = math.nan if found[name] is None else found[name]
            if not math.isfinite(value):
                raise NonFiniteLossError(f"{name} is {value} after epoch {metrics.epoch}")
        epoch = metrics.epoch
        row = {"epoch": epoch, "metrics": found}
        if shared.objective:
            row[VALUE] = found[shared.objective.metric]
        whole = epoch >= task.config["epochs"]
        if whole or exceeded(shared.caps, found) or _due(shared, epoch, last_saved, ends):
            with tempfile.TemporaryDirectory() as folder:
                state.save_model(Path(folder))
                if not whole:
                    state.save_checkpoint(Path(folder))
                last_saved = time.monotonic()
                row[PREDICTIONS] = json.dumps(state.predictions())
                with _storage():
                    tune.report(row, checkpoint=Sent.of(Path(folder)))
        else:
            tune.report(row)

    try:
        with teller, tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / CHECKPOINT_FILE
            begun = _fetch(config["resume"], kept)
            # One without a checkpoint is of the last report, which brought the model alone: all is
            # trained, only its end was missed.
            if not begun or kept.exists():
                train(task, data, on_epoch, Path(folder) if begun else None)
    except Exception as error:
        lost = isinstance(error, MemoryError | StorageError)
        if lost or type(error).__name__ == "OutOfMemoryError":
            raise
        key = FULL if is_full(error) else "error"
        tune.report({"epoch": epoch, key: one_line(error)})


def _fetch(resume: str | None, to: Path) -> bool:
    """Copy the checkpoint to go on from, if it is whole; whether there is anything to go on from.

    By its name: a storage may be late to list what is there.
    """
    kept = tune.get_checkpoint()
    with _storage():
        try:
            if kept is not None:
                place = f"{kept.path}/{to.name}"
                with kept.filesystem.open_input_stream(place) as source, open(to, "wb") as target:
                    shutil.copyfileobj(source, target)
            elif resume:
                Storage(resume).fetch(to.name, to)
        except FileNotFoundError:
            pass
    return bool(kept or resume)


@contextmanager
def _storage() -> Iterator[None]:
    """While the storage is used: what it raises is no error of the trial's."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise
        raise StorageError(one_line(error)) from error


def _ends(shared: Shared, left_s: float | None) -> float:
    """When the time budget is spent, by the clock that nobody sets.

    The driver's time tells it best, for a worker may start late; but no later than what was left
    when the trial was suggested, or a clock that goes wrong would cost the models.
    """
    by_date = math.inf if shared.deadline is None else shared.deadline - time.time()
    return time.monotonic() + min(by_date, math.inf if left_s is None else left_s)


def _due(shared: Shared, epoch: int, last_saved: float, ends: float) -> bool:
    late = time.monotonic() >= ends - EARLY_S
    waited = time.monotonic() - last_saved >= CHECKPOINT_EVERY_S
    return epoch in shared.rungs or late or waited
