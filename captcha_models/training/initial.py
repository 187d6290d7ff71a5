"""Initial weights: those of a model that was trained before, as far as they fit the new one.

Tensors are taken by name and shape, the rows of the layers that put out classes symbol by symbol;
what does not fit starts anew. So a model of one kind of images starts that of another, with other
symbols, longer labels or wider images.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from captcha_models.architectures import build
from captcha_models.architectures.base import Recogniser
from captcha_models.charset import BLANK
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.training.checkpoint import Card, load_model
from captcha_models.training.seen import Seen

OWN = {"temperature"}
"""Buffers that belong to a configuration."""
BODY = "body."
SHOWN = 6


@dataclass(frozen=True, eq=False)
class Initial:
    """A model to start from.

    Attributes:
        tensors: its weights and statistics, by their keys (`keys_of`).
        positions: of the keys of what puts out classes, for how many positions each.
        card: what its file says.
        place: where it was, for the person.
        digest: sha256 (hex) of its file.
        file: where that was found.
        seen: the images of its training, if the file says so.
    """

    tensors: Mapping[str, Tensor]
    positions: Mapping[str, int]
    card: Card
    place: str
    digest: str
    file: Path
    seen: Seen | None = None

    def start(self, model: Recogniser) -> "Taken":
        """Give a model these weights, as far as they fit.

        Args:
            model: with fresh weights, on any device; its random draws stay as they are.

        Raises:
            InputError: a model of another architecture, of which not even the body fits.
        """
        same = self.card.arch == model.config.arch
        state, own = model.state_dict(), positions_of(model)
        names = [name for name in state if name not in OWN]
        taken: dict[str, Tensor] = {}
        for name, key in keys_of(state).items():
            given = self.tensors.get(key)
            if given is None or name in OWN or not (same or name.startswith(BODY)):
                continue
            if name in own and key in self.positions:
                found = self._by_symbol(given, self.positions[key], state[name], own[name], model)
            else:
                found = self._whole(given, state[name], model, bool(own))
            if found is not None:
                taken[name] = found
        body = [name for name in names if name.startswith(BODY)]
        if not same and not (body and all(name in taken for name in body)):
            raise InputError(
                f"--init {self.place} is a model of architecture {self.card.arch!r}, which gives "
                f"{model.config.arch!r} nothing to start from: choose one of {model.config.arch}"
            )
        model.load_state_dict({**state, **taken})
        return Taken(
            num_taken=len(taken),
            num_tensors=len(names),
            anew=tuple(name for name in names if name not in taken),
            symbols="".join(s for s in model.charset.symbols if s not in self.card.symbols),
            positions=max(longest(own) - longest(self.positions), 0),
        )

    def _whole(
        self, given: Tensor, fresh: Tensor, model: Recogniser, declared: bool
    ) -> Tensor | None:
        """A tensor that fits; none whose rows may be other symbols, where nobody declared which."""
        if given.shape != fresh.shape or given.dtype != fresh.dtype:
            return None
        rows = fresh.shape[0] if fresh.dim() else 1
        foreign = self.card.symbols != model.charset.symbols
        return None if foreign and not declared and rows % model.charset.num_classes == 0 else given

    def _by_symbol(
        self, given: Tensor, theirs: int, fresh: Tensor, own: int, model: Recogniser
    ) -> Tensor | None:
        """A fresh tensor of so many positions, with the rows of what both models know."""
        if given.shape[1:] != fresh.shape[1:]:
            return None
        before, after = self.card.symbols, model.charset.symbols
        old = given.view(theirs, len(before) + 1, *given.shape[1:])
        new = fresh.clone().view(own, len(after) + 1, *fresh.shape[1:])
        pairs = [(i + 1, before.index(s) + 1) for i, s in enumerate(after) if s in before]
        if own == 1 or (self.card.label_length is None) == model.mixed:
            # Else class 0 ends labels in one of the two, and is never seen in the other.
            pairs.append((BLANK, BLANK))
        into, source = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).T
        count = min(theirs, own)
        new[:count, into] = old[:count, source].to(new)
        return new.view(fresh.shape)

    def describe(self, config: Config, images: LabelledImages) -> str:
        """The line that says what a training with that configuration takes; it draws no chance.

        Raises:
            InputError: as `start`.
        """
        with torch.random.fork_rng(devices=[]):
            model = build_for(config.changed(pretrained=False), images)
        return f"init: {self.place} ({self.card.arch}): {self.start(model)}"

    def judged(self, images: LabelledImages, split: Split) -> str | None:
        """A warning where the model learned from images that judge what starts from it."""
        known = self.seen.train if self.seen else frozenset()
        learned = [digest in known for digest in images.digests]
        if not any(learned):
            return None
        valid, locked = (sum(learned[i] for i in rows) for rows in (split.valid, split.test))
        return (
            f"init: {self.place} learned from {sum(learned)} of these {len(images)} images, "
            f"{valid} of the {len(split.valid)} that validate and {locked} of the "
            f"{len(split.test)} locked ones: what is scored on images that it knows flatters"
        )


@dataclass(frozen=True)
class Taken:
    """What a model took of another's weights.

    Attributes:
        num_taken: tensors that were taken, wholly or symbol by symbol.
        num_tensors: of the new model.
        anew: names of those that start anew.
        symbols: that the other model did not know.
        positions: beyond the longest label of the other model.
    """

    num_taken: int
    num_tensors: int
    anew: tuple[str, ...]
    symbols: str
    positions: int

    def __str__(self) -> str:
        parts = [f"{self.num_taken} of {self.num_tensors} tensors taken"]
        if self.symbols:
            count = len(self.symbols)
            symbols = f"{count} new symbol{'s start' if count > 1 else ' starts'} anew"
            parts.append(f"{symbols} ({self.symbols})")
        if self.positions:
            parts.append(f"the last {self.positions} positions anew")
        if self.anew:
            parts.append(f"{_few(self.anew)} anew")
        return "; ".join(parts)


def read_initial(place: str | Path) -> Initial:
    """A model to start from, of a model file or the folder of a training or a search.

    Raises:
        InputError: nothing there, or no model of this version.
    """
    try:
        loaded = load_model(place)
    except InputError as error:
        raise InputError(f"--init: {error}") from None
    state = loaded.model.state_dict()
    keys = keys_of(state)
    return Initial(
        tensors={keys[name]: tensor for name, tensor in state.items()},
        positions={keys[name]: n for name, n in positions_of(loaded.model).items()},
        card=loaded.card,
        place=str(place),
        digest=hashlib.sha256(loaded.path.read_bytes()).hexdigest(),
        file=loaded.path,
        seen=loaded.seen,
    )


def build_for(config: Config, images: LabelledImages) -> Recogniser:
    """A recogniser of these images with fresh weights, drawn from torch's global generator."""
    return build(
        config,
        images.charset,
        max(map(len, images.labels)),
        images.size,
        mixed=images.label_length is None,
        keep_aspect=images.geometry.keep_aspect,
    )


