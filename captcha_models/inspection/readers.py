"""Readers: what each architecture would see of a set of images, and whether it can read them."""

from dataclasses import dataclass

from captcha_models.architectures import built_in, resolve
from captcha_models.architectures.heads import CTCRecogniser
from captcha_models.charset import min_steps
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.limits import Limits, in_short


@dataclass(frozen=True)
class Cut:
    """A network cut after so many stages.

    Attributes:
        value: of the field that decides it.
        columns: T of the narrowest and of the widest image.
        least: fewest columns there are for each that a label needs; below 1 it cannot be read.
        why_not: why it cannot be trained on these images; "" if it can.
    """

    value: int
    columns: tuple[int, int]
    least: float
    why_not: str


@dataclass(frozen=True)
class Reader:
    """An architecture.

    Attributes:
        arch: its name.
        sees: what it is given, in words.
        why_not: why it cannot read these images at its baseline or any cut; "" if it can.
        cuts: of one with columns.
    """

    arch: str
    sees: str
    why_not: str
    cuts: tuple[Cut, ...] = ()

    @property
    def reads(self) -> bool:
        """Whether it can read every label."""
        return not self.why_not


def readers(images: LabelledImages, split: Split) -> list[Reader]:
    """All built-in architectures, the CRNN first."""
    limits = Limits(images, split)
    names = sorted(built_in(), key=lambda name: (name != "crnn", name))
    return [_reader(name, images, limits) for name in names]


def _reader(arch: str, images: LabelledImages, limits: Limits) -> Reader:
    height, widest = images.size
    base = {"batch_size": limits.largest_batch(2)}
    architecture = resolve(arch)
    model = architecture.model_class
    ragged = images.is_ragged
    if model.any_width and ragged:
        sees = f"{height} px high, each image at its own width, {images.widths.min()} to {widest}"
    elif ragged:
        sees = f"{widest} x {height} px, narrower ones filled up with their paper"
    else:
        sees = f"{widest} x {height} px"
    if not issubclass(model, CTCRecogniser) or model.decided_by is None:
        length = images.label_length
        lengths = {len(label) for label in images.labels}
        places = f"{max(lengths)} places" + (", some of them empty" if length is None else "")
        return Reader(arch, f"{sees}; {places}", in_short(limits.refusal(arch, base) or ""))
    name = model.decided_by
    among = architecture.config_class.model_fields[name].metadata
    low, high = (next(getattr(m, side) for m in among if hasattr(m, side)) for side in ("ge", "le"))
    own_widths = images.widths.tolist() if model.any_width else [widest] * len(images)
    needed = [max(min_steps(label), 1) for label in images.labels]
    cuts = []
    for value in range(low, high + 1):
        own = architecture.config_class.parse({**base, name: value})
        steps = {width: model.num_steps(own, (height, width)) for width in set(own_widths)}
        least = min(steps[width] / n for width, n in zip(own_widths, needed, strict=True))
        narrow, wide = steps[min(steps)], steps[max(steps)]
        why = in_short(limits.refusal(arch, {**base, name: value}) or "")
        cuts.append(Cut(value, (narrow, wide), round(least, 2), why))
    why_not = "" if any(not cut.why_not for cut in cuts) else cuts[0].why_not
    return Reader(arch, sees, why_not, tuple(cuts))
