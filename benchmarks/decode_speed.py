"""Speed and exactness of the CTC decoders, beside the source article's and their peers'.

    python -m benchmarks.decode_speed [--quick] [--json]

Microseconds per sequence for 13 steps x 20 classes and beam width 10, on random emissions (the
softmax of standard normal logits: flat, the hardest case for a beam) and on trained-like ones
(`benchmarks.emissions`). On the CPU: processor time on one thread. Where there is a GPU, ours run
there too, in wall time, from emissions on the GPU to lists on the host.

Every round times all decoders in turn, so that a slow moment of the machine meets them all; a
figure is the median of the rounds, with the least and the most. A turn lasts 50 ms or more. Ours
and fast-ctc-decode decode 1,000 sequences at a time, the slow ones a part of them; inputs are
prepared beforehand in the form that a decoder takes. Ratios are the article's time over a
decoder's, round by round: 300 is 300 times as quick.

Exact is the share of answers that are the truly most probable labelling, by enumeration of all
4,096 alignments of 6 steps x 4 classes: flat / medium / sharp random emissions.

pyctcdecode is shown where it is installed. It pins numpy < 2 but works with later ones:
`uv pip install --no-deps pyctcdecode pygtrie`.
"""

import gc
import json
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import click
import fast_ctc_decode
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.article_decoder import article_decode
from benchmarks.emissions import CLASSES, STEPS, random_emissions, trained_like_emissions
from captcha_models.ctc.loss import beam_decode, greedy_decode
from tests.reference import AllPaths

WIDTH, ARTICLE, FAST = 10, "the article's", "fast-ctc-decode, cut 0.01"
OURS = f"ours, beam {WIDTH}"
LEAST_S = 0.05  # a decoder's turn in a round lasts at least so long
SHARPNESS = {"flat": 1.0, "medium": 3.0, "sharp": 8.0}
ALPHABET = [chr(ord("a") + c) for c in range(CLASSES)]

Labellings = list[list[int]]
Decode = Callable[[Tensor], Callable[[], Labellings]]


@dataclass(frozen=True)
class Decoder:
    """A decoder under test.

    Attributes:
        name: as the table shows it.
        bind: turns log-softmax outputs (T, N, K) into a call that decodes them, ready to be timed.
        share: part of the sequences it is timed on.
        clock: seconds of processor time; wall time for what does not run on the processor.
    """

    name: str
    bind: Decode
    share: float = 1.0
    clock: Callable[[], float] = time.process_time


def ours(log_probs: Tensor, n_best: int = 1) -> Callable[[], Labellings]:
    """`beam_decode`; `n_best` above 1 turns its short cut off."""

    def decode() -> Labellings:
        return [list(found[0].ids) for found in beam_decode(log_probs, WIDTH, n_best)]

    return decode


def on_gpu(bind: Decode, log_probs: Tensor) -> Callable[[], Labellings]:
    """The same on the GPU; lists on the host are what a call ends with, so it waits by itself."""
    return bind(log_probs.cuda())


def article(log_probs: Tensor) -> Callable[[], Labellings]:
    """The article's decoder on numpy rows."""
    images = list(log_probs.transpose(0, 1).contiguous().numpy())
    return lambda: [article_decode(image, WIDTH) for image in images]


def fast(log_probs: Tensor, cut: float) -> Callable[[], Labellings]:
    """fast-ctc-decode, which leaves out classes less probable than `cut`."""
    images = list(log_probs.exp().transpose(0, 1).contiguous().numpy())
    alphabet = ALPHABET[: log_probs.shape[2]]

    def decode() -> Labellings:
        texts = (fast_ctc_decode.beam_search(x, alphabet, WIDTH, cut)[0] for x in images)
        return [[ord(symbol) - ord("a") for symbol in text] for text in texts]

    return decode


def pyctc(log_probs: Tensor) -> Callable[[], Labellings]:
    """The same for pyctcdecode, without a language model."""
    logging.getLogger("pyctcdecode").setLevel(logging.ERROR)  # it misses a language model
    from pyctcdecode import build_ctcdecoder

    images = list(log_probs.transpose(0, 1).contiguous().numpy())
    decoder = build_ctcdecoder(["", *ALPHABET[1 : log_probs.shape[2]]])
    return lambda: [
        [ord(symbol) - ord("a") for symbol in decoder.decode(x, beam_width=WIDTH)] for x in images
    ]


def decoders() -> list[Decoder]:
    """All decoders that can run here, ours first."""
    of_ours: dict[str, Decode] = {
        "ours, greedy": lambda x: partial(greedy_decode, x),
        OURS: ours,
        f"{OURS}, 2 best*": partial(ours, n_best=2),
    }
    found = [Decoder(name, bind) for name, bind in of_ours.items()]
    if torch.cuda.is_available():
        found += [
            Decoder(f"{name}, GPU", partial(on_gpu, bind), clock=time.perf_counter)
            for name, bind in of_ours.items()
        ]
    found += [
        Decoder(ARTICLE, article, share=0.05),
        Decoder(FAST, partial(fast, cut=0.01)),
        Decoder("fast-ctc-decode, cut 0", partial(fast, cut=0.0)),
    ]
    if find_spec("pyctcdecode"):
        found.append(Decoder("pyctcdecode", pyctc, share=0.02))
    return found


