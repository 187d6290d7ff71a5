"""Model files: weights and the JSON that rebuilds the model, in safetensors; nothing is pickled."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from captcha_models.architectures import build, config_class, names, resolve
from captcha_models.architectures.base import Recogniser
from captcha_models.charset import Charset
from captcha_models.config import Config
from captcha_models.data.geometry import LARGEST, SMALLEST, Geometry
from captcha_models.errors import InputError, explain
from captcha_models.renamed import renamed
from captcha_models.training.choice import Choice
from captcha_models.training.seen import Seen

MODEL_FILE = "model.safetensors"
CHECKPOINT_FILE = "checkpoint.safetensors"
_HEADER = "captcha_search"


class DataCard(BaseModel):
    """The images of a training: where from, sha256, how many, how many train and validate.

    Files of an earlier day do not say how many validated: None.
    """

    source: str
    digest: str
    num_images: int
    num_train: int
    num_valid: int | None = None


class SplitCard(BaseModel):
    """How the images were divided; see `make_split`."""

    fold: int | None
    folds: int
    seed: int
    limit: int | None
    limit_seed: int


class Card(BaseModel):
    """What a model file says of itself, besides its weights.

    Attributes:
        format: version of this schema.
        arch: the architecture.
        config: every field of its Config.
        symbols: the alphabet, in class order.
        max_length: L, characters of the longest label.
        label_length: characters of every label, None if they differ.
        height: of the images, in pixels.
        width: of the images, in pixels; of the widest, if they keep their aspect.
        keep_aspect: see `data.geometry.Geometry`.
        stretch: see there.
        data: the images' source, digest and number.
        split: fold, folds, seed and limit; None if nothing was held out.
        seed: of the training.
        init: sha256 of the model file that it started from; None if from scratch.
        metrics: the last epoch's EpochMetrics, as reported.
        choice: of a winner that search.confirm trained: how it was chosen.
        versions: of the packages that trained it.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[2] = 2
    arch: str
    config: dict[str, Any]
    symbols: str
    max_length: int = Field(ge=1, le=1000)
    label_length: int | None
    height: int = Field(ge=SMALLEST, le=LARGEST)
    width: int = Field(ge=SMALLEST, le=LARGEST)
    keep_aspect: bool = False
    stretch: float = 1.0
    data: DataCard
    split: SplitCard | None
    seed: int
    init: str | None = None
    metrics: dict[str, Any]
    choice: Choice | None = None
    versions: dict[str, str]

    def without_paths(self) -> Self:
        """The same for others to see: of where the images lay only the last name is left."""
        kind, _, place = self.data.source.partition(" ")
        if kind not in ("folder", "archive"):
            return self
        data = self.data.model_copy(update={"source": f"{kind} {Path(place).name}"})
        return self.model_copy(update={"data": data})

    @property
    def geometry(self) -> Geometry:
        """How an image of any size is brought to that of the model."""
        return Geometry(
            height=self.height,
            width=self.width,
            keep_aspect=self.keep_aspect,
            stretch=self.stretch,
        )

    def parsed_config(self) -> Config:
        """The configuration, checked."""
        return config_class(self.arch).parse(self.config)

    def rebuild(self) -> Recogniser:
        """A model of this shape on the CPU, its weights still random."""
        config = self.parsed_config().changed(pretrained=False)
        return build(
            config,
            Charset(self.symbols),
            self.max_length,
            (self.height, self.width),
            mixed=self.label_length is None,
            keep_aspect=self.keep_aspect,
        )