def keys_of(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Keys of tensors by their names: a number in a name becomes its rank.

    Layers without weights, such as a dropout that one configuration leaves out, then change no key.
    """
    numbers: dict[str, set[int]] = {}
    for name in state:
        parts = name.split(".")
        for i, part in enumerate(parts):
            if part.isdecimal():
                numbers.setdefault(".".join(parts[:i]), set()).add(int(part))
    ranks = {
        before: {number: rank for rank, number in enumerate(sorted(found))}
        for before, found in numbers.items()
    }

    def key(name: str) -> str:
        parts = name.split(".")
        return ".".join(
            str(ranks[".".join(parts[:i])][int(part)]) if part.isdecimal() else part
            for i, part in enumerate(parts)
        )

    return {name: key(name) for name in state}


def positions_of(model: Recogniser) -> dict[str, int]:
    """Names of the tensors whose rows are classes, and for how many positions each."""
    layers = {id(layer): count for layer, count in model.class_layers()}
    return {
        f"{name}.{own}": layers[id(module)]
        for name, module in model.named_modules()
        if id(module) in layers
        for own, _ in module.named_parameters(recurse=False)
    }


def longest(positions: Mapping[str, int]) -> int:
    """Most positions that a layer has classes for; 1 if it reads columns."""
    return max(positions.values(), default=1)


def _few(names: Sequence[str]) -> str:
    """Names of tensors, those of one layer together."""
    layers = list(dict.fromkeys(name.rpartition(".")[0] or name for name in names))
    more = f" and {len(layers) - SHOWN} more" if len(layers) > SHOWN else ""
    return ", ".join(layers[:SHOWN]) + more
