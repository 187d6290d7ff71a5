"""Train a list of fits on Ray, as many at a time as there is room, and keep a row of each."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError, one_line
from search.cluster.connection import connect, share
from search.confirmation.fits import Fit, Row, run_fit
from search.store.jsonl import Table, read_table
from search.tuning.settings import Settings
from search.tuning.stopping import Control

RETRIES = 2
"""Further attempts of a fit whose worker was lost or that ran out of memory."""

Work = Callable[[Fit, LabelledImages, int, float, Path], Row]


@dataclass
class Batch:
    """A table of fits, and where they run.

    A fit whose row is in the table is not run again; one that failed is tried again by the next
    start. A fit that was interrupted goes on from its last checkpoint, where its worker can see
    the table's folder.

    Attributes:
        path: the table, a row per finished fit.
        images: all images.
        say: prints one line.
        address: of Ray; see `cluster.connect`.
        num_cpus: of a private local Ray; None is all.
        gpus_per_trial: of each fit; None is one where there are GPUs.
        cpus_per_trial: of each fit; None is one, or up to four beside a GPU.
        max_concurrent: most fits at a time; None is all that fit.
        first: called when all is ready and something is left to be trained; it may refuse.
        work: what a fit is.
    """

    path: Path
    images: LabelledImages
    say: Callable[[str], None]
    address: str | None = None
    num_cpus: int | None = None
    gpus_per_trial: float | None = None
    cpus_per_trial: int | None = None
    max_concurrent: int | None = None
    first: Callable[[], None] = lambda: None
    work: Work = run_fit

    def run(self, fits: Sequence[Fit]) -> list[Row | None]:
        """Train what has no row yet.

        Returns:
            The row of each fit, in their order; None for one that failed, which was said.

        Raises:
            InputError: another process is writing the table, or the cluster cannot hold a fit.
            KeyboardInterrupt: the rows of what had ended are kept.
        """
        wanted = {fit.key(self.images.digest): fit for fit in fits}
        with self._locked():
            rows = {key: row for key, row in self.rows().items() if key in wanted}
            missing = {key: fit for key, fit in wanted.items() if key not in rows}
            self.say(f"fits: {len(rows)} of {len(wanted)} are done: {self.path}")
            failures = []
            if missing:
                with Control().signals():
                    for key, row in self._train(missing):
                        with Table(self.path) as table:
                            table.append({"key": key, **row})
                        shutil.rmtree(self._unfinished(key), ignore_errors=True)
                        if row["error"] is None:
                            rows[key] = row
                        else:
                            failures.append(f"{wanted[key]} failed: {row['error']}")
                        done = f"{len(rows)} of {len(wanted)}"
                        self.say(f"{done}: {wanted[key]}: {_figures(row)}")
        for line in failures:
            self.say(line)
        return [rows.get(fit.key(self.images.digest)) for fit in fits]

    def rows(self) -> dict[str, Row]:
        """The rows of fits that have succeeded, by key."""
        found = read_table(self.path) if self.path.exists() else []
        return {row["key"]: row for row in found if row["error"] is None}

    def _train(self, missing: Mapping[str, Fit]) -> Iterator[tuple[str, Row]]:
        with connect(self.address, num_cpus=self.num_cpus) as cluster:
            import ray

            each = share(cluster, self._settings(len(missing)))
            gpus = f" and {each.gpus:g} GPU" if each.gpus else ""
            self.say(
                f"ray: {cluster.description}; {each.concurrent} fit(s) at a time, each with "
                f"{each.cpus} CPU(s){gpus}"
            )
            self.first()
            # Connecting has put Ray's own handler of SIGTERM in the place of ours.
            with Control().signals():
                remote = ray.remote(
                    num_cpus=each.cpus,
                    num_gpus=each.gpus,
                    max_retries=RETRIES,
                    retry_exceptions=True,
                )(self.work)
                images = ray.put(self.images)
                waiting, running = list(missing.items()), dict[Any, str]()
                while waiting or running:
                    while waiting and len(running) < each.concurrent:
                        key, fit = waiting.pop(0)
                        folder = self._unfinished(key).resolve()
                        task = remote.remote(fit, images, each.cpus, each.gpus, folder)
                        running[task] = key
                    # Short waits, so that a signal is seen at once.
                    for task in ray.wait(list(running), timeout=0.5)[0]:
                        key = running.pop(task)
                        try:
                            row: Row = ray.get(task)
                        except Exception as error:
                            row = {**missing[key].describe(), "error": one_line(error)}
                        yield key, row

    def _unfinished(self, key: str) -> Path:
        return self.path.parent / f".{self.path.stem}-unfinished" / key[:16]

    def _settings(self, count: int) -> Settings:
        if str(self.gpus_per_trial) == "auto":
            raise InputError("--gpus-per-trial auto: a search measures it; here give 1/n or whole")
        wanted = {
            "gpus_per_trial": self.gpus_per_trial,
            "cpus_per_trial": self.cpus_per_trial,
            "max_concurrent": self.max_concurrent,
        }
        return Settings.parse({"spaces": ("fits",), "trials": count, **wanted})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock").acquire(timeout=0):
                yield
        except Timeout:
            raise InputError(
                f"another process is writing {self.path}: wait for it, or stop it"
            ) from None


def _figures(row: Row) -> str:
    if row["error"] is not None:
        return str(row["error"])
    return (
        f"NLL {row['nll']:.4f}, gap {row['gap']:+.4f}, captchas {row['exact_match']:.2%}, "
        f"{row['seconds']:.0f} s"
    )