@dataclass(frozen=True)
class Loaded:
    """A model that was read back, and what its file says."""

    model: Recogniser
    card: Card
    path: Path
    seen: Seen | None = None

    def unreadable(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Lines that say which labels the model can never give; none where it can give all."""
        card = self.card
        foreign = [label for label in labels if set(label) - set(card.symbols)]
        symbols = sorted(set().union(*foreign) - set(card.symbols))
        known = [label for label in labels if not set(label) - set(card.symbols)]
        able = self.model.readable(known, (card.height, card.width))
        beyond = [label for label, fine in zip(known, able, strict=True) if not fine]
        return tuple(
            f"{len(those)} of {len(labels)} labels {why}: they count as misread"
            for those, why in (
                (foreign, f"have symbols that the model does not know ({_few(symbols)})"),
                (beyond, f"have a length that the model cannot read ({_few(beyond)})"),
            )
            if those
        )


def _few(texts: Sequence[str], most: int = 10) -> str:
    return ", ".join(texts[:most]) + ", ..." * (len(texts) > most)


def save_model(path: Path, model: Recogniser, card: Card, seen: Seen | None = None) -> None:
    """Write weights, card and images seen; the file appears whole or not at all."""
    known = seen.tensors() if seen else {}
    write_tensors(path, {**model.state_dict(), **known}, card.model_dump(mode="json"))


def load_model(place: str | Path, arch: str | None = None) -> Loaded:
    """Read a model back, in eval mode on the CPU.

    Args:
        place: the file, or the folder that a training or a search left (see `find_model`).
        arch: where its architecture comes from, as `architectures.resolve` takes it; a model file
            itself never makes code run.

    Raises:
        InputError: nothing there, not one of our model files, or of an architecture that is not
            known here or not the one given.
    """
    path = find_model(Path(place))
    tensors, header = read_tensors(path)
    seen = Seen.read(tensors)
    given = resolve(arch).name if arch else None
    try:
        card = Card.model_validate(renamed(header))
        if given not in (None, card.arch):
            raise InputError(f"{path} is a model of architecture {card.arch!r}, not {given!r}")
        if card.arch not in names():
            raise InputError(
                f"{path} is a model of architecture {card.arch!r}, which is not known here: name "
                "its code, --arch file.py:NAME or --arch module:NAME"
            )
        model = card.rebuild()
    except ValidationError as error:
        raise InputError(f"{path} is not a model file of this version: {explain(error)}") from None
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}: the weights do not fit its configuration ({first})") from None
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise InputError(f"{path}: some of the weights are not finite numbers")
    return Loaded(model.eval(), card, path, seen)


def find_model(place: Path) -> Path:
    """The model file a person means: of a run, the confirmed winner, else its only best trial.

    Raises:
        InputError: no such place, no model in it, or models of several spaces.
    """
    if place.is_file():
        return place
    if not place.is_dir():
        raise InputError(f"no model at {place}: give a model file or the folder of a training")
    for file in (place / MODEL_FILE, place / "best" / MODEL_FILE):
        if file.is_file():
            return file
    found = sorted(place.glob(f"best/*/{MODEL_FILE}"))
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(str(path.parent) for path in found)
        raise InputError(f"{place} holds several best models: choose one of {choices}")
    raise InputError(f"{place} holds no {MODEL_FILE}: give the folder of a training or a search")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors with a JSON header, synced, then put in place by renaming.

    Raises:
        InputError: the folder cannot be written to, or the disk is full.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(contiguous, metadata={_HEADER: json.dumps(header, allow_nan=False)})
    write_whole(path, data)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all, synced, then put in place by renaming.

    Raises:
        InputError: the folder cannot be written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None


def read_header(path: Path) -> dict[str, Any]:
    """JSON header of a file that `write_tensors` wrote; raises as `read_tensors` does."""
    return _read(path, tensors=False)[1]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON header of a file that `write_tensors` wrote.

    Raises:
        InputError: unreadable, no safetensors, or without our header.
    """
    return _read(path)


def _read(path: Path, *, tensors: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            names = list(file.keys()) if tensors else []
            return {name: file.get_tensor(name) for name in names}, header
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        kind = type(error).__name__
        raise InputError(f"{path} is not a file this project wrote ({kind}: {error})") from None


def versions() -> dict[str, str]:
    """Versions of what decides the outcome of a training."""
    import fastai
    import torchvision

    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "fastai": fastai.__version__,
    }
