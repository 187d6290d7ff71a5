"""Progress of a training in the terminal: a bar in an epoch, a line after it."""

import sys
from typing import Self

from fastai.callback.core import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from captcha_models.training.metrics import EpochMetrics
from captcha_models.words import percent

_HEAD = (
    "epoch  train loss  valid loss   train nll   valid nll         gap  captchas      CER  images/s"
)


class TrainingProgress(Callback):  # type: ignore[misc]  # fastai is untyped
    """Counts steps for the bar; `line` prints an epoch. Writes to standard error."""

    order = 90

    def __init__(self, epochs: int) -> None:
        console = Console(file=sys.stderr, width=None if sys.stderr.isatty() else 120)
        self.epochs = epochs
        self.printed_head = False
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self.bar.start()
        self.task = self.bar.add_task("training", total=None)
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def before_epoch(self) -> None:
        """Show where the training stands."""
        total = self.epochs * len(self.dls.train)
        done = self.epoch * len(self.dls.train)
        text = f"epoch {self.epoch + 1}/{self.epochs}"
        self.bar.update(self.task, total=total, completed=done, description=text)

    def after_batch(self) -> None:
        """One step further."""
        self.bar.advance(self.task)

    def line(self, metrics: EpochMetrics) -> None:
        """Print one epoch's figures."""
        if not self.printed_head:
            self.bar.console.print(_HEAD, highlight=False, style="bold")
            self.printed_head = True
        self.bar.console.print(
            f"{metrics.epoch:5d} {metrics.train_loss:11.4f} {metrics.valid_loss:11.4f} "
            f"{metrics.train_nll:11.4f} {metrics.valid_nll:11.4f} {metrics.gap:+11.4f} "
            f"{percent(metrics.valid_exact_match, 2):>9} {percent(metrics.valid_cer, 2):>8} "
            f"{metrics.images_per_s:9.0f}",
            highlight=False,
        )
