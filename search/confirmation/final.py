"""Final models of a confirmation: each winner trained on all that is not locked, to be used.

    confirmed/SPACE/model.safetensors   the winner of each space; its card says how it was chosen
    best/model.safetensors              the best of them, with MODEL_CARD.md

Where a winner is trained for the locked test set, the first of these trainings is the final one;
else one more is trained, which is not scored. Each file appears whole or not at all, and what is
there is not trained again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from captcha_models.inference.model_card import describe, markdown
from captcha_models.training.checkpoint import (
    MODEL_FILE,
    load_model,
    read_header,
    read_tensors,
    write_tensors,
    write_whole,
)
from captcha_models.training.choice import Choice, Figures
from search.confirmation.candidates import Candidate, Plan
from search.store.listed import CONFIRMED, FITS, ListedTrial, kept_models
from search.tuning.list_run import ListRun

CARD_FILE = "MODEL_CARD.md"
Result = Mapping[str, Any]
"""Of a space, as confirmed/SPACE.json has it."""


@dataclass(frozen=True)
class Winner:
    """Who won a space, and what is trained of it.

    Attributes:
        space: the space.
        line: its figures.
        chosen_by: one of the trainings that chose it.
        tests: its trainings for the test set; the first leaves its model.
    """

    space: str
    line: Mapping[str, Any]
    chosen_by: ListedTrial
    tests: Sequence[ListedTrial]

    @classmethod
    def of(cls, space: str, one: Candidate, line: Mapping[str, Any], plan: Plan) -> "Winner":
        """The winner of a space by its line among the candidates."""
        first, *more = one.test_fits(plan, line["temperature"])
        return cls(space, line, one.fits(plan)[0], [replace(first, keep=True), *more])

    @property
    def final(self) -> ListedTrial:
        """The first training for the test set once more, but not scored on it."""
        return replace(self.tests[0], scored=False)

    def keys(self, digest: str) -> tuple[str, str]:
        """Keys of the two trainings that give the final model: the same, scored or not."""
        return self.tests[0].key(digest), self.final.key(digest)

    def cost(self, images: LabelledImages) -> str:
        """How long a training on all that is not locked takes, going by those that chose it."""
        ours, theirs = (len(fit.split(images).train) for fit in (self.final, self.chosen_by))
        seconds = self.line["seconds"] * ours / theirs
        long = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, round(seconds))} s"
        return f"on all {ours:,} images that are not locked, about {long} each"


def train_finals(
    winners: Sequence[Winner], trials: ListRun, run: Path, say: Callable[[str], None]
) -> dict[str, Path]:
    """Where the model of each winner is, by space; what is missing is trained.

    Spaces whose training has failed are left out; it is printed why.
    """
    missing = [one for one in winners if _model(one, trials.images.digest, run) is None]
    for one in missing:
        say(f"{one.space}: final training of {one.final.name} {one.cost(trials.images)}")
    if missing:
        trials.run([one.final for one in missing])
    found = {one.space: _model(one, trials.images.digest, run) for one in winners}
    return {space: model for space, model in found.items() if model}


def place(winner: Winner, model: Path, run: Path, digest: str, result: Result) -> str:
    """Put a winner's model into RUN/confirmed/SPACE, with what the confirmation says of it.

    Args:
        winner: of the space.
        model: see `train_finals`.
        run: the run folder.
        digest: of the images.
        result: of the space.

    Returns:
        Which model it is, in one line.

    Raises:
        InputError: it cannot be written; a former model stays whole.
    """
    to = file_of(run, winner.space)
    kept = {key: file for key, file in kept_models(run / FITS).items()
            if key in winner.keys(digest)}  # fmt: skip
    before = _choice(to)
    key = before.key if before and model == to else next(k for k in kept if kept[k] == model)
    choice = Choice(
        space=winner.space,
        trial=winner.line["name"],
        confirmed=result["verdict"]["confirmed"],
        says=result["verdict"]["says"],
        folds=result["plan"]["folds"],
        held_out=Figures.model_validate(winner.line),
        test=Figures.model_validate(result["test"]["winner"]) if result["test"] else None,
        key=key,
    )
    if model != to or before != choice:
        tensors, header = read_tensors(model)
        write_tensors(to, tensors, {**header, "choice": choice.model_dump(mode="json")})
    return choice.describe(read_header(to)["data"]["num_train"])


def clear_kept(winners: Sequence[Winner], run: Path, digest: str) -> None:
    """Remove the models of trainings once all winners have theirs: two may share one training."""
    keys = {key for one in winners for key in one.keys(digest)}
    for key, file in kept_models(run / FITS).items():
        if key in keys:
            file.unlink()


def put_best(run: Path, results: Mapping[str, Result], target_nll: float | None) -> str | None:
    """Make RUN/best hold the model of the best winner of all spaces.

    The best has the least NLL; with a target it is the cheapest of those that reach it, if any
    does. Its card is taken away before and put back after, so that none lies beside another model.

    Args:
        run: the run folder.
        results: by space, of this confirmation; spaces confirmed before it count, too.
        target_nll: of a search for the cheapest; None for any other.

    Returns:
        The space; None where the best winner has no model, and RUN/best stays as it was.

    Raises:
        InputError: it cannot be written; a former model stays whole.
    """

    def order(space: str) -> tuple[float, ...]:
        line = next(one for one in every[space]["candidates"] if one["chosen"])
        nll: float = line["nll"]["mean"]
        reaches = target_nll is not None and nll <= target_nll
        return (0, line["images_seen"], nll) if reaches else (1, nll)

    every = {**_before(run), **{name: one for name, one in results.items() if one["chosen"]}}
    best = min(every, key=order, default=None)
    if best is None or (best in results and not results[best]["model"]):
        return None
    model, card = run / "best" / MODEL_FILE, run / "best" / CARD_FILE
    data = file_of(run, best).read_bytes()
    if not (model.is_file() and model.read_bytes() == data):
        card.unlink(missing_ok=True)
        write_whole(model, data)
    loaded = load_model(model)
    about = describe(loaded.card.without_paths(), "safetensors", False, loaded.model.any_width)
    write_whole(card, markdown(about).encode())
    return best


def file_of(run: Path, space: str) -> Path:
    """Where the confirmed winner of a space is, if there is one."""
    return run / CONFIRMED / space / MODEL_FILE


def _model(winner: Winner, digest: str, run: Path) -> Path | None:
    keys, to = winner.keys(digest), file_of(run, winner.space)
    placed, kept = _choice(to), kept_models(run / FITS)
    if placed and placed.key in keys:
        return to
    return next((kept[key] for key in keys if key in kept), None)


def _choice(file: Path) -> Choice | None:
    """What a model file says of its choice; None where there is none, or no whole file."""
    try:
        return Choice.model_validate(read_header(file)["choice"])
    except (InputError, KeyError, ValidationError):
        return None


def _before(run: Path) -> dict[str, Result]:
    """Results of spaces that have a winner's model, as earlier calls left them."""
    found = {}
    for file in (run / CONFIRMED).glob(f"*/{MODEL_FILE}"):
        try:
            result = json.loads((run / CONFIRMED / f"{file.parent.name}.json").read_text("utf-8"))
            chosen = next(one for one in result["candidates"] if one["chosen"])
            placed = _choice(file)
            if placed and placed.trial == chosen["name"] and chosen["nll"]["mean"] is not None:
                found[file.parent.name] = result
        except (OSError, ValueError, LookupError, TypeError, StopIteration):
            continue
    return found