def timed(found: Sequence[Decoder], log_probs: Tensor, rounds: int) -> dict[str, list[float]]:
    """Microseconds per sequence of every round, by decoder."""
    turns = []
    for decoder in found:
        num = max(10, round(decoder.share * log_probs.shape[1]))
        call = decoder.bind(log_probs[:, :num].contiguous())
        call()
        once = seconds(decoder.clock, call)  # a call of 2 ms is over before caches are warm
        turns.append((decoder, num, call, 1 + int(LEAST_S / once)))
    times: dict[str, list[float]] = {decoder.name: [] for decoder in found}
    for _ in range(rounds):
        for decoder, num, call, repeats in turns:
            taken = seconds(decoder.clock, call, repeats)
            times[decoder.name].append(1e6 * taken / (num * repeats))
    return times


def seconds(clock: Callable[[], float], call: Callable[[], Labellings], repeats: int = 1) -> float:
    """Time of all calls together."""
    gc.disable()  # as timeit does: a collection costs whoever happens to trigger it
    start = clock()
    for _ in range(repeats):
        call()
    taken = clock() - start
    gc.enable()
    return taken


def exact_shares(found: Sequence[Decoder], num: int, generator: torch.Generator) -> dict[str, str]:
    """Share of answers as probable as the best labelling, in percent, by decoder."""
    paths = AllPaths(num_steps=6, num_classes=4)
    column = {label: i for i, label in enumerate(paths.labellings)}
    shares: dict[str, list[str]] = {decoder.name: [] for decoder in found}
    for sharp in SHARPNESS.values():
        logits = sharp * torch.randn(6, num, 4, generator=generator)
        log_probs = logits.log_softmax(dim=2)
        table = paths.log_probabilities(log_probs.numpy())
        for decoder in found:
            answers = [column[tuple(label)] for label in decoder.bind(log_probs)()]
            exact = table[np.arange(num), answers] > table.max(axis=1) - 1e-5
            shares[decoder.name].append(f"{100 * exact.mean():.1f}")
    return {name: " / ".join(parts) for name, parts in shares.items()}


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


def ratios(slow: Sequence[float], quick: Sequence[float]) -> tuple[float, float, float]:
    """How many times as quick: median, least and most of the rounds."""
    return spread([a / b for a, b in zip(slow, quick, strict=True)])


def shown(values: tuple[float, float, float]) -> str:
    """`median (least-most)` in three digits."""
    median, low, high = (f"{v:,.0f}" if v >= 100 else f"{v:.3g}" for v in values)
    return f"{median} ({low}-{high})"


@click.command(help="Time our CTC decoders beside the article's and two packages'.")
@click.option("--quick", is_flag=True, help="Fewer rounds and cases: about ten seconds.")
@click.option("--json", "as_json", is_flag=True, help="End with a line of JSON.")
def main(quick: bool, as_json: bool) -> None:
    """Print the table, and the ratios on the trained-like emissions as JSON."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    num, (rounds, cases) = 1000, (5, 300) if quick else (11, 2000)
    found = decoders()
    settings = {
        "random": random_emissions(num, generator),
        "trained-like": trained_like_emissions(num, generator),
    }
    times = {name: timed(found, log_probs, rounds) for name, log_probs in settings.items()}
    shares = exact_shares(found, cases, generator)

    table = Table(title=f"us per sequence, {STEPS} steps x {CLASSES} classes, {rounds} rounds")
    table.caption = "* more than one: no short cut. GPU: wall time."
    table.add_column("decoder")
    for name in settings:
        table.add_column(name, justify="right")
        table.add_column("x article", justify="right")
    table.add_column("exact, %: " + " / ".join(SHARPNESS), justify="right")
    for decoder in found:
        cells = []
        for by_decoder in times.values():
            own = by_decoder[decoder.name]
            cells += [shown(spread(own)), shown(ratios(by_decoder[ARTICLE], own))]
        table.add_row(decoder.name, *cells, shares[decoder.name])
    if not find_spec("pyctcdecode"):
        table.add_row("pyctcdecode", "not installed")
    Console(width=160).print(table)

    if as_json:
        trained = times["trained-like"]
        result: dict[str, float] = {}
        for suffix, peer in (("", ARTICLE), ("_fast_ctc_decode", FAST)):
            values = ratios(trained[peer], trained[OURS])
            result |= {
                key + suffix: round(value, 2)
                for key, value in zip(("ratio", "low", "high"), values, strict=True)
            }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
