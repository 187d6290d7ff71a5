"""Styles: every free choice of the generator, checked; presets, files, and labels drawn in one."""

import math
import random
import string
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from captcha_models.errors import InputError
from captcha_models.generator import distort, text
from captcha_models.generator.faces import FACES

_LARGEST = 4_096  # px; the distortion's table grows with the area


@dataclass(frozen=True, kw_only=True)
class Style:
    """How images look. All lengths in px.

    Attributes:
        width: W, from 1 to 4,096.
        height: H, from 1 to 4,096.
        alphabet: symbols of the labels, drawn uniformly; a symbol listed twice is twice as
            frequent.
        length: symbols per label, or (fewest, most), both included.
        fonts: "sans" and "typewriter", the fitted faces; or file names in this package's
            `fonts` folder, or paths. Each symbol picks one at random.
        font_size: px per em.
        weight: px added around the letters' outlines, at least 0.
        left: px from the left edge to the first pen position; None for W // (symbols + 2).
        baseline: px from the top; None for (H - font_size) / 5 + font_size.
        spacing: px between one symbol's ink and the next one's; negative to overlap.
        distortion: factor on the amplitudes of ripple and water; 0 for none.
        fish_eye: whether a lens enlarges the middle.
        shadow: whether the letters throw a grey shadow.
        curves: noise curves.
        noise: factor on the breadth of their strokes; 0 for none.
        gradient: grey values of the background's top left and bottom right corners, 0 to 255.
        jpeg: quality of the compression that the image went through, 1 to 95; 0 for none.

    Raises:
        InputError: (a ValueError) naming field, value and what is allowed.
    """

    width: int = 200
    height: int = 50
    alphabet: str = "2345678bcdefgmnnpwxy"
    length: int | tuple[int, int] = 5
    fonts: tuple[str, ...] = ("sans", "typewriter")
    font_size: float = 40.0
    weight: float = 0.0
    left: int | None = None
    baseline: float | None = None
    spacing: int = 2
    distortion: float = 1.0
    fish_eye: bool = False
    shadow: bool = False
    curves: int = 2
    noise: float = 1.0
    gradient: tuple[int, int] = (192, 255)
    jpeg: int = 75

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            size = getattr(self, name)
            small = _whole(size, 1) and size <= _LARGEST
            self._check(name, small, f"a whole number from 1 to {_LARGEST:,}")
        self._check("curves", _whole(self.curves, 0), "a whole number of at least 0")
        for name in ("weight", "distortion", "noise"):
            self._check(name, _number(getattr(self, name)), "a number of at least 0")
        self._check("font_size", _number(self.font_size) and self.font_size > 0, "greater than 0")
        self._check("spacing", _whole(self.spacing, -self.width), "a whole number")
        self._check("left", self.left is None or _whole(self.left, 0), "None or at least 0")
        in_image = self.baseline is None or (
            _number(self.baseline) and self.baseline <= self.height
        )
        self._check("baseline", in_image, "None or from 0 to the height")
        self._check("jpeg", _whole(self.jpeg, 0) and self.jpeg <= 95, "0 for none, or 1 to 95")
        two = len(self.gradient) == 2 and all(_whole(g, 0) and g <= 255 for g in self.gradient)
        self._check("gradient", two, "two whole grey values from 0 to 255")
        span = self.length if isinstance(self.length, tuple) else (self.length, self.length)
        ordered = len(span) == 2 and all(_whole(n, 1) for n in span) and span[0] <= span[1]
        self._check("length", ordered, "a whole number of at least 1, or (fewest, most)")
        self._check("alphabet", len(self.alphabet) > 0, "at least one symbol")
        self._check_fonts()
        faces = [text.face_of(name) for name in self.fonts]
        widths = [text.advance_of(f, s, self.font_size) for f in faces for s in self.symbols]
        typical = sum(widths) / len(widths) + self.spacing
        need = max(self.pen(n) + round(n * typical) for n in self.lengths)
        fits = f"at least {need}, to hold {self.lengths[1]} symbols of this size"
        self._check("width", self.width >= need, fits)
        self._check("height", self.height >= self.base, f"at least {self.base:g}, the baseline")

    def _check_fonts(self) -> None:
        known = ", ".join(FACES)
        named = isinstance(self.fonts, tuple) and len(self.fonts) > 0
        self._check("fonts", named, f"a tuple of font files, or of {known}")
        for name in self.fonts:
            font = text.face_of(name).font
            try:
                lacking = "".join(s for s in self.symbols if not text.has_glyph(font, s))
            except OSError:
                self._check("fonts", False, f"font files, or {known}; {name!r} is neither")
            self._check("alphabet", not lacking, f"symbols that {font} has; it lacks {lacking!r}")

    def _check(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise InputError(f"{name} = {getattr(self, name)!r}: must be {rule}")

    @property
    def lengths(self) -> tuple[int, int]:
        """Fewest and most symbols of a label, both included."""
        return (self.length, self.length) if isinstance(self.length, int) else self.length

    @property
    def symbols(self) -> tuple[str, ...]:
        """The alphabet without repetition, in order."""
        return tuple(dict.fromkeys(self.alphabet))

    @property
    def base(self) -> float:
        """The baseline, px from the top."""
        return (
            (self.height - self.font_size) / 5 + self.font_size
            if self.baseline is None
            else self.baseline
        )

    def pen(self, symbols: int) -> int:
        """Where the first of so many symbols is set, px from the left edge."""
        return self.width // (symbols + 2) if self.left is None else self.left

    @cached_property
    def table(self) -> text.GlyphTable:
        """The glyphs."""
        glyphs = [
            text.draw_glyph(
                text.face_of(font), symbol, self.font_size, self.weight, self.base, self.height
            )
            for font in self.fonts
            for symbol in self.symbols
        ]
        if self.shadow:
            glyphs = [text.with_shadow(glyph) for glyph in glyphs]
        return text.make_table(glyphs, self.symbols, self.spacing, self.height)

    @cached_property
    def warp(self) -> sparse.csr_array:
        """(H * W, W * H) the distortion, see `distort.warp`."""
        return distort.warp(self.width, self.height, self.distortion, self.fish_eye)

    @cached_property
    def background(self) -> NDArray[np.uint8]:
        """(H, W) the linear gradient along the diagonal, in 256 steps, rounded down."""
        y, x = np.mgrid[: self.height, : self.width]
        share = (x * self.width + y * self.height) * 256 // (self.width**2 + self.height**2)
        first, last = self.gradient
        grey: NDArray[np.uint8] = (first + share * (last - first) // 256).astype(np.uint8)
        return grey


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


PRESETS: dict[str, Style] = {
    "default": Style(),
    "hard": Style(font_size=34.0, distortion=1.5, fish_eye=True, curves=3, noise=1.3),
    "extreme": Style(
        width=256,
        height=64,
        alphabet=string.digits + string.ascii_uppercase + string.ascii_lowercase,
        length=(4, 7),
        fonts=("sans", "typewriter", "Go-Bold.ttf", "DejaVuSansMono-Bold.ttf"),
        font_size=38.0,
        left=16,
        distortion=1.7,
        fish_eye=True,
        shadow=True,
        curves=4,
        noise=1.2,
    ),
}


def load_style(name: str) -> Style:
    """The preset of that name, or the style a TOML file describes.

    Args:
        name: a key of PRESETS; or a file with some of Style's fields, and `preset`, the one it
            departs from (`default` if left out). Lists stand for tuples.

    Raises:
        InputError: no such preset or file, an unknown field, or a value that is not allowed.
    """
    if name in PRESETS:
        return PRESETS[name]
    path, known = Path(name), ", ".join(PRESETS)
    if not path.is_file():
        raise InputError(f"synthetic preset {name!r}: choose one of {known}, or a TOML file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from None
    base = values.pop("preset", "default")
    if base not in PRESETS:
        raise InputError(f"{path}: preset = {base!r}: choose one of {known}")
    allowed = [field.name for field in fields(Style)]
    for field in values:
        if field not in allowed:
            raise InputError(f"{path}: unknown field {field!r}; known are {', '.join(allowed)}")
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return replace(PRESETS[base], **plain)


def labels(style: Style, seed: int, n: int, *, exclude: Collection[str] = ()) -> list[str]:
    """Distinct labels, in a fixed order: the first n of a longer draw are the same.

    Args:
        style: gives alphabet and length; a range of lengths is drawn from uniformly.
        seed: any integer.
        n: how many, at least 0.
        exclude: labels never to return, however they are capitalised.

    Returns:
        n labels that stay distinct when lower-cased, because labels become file names.

    Raises:
        InputError: (a ValueError) if n is negative, or if the style has fewer labels than that.
    """
    if n < 0:
        raise InputError(f"n = {n}: must be at least 0")
    fewest, most = style.lengths
    folded = {symbol.casefold() for symbol in style.alphabet}
    banned = {label.casefold() for label in exclude}
    lost = sum(fewest <= len(label) <= most and folded.issuperset(label) for label in banned)
    room = sum(len(folded) ** length for length in range(fewest, most + 1)) - lost
    if n > room:
        raise InputError(
            f"n = {n}: must be at most {room}, all labels that the style has and `exclude` leaves"
        )
    rng = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < n:
        label = "".join(rng.choices(style.alphabet, k=rng.randint(fewest, most)))
        if label.casefold() not in banned:
            found.setdefault(label.casefold(), label)
    return list(found.values())
