"""Limits that a set of images puts on configurations: what can be trained on it, and why not.

The questions are those of `architectures.check`, asked of the hardest labels alone, so that
hundreds of configurations are tried in a moment.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from captcha_models.architectures import check_labels, config_class, grouped, model_class
from captcha_models.charset import min_steps
from captcha_models.data.images import LabelledImages
from captcha_models.data.likeness import cannot_draw, draws_another_kind
from captcha_models.data.printed_stream import cannot_print
from captcha_models.data.splits import Split
from captcha_models.errors import InputError

LEAST_BATCH = 2
"""Images that batch normalisation needs."""
STEPS = 8
"""Optimiser steps of an epoch at least, where the batches can be so small."""


class Limits:
    """What can be trained on some images.

    Args:
        images: all images.
        split: which of them train, validate and test.
    """

    def __init__(self, images: LabelledImages, split: Split) -> None:
        self.images, self.split = images, split
        self.num_train = len(split.train)
        self._groups = {
            any_width: [(_hardest(labels), size) for labels, size in grouped(images, any_width)]
            for any_width in (False, True)
        }
        self._looks: list[str | None] = []

    def refusal(self, arch: str, values: Mapping[str, Any]) -> str | None:
        """Why a configuration cannot be trained on these images; None if it can.

        Args:
            arch: name of the architecture.
            values: of its Config; fields left out keep their default.
        """
        try:
            config = config_class(arch).parse(values)
            groups = self._groups[model_class(config).any_width]
            check_labels(config, self.images, self.split, groups)
        except InputError as error:
            return str(error)
        return None

    def nearest_refusal(self, arch: str, candidates: Iterable[Mapping[str, Any]]) -> str:
        """The refusal of that candidate which stands against the fewest labels.

        Where no value of a field helps, it names the label that is the odd one, rather than one
        that only the value at hand cannot read.

        Args:
            arch: name of the architecture.
            candidates: values of its Config, at least one of which it takes, all of them refused.
        """

        def refused(values: Mapping[str, Any]) -> tuple[int, int]:
            """Labels that are refused alone, then groups of the others that are only together."""
            try:
                config = config_class(arch).parse(values)
            except InputError:
                return sys.maxsize, 0
            model, alone, together = model_class(config), 0, 0

            def taken(labels: Sequence[str], size: tuple[int, int]) -> bool:
                try:
                    model.check(config, labels, size)
                except InputError:
                    return False
                return True

            for labels, size in self._groups[model.any_width]:
                fine = [label for label in labels if taken([label], size)]
                alone += len(labels) - len(fine)
                together += bool(fine) and not taken(fine, size)
            return alone, together

        return str(self.refusal(arch, min(candidates, key=refused)))

    def no_captchas(self, count: int = 1) -> str | None:
        """Why no captchas of the generator should be trained on beside these; None if they may.

        Args:
            count: generated images of one batch.
        """
        if reason := cannot_draw(self.images, self.split, count):
            return reason
        if not self._looks:
            self._looks.append(draws_another_kind(self.images, self.split))
        return self._looks[0]

    def no_generated(self, count: int = 1) -> str | None:
        """Why nothing generated should be trained on beside these images; None if something may.

        Args:
            count: generated images of one batch.
        """
        return self.no_captchas(count) and cannot_print(self.images, self.split)

    def largest_batch(self, wanted: int) -> int:
        """The largest batch that suits so few or so many images.

        Args:
            wanted: the smallest that one would have; it is granted if an epoch has two of them.

        Returns:
            At least 2; an epoch has 8 steps with it, or two, or there are fewer than 4 images.
        """
        return max(self.num_train // STEPS, min(wanted, self.num_train // 2), LEAST_BATCH)


def _hardest(labels: Iterable[str]) -> list[str]:
    """Of each length the label that takes the most steps of CTC, shortest first."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for label in labels:
        found[len(label)].add(label)
    return [max(sorted(found[length]), key=min_steps) for length in sorted(found)]


def in_short(reason: str) -> str:
    """A refusal without the field that it begins with and the remedy that it ends with."""
    head, colon, rest = reason.partition(": ")
    text = rest if colon and " = " in head and len(head.split()) == 3 else reason
    return text.partition(";")[0].partition(" (its ")[0]
