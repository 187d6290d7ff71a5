"""Letters drawn in a box, distorted as the generator does, and compared with real images' ink."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from captcha_models.generator import PRESETS, distort, text
from captcha_models.generator.faces import Face, Fit

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
Shape = tuple[str, Box]  # font file, box
Key = tuple[str, int]  # symbol, which of its two shapes
STYLE = PRESETS["default"]
H, W, PEN = STYLE.height, STYLE.width, STYLE.pen(5)
# Noise curves are not part of the letters: a pixel can count no more than this squared difference.
CAP = 0.25
FIRST = slice(22, 62)  # columns that a first character reaches


def warped(ink: NDArray[np.uint8], left: int, warp: sparse.csr_array) -> Floats:
    """(H, W) one glyph's ink (H, w), its first column set at `left`, distorted; 0 to 1."""
    layer = np.zeros((W, H), np.float32)
    begin, end = max(0, left), min(W, left + ink.shape[1])
    layer[begin:end] = ink.T[begin - left : max(begin, end) - left]
    return np.asarray(warp @ layer.ravel(), np.float64).reshape(H, W) / (distort.ONE * 255.0)


def glyph_of(font: str, symbol: str, box: Box) -> text.Glyph:
    """A font's shape in a box, px from pen and baseline."""
    face = Face(font, {symbol: Fit(font, *box, advance=1)})
    return text.draw_glyph(face, symbol, STYLE.font_size, STYLE.weight, STYLE.base, H)


def box_of(fit: Fit) -> Box:
    """The edges of a fit."""
    return fit.left, fit.top, fit.right, fit.bottom


def natural_box(font: str, symbol: str) -> Box:
    """The ink's own box at 40 px per em."""
    return box_of(text.shape_of(Face(font, {}), symbol, STYLE.font_size)[1])


def fit_box(error: Callable[[Box], float], start: Box) -> tuple[Box, float]:
    """The box of least error, and that error."""

    def safe(box: Floats) -> float:
        usable = box[2] - box[0] > 6 and box[3] - box[1] > 6
        return error((box[0], box[1], box[2], box[3])) if usable else np.inf

    origin = np.array(start)
    simplex = np.stack([origin, *(origin + np.eye(4))])
    options = {"initial_simplex": simplex, "xatol": 0.03, "fatol": 1e-4, "maxfev": 160}
    found = optimize.minimize(safe, origin, method="Nelder-Mead", options=options)
    return (found.x[0], found.x[1], found.x[2], found.x[3]), float(found.fun)


@dataclass(frozen=True)
class Target:
    """The median of one shape's first characters: (H, columns) ink, and each pixel's weight."""

    ink: Floats
    weight: Floats

    def compare(self, font: str, symbol: str, box: Box) -> tuple[float, float]:
        """Weighted squared difference to a drawn glyph, relative to the target; correlation."""
        glyph = glyph_of(font, symbol, box)
        drawn = warped(glyph.ink, PEN + glyph.left, STYLE.warp)[:, FIRST]
        # Right of the glyph the next character begins.
        stop = max(16, int(np.flatnonzero(drawn.max(axis=0) > 0.05)[-1]) + 1)
        weight, ink, drawn = self.weight[:, :stop], self.ink[:, :stop], drawn[:, :stop]
        error = (weight * (ink - drawn) ** 2).sum() / (weight * ink**2).sum()
        return float(error), float(np.corrcoef(ink.ravel(), drawn.ravel())[0, 1])

    def fit(self, font: str, symbol: str) -> tuple[float, float, Box]:
        """The font's best box: error, correlation, box."""

        def error(box: Box) -> float:
            return self.compare(font, symbol, box)[0]

        left, top, right, bottom = natural_box(font, symbol)
        starts = ((left, top, right, bottom), (left, top, right - 3, bottom))
        box, _ = min((fit_box(error, start) for start in starts), key=lambda found: found[1])
        return *self.compare(font, symbol, box), box


class Letters:
    """The two shapes of every symbol, set and distorted, compared with real images."""

    def __init__(self, labels: list[str], ink: Floats, shapes: dict[Key, Shape]) -> None:
        self.labels, self.ink = labels, ink
        self.glyphs = {key: glyph_of(font, key[0], box) for key, (font, box) in shapes.items()}
        self._drawn: dict[tuple[Key, int], tuple[slice, Floats]] = {}

    def drawn(self, key: Key, pen: int) -> tuple[slice, Floats]:
        """The columns that a glyph reaches when set at `pen`, and its distorted ink there."""
        if (key, pen) not in self._drawn:
            glyph = self.glyphs[key]
            left = pen + glyph.left
            reach = slice(max(0, left), min(W, left + glyph.ink.shape[1] + 4))
            image = warped(glyph.ink, left, STYLE.warp)
            self._drawn[key, pen] = reach, image[:, reach]
        return self._drawn[key, pen]

    def gain(self, image: int, key: Key, pen: int) -> float:
        """How much of an image's ink a glyph leaves over, less what there was: negative is good."""
        reach, drawn = self.drawn(key, pen)
        real = self.ink[image][:, reach]
        left_over = np.minimum((real - drawn) ** 2, CAP) - np.minimum(real**2, CAP)
        return float(left_over.sum())

    def read(
        self, image: int, advance: dict[Key, int], slack: Sequence[int]
    ) -> tuple[float, list[tuple[Key, int]]]:
        """The shapes that explain an image best, given its label, and the slack after each."""
        beam: list[tuple[float, int, list[tuple[Key, int]]]] = [(0.0, PEN, [])]
        for symbol in self.labels[image]:
            longer = []
            for cost, pen, path in beam:
                for key in ((symbol, 0), (symbol, 1)):
                    here = cost + self.gain(image, key, pen)
                    for by in slack:
                        step = pen + advance[key] + by
                        longer.append((here + 0.3 * abs(by), step, [*path, (key, by)]))
            beam = sorted(longer, key=lambda state: state[0])[:24]
        return beam[0][0], beam[0][2]

    def measure_advances(self, advance: dict[Key, int]) -> dict[Key, int]:
        """Correct each advance by the usual slack, until none is left."""
        for _ in range(5):
            slacks: dict[Key, list[int]] = {key: [] for key in advance}
            for image in range(0, len(self.labels), 2):
                for key, by in self.read(image, advance, (-1, 0, 1))[1][:-1]:
                    slacks[key].append(by)
            change = {key: round(float(np.median(by or [0]))) for key, by in slacks.items()}
            advance = {key: advance[key] + change[key] for key in advance}
            if not any(change.values()):
                break
        return advance
