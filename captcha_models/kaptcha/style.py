"""Every free choice of the generator, checked; and the three presets."""

import math
import string
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from captcha_models.errors import InputError
from captcha_models.kaptcha import distort, text


@dataclass(frozen=True, kw_only=True)
class Style:
    """How images look. All lengths in px.

    Attributes:
        width: W, at least 1.
        height: H, at least 1.
        alphabet: symbols of the labels, drawn uniformly; a symbol listed twice is twice as frequent.
        length: symbols per label, or (fewest, most), both included.
        fonts: file names in this package's `fonts` folder, or paths; each symbol picks one at random.
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
    fonts: tuple[str, ...] = ("Go-Bold.ttf", "DejaVuSansMono-Bold.ttf")
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
        self._check(
            "width", isinstance(self.width, int) and self.width >= 1, "a whole number of at least 1"
        )
        self._check(
            "height",
            isinstance(self.height, int) and self.height >= 1,
            "a whole number of at least 1",
        )
        self._check("font_size", _finite(self.font_size) and self.font_size > 0, "greater than 0")
        self._check("weight", _finite(self.weight) and self.weight >= 0, "at least 0")
        self._check("distortion", _finite(self.distortion) and self.distortion >= 0, "at least 0")
        self._check("noise", _finite(self.noise) and self.noise >= 0, "at least 0")
        self._check("curves", self.curves >= 0, "at least 0")
        self._check("jpeg", 0 <= self.jpeg <= 95, "a quality from 1 to 95, or 0 for no compression")
        self._check(
            "gradient", all(0 <= g <= 255 for g in self.gradient), "two grey values from 0 to 255"
        )
        fewest, most = self.lengths
        self._check("length", 1 <= fewest <= most, "a number of at least 1, or (fewest, most)")
        self._check("alphabet", len(self.alphabet) > 0, "at least one symbol")
        self._check("fonts", len(self.fonts) > 0, "at least one font file")
        for font in self.fonts:
            try:
                text.load_font(font, float(self.font_size))
            except OSError:
                raise InputError(f"fonts = {font!r}: no such font file") from None
            lacking = [s for s in self.symbols if not text.has_glyph(font, s)]
            self._check(
                "alphabet", not lacking, f"only symbols that {font} has, not {''.join(lacking)!r}"
            )
        need = self.pen(most) + int(most * self.table.advance[:-1].mean())
        self._check(
            "width", self.width >= need, f"at least {need} for {most} symbols of this font and size"
        )
        self._check(
            "height", self.height >= self.base, f"at least {self.base:g} to hold the baseline"
        )

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
            text.glyph(f, s, self.font_size, self.weight, self.base, self.height, self.spacing)
            for f in self.fonts
            for s in self.symbols
        ]
        if self.shadow:
            glyphs = [text.with_shadow(g) for g in glyphs]
        return text.make_table(glyphs, self.symbols, self.height)

    @cached_property
    def sources(self) -> NDArray[np.intp]:
        """(H * W,) where each pixel's ink comes from, see `distort.source_pixels`."""
        return distort.source_pixels(self.width, self.height, self.distortion, self.fish_eye)

    @cached_property
    def background(self) -> NDArray[np.uint8]:
        """(H, W) the linear gradient along the diagonal."""
        y, x = np.mgrid[: self.height, : self.width] + 0.5
        share = (x * self.width + y * self.height) / (self.width**2 + self.height**2)
        first, last = self.gradient
        return np.floor(first + share * (last - first) + 0.5).astype(np.uint8)


def _finite(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


PRESETS: dict[str, Style] = {
    "default": Style(),
    "hard": Style(distortion=1.6, noise=1.3, curves=3, fish_eye=True),
    "extreme": Style(
        width=256,
        height=64,
        alphabet=string.digits + string.ascii_uppercase + string.ascii_lowercase,
        length=(4, 7),
        font_size=40.0,
        spacing=0,
        left=12,
        distortion=1.8,
        fish_eye=True,
        shadow=True,
        curves=4,
        noise=1.2,
    ),
}
