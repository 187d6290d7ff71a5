"""Faces of the real images: shapes of free fonts, stretched to measured boxes.

The data set's letters come from two faces, picked at random for every symbol: a wide sans and a
fixed-width one, by all signs the Lucida Sans Demibold and Lucida Sans Typewriter Bold that a Java
runtime brought along. Neither is free. Go Bold,
by the same designers, is nearest; a few fixed-width shapes are nearer to DejaVu Sans Mono Bold. The
boxes were fitted by `research/fit_generator.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

GO = "Go-Bold.ttf"
DEJAVU = "DejaVuSansMono-Bold.ttf"


@dataclass(frozen=True)
class Fit:
    """One symbol at 40 px per em.

    Attributes:
        font: the file that gives the shape.
        left, top, right, bottom: edges of the ink, px from the pen and from the baseline (down
            is positive).
        advance: px from this pen to the next, without the spacing; the whole px of the real
            ink's width.
    """

    font: str
    left: float
    top: float
    right: float
    bottom: float
    advance: int


@dataclass(frozen=True)
class Face:
    """A font, some of whose symbols are replaced by fitted ones.

    Attributes:
        font: the file for symbols without a fit.
        fits: symbol -> fit.
    """

    font: str
    fits: Mapping[str, Fit]


_SANS = {
    "2": Fit(GO, 3.0, -29.1, 20.9, -0.2, 17),
    "3": Fit(GO, 2.7, -28.9, 21.0, -0.1, 17),
    "4": Fit(GO, 1.7, -29.5, 20.2, -0.4, 20),
    "5": Fit(GO, 3.3, -28.9, 20.9, -0.2, 17),
    "6": Fit(GO, 1.9, -28.8, 21.9, 0.0, 19),
    "7": Fit(GO, 4.2, -29.0, 21.3, 0.2, 17),
    "8": Fit(GO, 1.9, -29.0, 22.1, -0.1, 19),
    "b": Fit(GO, 2.8, -30.7, 25.6, -0.1, 21),
    "c": Fit(GO, 2.0, -22.0, 21.2, -0.1, 19),
    "d": Fit(GO, 0.6, -30.7, 23.3, 0.1, 21),
    "e": Fit(GO, 0.8, -21.9, 21.1, 0.0, 19),
    "f": Fit(GO, 2.1, -31.2, 17.5, -0.3, 16),
    "g": Fit(DEJAVU, 0.8, -22.2, 22.2, 7.8, 21),
    "m": Fit(GO, 3.0, -22.0, 35.2, 0.2, 31),
    "n": Fit(GO, 3.2, -22.1, 22.0, 0.2, 19),
    "p": Fit(DEJAVU, 2.7, -22.0, 25.0, 7.8, 21),
    "w": Fit(GO, 0.7, -22.2, 32.1, 0.2, 31),
    "x": Fit(GO, 1.1, -21.8, 22.9, 0.0, 22),
    "y": Fit(GO, 0.8, -21.9, 23.1, 8.3, 22),
}
_TYPEWRITER = {
    "2": Fit(GO, 3.1, -30.0, 21.9, -0.3, 19),
    "3": Fit(GO, 3.7, -29.8, 22.3, -0.1, 18),
    "4": Fit(GO, 1.6, -30.3, 24.9, -0.2, 21),
    "5": Fit(GO, 5.3, -29.9, 21.8, -0.1, 17),
    "6": Fit(GO, 1.6, -29.9, 23.7, -0.1, 21),
    "7": Fit(GO, 4.7, -29.8, 23.3, -0.1, 19),
    "8": Fit(GO, 3.0, -30.0, 24.4, -0.1, 21),
    "b": Fit(GO, 3.1, -30.8, 23.2, 0.0, 20),
    "c": Fit(GO, 1.1, -21.9, 19.2, -0.1, 17),
    "d": Fit(GO, 1.9, -30.8, 21.9, 0.1, 20),
    "e": Fit(DEJAVU, 2.3, -22.0, 22.1, 0.2, 20),
    "f": Fit(DEJAVU, 2.6, -30.9, 21.5, -0.3, 19),
    "g": Fit(DEJAVU, 2.0, -22.3, 21.9, 7.7, 20),
    "m": Fit(DEJAVU, 2.0, -22.0, 23.0, 0.2, 20),
    "n": Fit(DEJAVU, 3.1, -22.1, 21.1, 0.2, 18),
    "p": Fit(DEJAVU, 1.8, -22.1, 23.0, 7.8, 20),
    "w": Fit(GO, -0.8, -22.2, 23.9, -0.1, 23),
    "x": Fit(GO, 1.0, -21.9, 22.0, 0.2, 21),
    "y": Fit(GO, 0.8, -22.2, 22.7, 6.7, 22),
}
FACES = {"sans": Face(GO, _SANS), "typewriter": Face(DEJAVU, _TYPEWRITER)}
