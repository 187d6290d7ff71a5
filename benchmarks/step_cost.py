"""Cost of telling the driver of a training's steps, beside the shortest step there is.

    python -m benchmarks.step_cost

Each figure is CPU time of this process, the least of several rounds, for what else the machine does
only adds to it.
"""

import time
from collections.abc import Callable
from types import SimpleNamespace

import click

from captcha_models.training.callbacks import EpochReport
from search.tuning.steps import EVERY_S, Steps, Teller

ROUNDS, CALLS = 7, 20_000
STEP_S = 0.005
"""3,200 images a second in batches of 16; on a CPU core steps take thirty times as long."""


def least_us(call: Callable[[int], object]) -> float:
    """Microseconds of a call, in the quickest of all rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for number in range(2, CALLS + 2):
            call(number)
        found.append((time.process_time() - began) / CALLS * 1e6)
    return min(found)


def report(tell: Teller | None) -> EpochReport:
    """The callback of a training, as fastai calls it after each step."""
    made = object.__new__(EpochReport)
    made.on_step = tell
    made.config = SimpleNamespace(batch_size=16)  # type: ignore[assignment]
    made.learn = SimpleNamespace(epoch=0, iter=1, n_iter=CALLS)
    return made


@click.command()
def main() -> None:
    """Print what a step and a datagram cost, and what share of a training that is."""
    with Steps("127.0.0.1") as steps, Teller(steps.address, "crnn-001") as tell:
        silent, telling = report(None), report(tell)
        tell(1, 1, 2, 16)
        step_us = least_us(lambda n: telling("after_batch")) - least_us(
            lambda n: silent("after_batch")
        )
        sent_us = least_us(lambda n: tell(1, 5, 5, 16))
    share = step_us / (STEP_S * 1e6) + sent_us / (EVERY_S * 1e6)
    click.echo(f"a step that is not told: {step_us:.2f} us; one that is: {sent_us:.1f} us")
    click.echo(f"of a training whose steps take {1000 * STEP_S:g} ms: {share:.4%}")


if __name__ == "__main__":
    main()
