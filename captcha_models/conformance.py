"""Conformance of an architecture: checks that every recogniser has to pass, one's own too.

    python -m captcha_models.conformance file.py:NAME [--quick] [--set NAME=VALUE]

Exit codes: 0 all passed, 1 some failed, 2 wrong input.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch

from captcha_models.architectures import resolve
from captcha_models.architectures.heads import CTCRecogniser, PositionalRecogniser
from captcha_models.cli import ALL_FAILED, OK, assignments, command_line, files
from captcha_models.conformance_case import LABELS, MIXED_LABELS, Case, images, targets
from captcha_models.data.geometry import HEIGHT, WIDTH
from captcha_models.errors import InputError, one_line
from captcha_models.training.checkpoint import load_model
from captcha_models.words import percent

if TYPE_CHECKING:
    from captcha_models.training.state import TrainingState


class ConformanceError(AssertionError):
    """What an architecture does not do; the text says it."""


def _require(condition: object, text: str) -> None:
    if not condition:
        raise ConformanceError(text)


def shapes(case: Case) -> None:
    """Logits, losses and predictions have the shapes and ranges that the family asks for."""
    model = case.model().eval()
    count, length, classes = len(LABELS), len(LABELS[0]), model.charset.num_classes
    with torch.no_grad():
        logits = model(images())
    wanted: tuple[int, ...] | None = None
    if isinstance(model, CTCRecogniser):
        steps = model.num_steps(model.config, (HEIGHT, WIDTH))
        wanted = (steps, count, classes)
    elif isinstance(model, PositionalRecogniser):
        wanted = (count, length, classes)
    _require(
        wanted in (None, logits.shape),
        f"forward returns {tuple(logits.shape)} for {count} images, not {wanted}",
    )
    nll, loss = model.nll(logits, targets(model)), model.loss(logits, targets(model))
    _require(nll.shape == (count,), f"nll has shape {tuple(nll.shape)}, not ({count},)")
    _require(loss.shape == (), f"loss has shape {tuple(loss.shape)}, it must be one number")
    for name, found in (("forward", logits), ("nll", nll), ("loss", loss)):
        _require(torch.isfinite(found).all(), f"{name} returns numbers that are not finite")
    # Nats of a model that has learned nothing: about those of guessing, never near 0.
    mean = float(nll.mean())
    _require(
        8 < mean < 160, f"untrained, the NLL is {mean:.1f} nats per captcha, far from guessing"
    )
    for best in model.read(logits, n_best=3):
        scores = [hypothesis.log_prob for hypothesis in best]
        _require(len(best) == 3, f"read returns {len(best)} labellings where 3 are asked for")
        _require(scores == sorted(scores, reverse=True), "read does not return the best first")
        known = all(0 < i < classes for hypothesis in best for i in hypothesis.ids)
        _require(known, f"read returns class ids outside 1..{classes - 1}")


def scores_agree(case: Case) -> None:
    """The log-probability of what is read is minus its NLL."""
    model = case.model().eval()
    for image in images(3)[:, None]:
        with torch.no_grad():
            logits = model(image)
        [[best, *_]] = model.read(logits)
        if best.ids:
            nll = model.nll(logits, torch.tensor([best.ids])).item()
            _require(
                abs(nll + best.log_prob) < 1e-3 * max(1, nll),
                f"read gives a label ln p = {best.log_prob:.4f}, nll gives it {nll:.4f} nats",
            )


def labels_refused(case: Case) -> None:
    """Labels that can never be read are refused by name before a training."""
    model = case.model()
    size, length = (HEIGHT, WIDTH), len(LABELS[0])
    model.check(model.config, LABELS, size, length)
    if isinstance(model, CTCRecogniser):
        impossible = "2" * (model.num_steps(model.config, size) // 2 + 2)
    elif isinstance(model, PositionalRecogniser):
        impossible = LABELS[0] + "2"
    else:
        return
    try:
        model.check(model.config, [*LABELS, impossible], size, length)
    except InputError as error:
        named = impossible in str(error) or str(len(impossible)) in str(error)
        _require(named, f"check does not name what it refuses: {error}")
        return
    raise ConformanceError(f"check accepts {impossible!r}, which it can never read")


def mixed_lengths(case: Case) -> None:
    """Where lengths differ, a label's NLL is that of what is read, and all labels' are proper."""
    model = case.model(mixed=True).eval()
    try:
        model.check(model.config, MIXED_LABELS, (HEIGHT, WIDTH))
    except InputError:
        return  # It says that it reads one length alone.
    with torch.no_grad():
        logits = model(images())
    nll = model.nll(logits, targets(model))
    _require(
        nll.shape == (len(MIXED_LABELS),) and torch.isfinite(nll).all(),
        f"nll of labels of mixed length is {nll.tolist()}",
    )
    _require(torch.isfinite(model.loss(logits, targets(model))), "their loss is not finite")
    for image in images(2)[:, None]:
        with torch.no_grad():
            logits = model(image)
        [found] = model.read(logits, n_best=20)
        total = 0.0
        for hypothesis in filter(lambda one: one.ids, found):
            again = model.nll(logits, torch.tensor([hypothesis.ids])).item()
            _require(
                abs(again + hypothesis.log_prob) < 1e-3 * max(1, again),
                f"read gives a label of {len(hypothesis.ids)} characters ln p = "
                f"{hypothesis.log_prob:.4f}, nll gives it {again:.4f} nats",
            )
            total += math.exp(hypothesis.log_prob)
        _require(total <= 1 + 1e-4, f"probabilities of different labels add up to {total}")
    model.train().training_loss(images(), targets(model)).backward()  # type: ignore[no-untyped-call]


def rows_independent(case: Case) -> None:
    """In eval mode what an image gets does not depend on its neighbours in the batch."""
    model = case.model(normalize=True).eval()
    with torch.no_grad():
        together = model.nll(model(images()), targets(model))
        pairs = zip(images()[:, None], targets(model)[:, None], strict=True)
        alone = torch.cat([model.nll(model(image), target) for image, target in pairs])
    apart = float((together - alone).abs().max())
    _require(
        torch.allclose(together, alone, atol=1e-3, rtol=1e-4),
        f"an image's NLL changes by {apart:.3g} nats with the others in its batch",
    )


def grey_is_colour(case: Case) -> None:
    """A grey image and the same one in three channels get the same logits."""
    model = case.model(normalize=True).eval()
    with torch.no_grad():
        grey, colour = model(images(2)), model(images(2).repeat(1, 3, 1, 1))
    _require(
        torch.allclose(grey, colour, atol=1e-3, rtol=1e-3),
        "grey and colour of the same pixels differ: forward has to begin with self.prepare(images)",
    )


def gradients_everywhere(case: Case) -> None:
    """The training loss has a gradient for every parameter."""
    model = case.model()
    for name, parameter in model.named_parameters():
        if name.endswith("weight") and not parameter.any():
            # Some start the last normalisation of a block at 0, which hides the block.
            torch.nn.init.ones_(parameter)
    model.training_loss(images(), targets(model)).backward()  # type: ignore[no-untyped-call]
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    _require(not missing, f"no gradient reaches {', '.join(missing[:5])}")


def seeds_repeat(case: Case) -> None:
    """The same seed gives the same losses, and a resumed training goes on as if never stopped."""

    def run(resume: Path | None = None, keep: Path | None = None) -> list[tuple[float, float]]:
        seen = []

        def on_epoch(state: "TrainingState") -> None:
            seen.append((state.metrics.train_loss, state.metrics.valid_nll))
            if keep and state.metrics.epoch == 2:
                state.save_checkpoint(keep)

        case.fit({"epochs": 3, "lr": 1e-3}, on_epoch, resume)
        return seen

    with tempfile.TemporaryDirectory() as folder:
        whole, again = run(keep=Path(folder)), run()
        _require(whole == again, f"the same seed gave losses {whole} and {again}")
        rest = run(resume=Path(folder))
        _require(rest == whole[2:], f"resumed, the last epoch is {rest}, else {whole[2:]}")


def saved_agrees(case: Case) -> None:
    """A saved model, loaded again, returns the same logits bit for bit."""
    last = case.fit({"epochs": 1}, count=8)
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_model(last.save_model(Path(folder)))
    _require(loaded.card.parsed_config() == last.model.config, "its configuration changed")
    last.model.eval()
    with torch.no_grad():
        same = torch.equal(loaded.model(images()), last.model(images()))
    _require(same, "a saved model, loaded again, answers otherwise")


def learns_by_heart(case: Case, mixed: bool = False) -> None:
    """Eight images are learned by heart within 60 epochs, dropout and smoothing off."""
    epochs = 80 if mixed else 60
    fields = case.architecture.config_class.model_fields
    off = {name: 0.0 for name in fields if "dropout" in name or "smoothing" in name}
    plain = {"epochs": epochs, "augment": 0, "normalize": True}
    plain = {name: value for name, value in plain.items() if name not in case.values}
    last = case.fit({**plain, **off}, count=8, mixed=mixed, every_epoch=False)
    read = last.metrics.valid_exact_match
    _require(read == 1, f"of eight images {percent(read, 0)} are read after training on them alone")


def learns_mixed_lengths(case: Case) -> None:
    """So are eight images of 3 to 5 symbols, within 80 epochs."""
    try:
        case.model().check(case.model().config, MIXED_LABELS, (HEIGHT, WIDTH))
    except InputError:
        return  # It says that it reads one length alone.
    learns_by_heart(case, mixed=True)


Check = Callable[[Case], None]
QUICK: tuple[Check, ...] = (
    shapes, scores_agree, labels_refused, mixed_lengths, rows_independent, grey_is_colour,
    gradients_everywhere,
)  # fmt: skip
SLOW: tuple[Check, ...] = (seeds_repeat, saved_agrees, learns_by_heart, learns_mixed_lengths)
"""Checks that train."""


@dataclass(frozen=True)
class Result:
    """How a check ended: its name, what it asks for, what failed (None if it passed), seconds."""

    name: str
    asks: str
    failure: str | None
    seconds: float


def run(case: Case, quick: bool = False) -> Iterator[Result]:
    """Put an architecture through the checks, one after another; `quick` leaves trainings out."""
    for check in QUICK if quick else (*QUICK, *SLOW):
        began, failure = time.perf_counter(), None
        try:
            check(case)
        except ConformanceError as error:
            failure = str(error)
        except Exception as error:
            # Whatever the code under test does wrong.
            failure = one_line(error)
        seconds = time.perf_counter() - began
        yield Result(check.__name__, (check.__doc__ or "").strip(), failure, seconds)


@click.command()
@click.argument("architecture", shell_complete=files)
@click.option("--quick", is_flag=True, help="Leave out the checks that train.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set one field.")
def conformance(architecture: str, quick: bool, pairs: tuple[str, ...]) -> int:
    """Check that ARCHITECTURE (a name, file.py:NAME or module:NAME) does what it owes."""
    found = resolve(architecture)
    values = assignments(pairs)
    found.config_class.parse(values)
    failed = 0
    for result in run(Case(found, values), quick):
        failed += result.failure is not None
        mark = "pass" if result.failure is None else "FAIL"
        click.echo(
            f"{mark}  {result.seconds:5.1f} s  {result.name}: {result.failure or result.asks}"
        )
    return ALL_FAILED if failed else OK


if __name__ == "__main__":
    command_line(conformance)
