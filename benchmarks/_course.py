"""A training that ends as soon as it reads well enough."""

from dataclasses import asdict

import click
import torch
from fastai.callback.core import Callback, CancelFitException

from benchmarks._side_by_side import Spent, Stopwatch
from benchmarks.source_recipe import BATCH_SIZE, LENGTH

IN_A_ROW = 2


class Course:
    """The evaluations of one training; tells when it may stop."""

    def __init__(
        self,
        name: str,
        device: torch.device,
        target: float,
        limit: float,
        ahead: Spent | None = None,
    ) -> None:
        self.name, self.target, self.limit = name, target, limit
        self.watch = Stopwatch(device, ahead)
        self.history: list[dict[str, float]] = []

    @property
    def reached(self) -> bool:
        last = self.history[-IN_A_ROW:]
        return len(last) == IN_A_ROW and all(e["accuracy"] >= self.target for e in last)

    def evaluated(self, images_seen: int, accuracy: float, nll: float) -> None:
        """Take an evaluation in.

        Raises:
            CancelFitException: fastai's way to end a training, here because nothing more is asked.
        """
        spent = asdict(self.watch.read())
        self.history.append({"images_seen": images_seen, "accuracy": accuracy, "nll": nll, **spent})
        click.echo(
            f"{self.name}: {images_seen} images seen, {accuracy:.2%}, NLL {nll:.3f}, "
            f"{spent['wall_s']:.0f} s, {spent['cpu_s']:.0f} s of processor time",
            err=True,
        )
        if self.reached or images_seen >= self.limit:
            raise CancelFitException


class Scribe(Callback):  # type: ignore[misc]  # fastai is untyped
    """Hands the peer's own figures on after each epoch."""

    order = 60  # after fastai's Recorder

    def __init__(self, course: Course) -> None:
        self.course = course

    def after_epoch(self) -> None:
        _, loss, accuracy = self.recorder.values[-1]
        images_seen = (self.epoch + 1) * len(self.dls.train) * BATCH_SIZE
        # nn.CTCLoss divides by the label's length, and all have the same.
        self.course.evaluated(images_seen, float(accuracy), float(loss) * LENGTH)
