"""Fits the generator's free choices to the real images, locked test images excluded.

    python -m benchmarks.fit_generator --data captcha_images_v2.zip [--font FILE ...]

Prints a table of candidate fonts, the fitted boxes as they stand in
`captcha_models/generator/faces.py`, and how much worse other constants fit. What was found on the
840 images outside the locked test set:

- Every letter comes from one of two faces with equal chance: two medians per symbol leave 0.78 of
  the spread around one. Sizes, widths and details are those of Lucida Sans Demibold and Lucida Sans
  Typewriter Bold, which are not free.
- Each font's glyphs, stretched to the best box of each shape (squared difference relative to the
  ink, correlation):

      Go Bold                   0.037  0.968      Liberation Sans Bold      0.087  0.935
      DejaVu Sans Mono Bold     0.067  0.948      Go Mono Bold              0.091  0.929
      Hack Bold                 0.067  0.947      Open Sans Bold            0.092  0.931
      Noto Sans Mono Bold       0.069  0.947      the best of all           0.022  0.978
      DejaVu Sans Cond. Bold    0.072  0.947      Go and DejaVu Mono        0.024  0.977

  In a first look at 2,200 font files, not stretched, Go Bold came first, too. Bolder strokes fit
  worse (0.026 with 0.15 px more, 0.033 with 0.3 px). The boxes' edges lie close to whole pixels:
  the original letters were fitted to the pixel grid, so their edges are steeper than exact
  coverage makes them; a slope of 1.4 gives the real images' share of every grey value.
- The first pen position is 28 = 200 // 7. Each symbol advances by the whole px of its ink's width
  plus 2: other positions explain 1 letter in 20 better, and there is no pattern in them.
- Water comes first, then the ripple. The ripple's result lies 2 px to the right and 1 px down. Both
  sample bilinearly.
- The gradient has 256 steps and is rounded down. The whole image went through JPEG at quality 75
  (or 74, the same here). So drawn, the empty margins are equal to the real ones, bit by bit.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy import optimize, sparse

from captcha_models.generator import PRESETS, distort, render, text
from captcha_models.generator.faces import DEJAVU, FACES, GO, Face, Fit

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
Shape = tuple[str, Box]  # font file, box
Key = tuple[str, int]  # symbol, which of its two shapes
STYLE = PRESETS["default"]
H, W, PEN = STYLE.height, STYLE.width, STYLE.pen(5)
# Noise curves are not part of the letters: a pixel can count no more than this squared difference.
CAP = 0.25
FIRST = slice(22, 62)  # columns that a first character reaches


def is_locked(name: str) -> bool:
    """Whether a file belongs to the locked test set, which nothing may be fitted to."""
    return int(hashlib.sha256(b"locked-test:" + name.encode()).hexdigest(), 16) % 100 < 10


def load(path: Path) -> tuple[list[str], NDArray[np.uint8]]:
    """Labels and (N, H, W) grey values of the images in a zip archive, locked ones excluded."""
    labels, images = [], []
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.namelist()):
            name = Path(entry).name
            if name.endswith(".png") and not is_locked(name):
                labels.append(name.removesuffix(".png"))
                image = Image.open(io.BytesIO(archive.read(entry)))
                images.append(np.asarray(image.convert("L")))
    return labels, np.stack(images)


def two_shapes(patches: Floats, rng: np.random.Generator) -> tuple[NDArray[np.bool_], float]:
    """Split one symbol's patches (N, H, W) into two shapes: 2-medians, best of 20 starts.

    Returns:
        (N,) whether each patch is of the second shape, and the cost as a share of that of one
        shape.
    """
    one = float(np.abs(patches - np.median(patches, axis=0)).sum())
    best, cost = np.zeros(len(patches), bool), one
    for _ in range(20):
        centres = patches[rng.choice(len(patches), 2, replace=False)]
        for _ in range(15):
            far = np.abs(patches[:, None] - centres).sum(axis=(2, 3))
            second = far[:, 1] < far[:, 0]
            if min(second.sum(), (~second).sum()) < 3:
                break
            centres = np.stack([np.median(patches[second == k], axis=0) for k in (False, True)])
        if far.min(axis=1).sum() < cost:
            best, cost = second, float(far.min(axis=1).sum())
    return best, cost / one


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


def find_targets(labels: list[str], ink: Floats) -> tuple[dict[Key, Target], float]:
    """Two shapes of every symbol, from the images' first characters.

    Returns:
        the shapes, and the mean spread around the nearer of two shapes as a share of that around
        one.
    """
    rng = np.random.default_rng(0)
    targets, gains = {}, []
    for symbol in STYLE.symbols:
        first = ink[[label[0] == symbol for label in labels]]
        second, gain = two_shapes(first[:, 8:, 26:52], rng)
        gains.append(gain)
        for shape in (0, 1):
            patches = first[second == bool(shape)][:, :, FIRST]
            middle = np.median(patches, axis=0)
            spread = np.median(np.abs(patches - middle), axis=0)
            targets[symbol, shape] = Target(middle, 1 / (0.05 + spread))
    return targets, float(np.mean(gains))


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


def warp_costs(labels: list[str], ink: Floats, count: int = 120) -> list[tuple[str, float]]:
    """Ink that the finished generator leaves unexplained, per image, for other displacement fields.

    The noise curves are part of it, so the least is not near 0.
    """
    faces = [FACES[name].fits for name in STYLE.fonts]
    shapes = {
        (symbol, k): (fits[symbol].font, box_of(fits[symbol]))
        for k, fits in enumerate(faces)
        for symbol in STYLE.symbols
    }
    letters = Letters(labels, ink, shapes)
    advance = {key: faces[key[1]][key[0]].advance + STYLE.spacing for key in shapes}
    layers = np.zeros((count, W, H), np.float32)
    for image in range(count):
        pen = PEN
        for key, _ in letters.read(image, advance, (0,))[1]:
            glyph = letters.glyphs[key]
            left = pen + glyph.left
            target = layers[image, left : left + glyph.ink.shape[1]]
            np.maximum(target, glyph.ink.T[: len(target)], out=target)
            pen += advance[key]
    flat = np.ascontiguousarray(layers.reshape(count, -1).T)
    y, x = (c.astype(np.float64) for c in np.mgrid[:H, :W])
    middle = (W / 2, H / 2)
    none, ripple = (x, y), distort.ripple(x, y, 1.0)
    water = distort.water(x, y, 1.0, middle)
    fields = {
        "as drawn: water, then ripple, 2 px right and 1 px down": (ripple, water),
        "no water": (ripple, none),
        "ripple, then water": (water, ripple),
        "ripple not moved": ((ripple[0] + 2, ripple[1] + 1), (water[0] - 2, water[1] - 1)),
        "1 px less to the right": ((ripple[0] + 1, ripple[1]), (water[0] - 1, water[1])),
        "water's centre 1 px further right": (ripple, distort.water(x, y, 1.0, (101.0, 25.0))),
        "water's centre 1 px lower": (ripple, distort.water(x, y, 1.0, (100.0, 26.0))),
        "water 30 % weaker": (ripple, distort.water(x, y, 0.7, middle)),
        "water 30 % stronger": (ripple, distort.water(x, y, 1.3, middle)),
    }
    costs = []
    for name, chain in fields.items():
        seen = (distort.compose(chain) @ flat).T.reshape(-1, H, W) / (distort.ONE * 255.0)
        missed = np.minimum((ink[:count] - seen) ** 2, CAP).sum() / count
        costs.append((name, float(missed)))
    return costs


def jpeg_costs(grey: NDArray[np.uint8]) -> list[tuple[int, float]]:
    """Mean difference of the empty margins to the gradient sent through JPEG, by quality."""
    middle = np.median(grey, axis=0)
    costs = []
    for quality in (60, 70, 74, 75, 76, 80, 90):
        drawn = render.compress(STYLE.background[None], quality)[0]
        gap = np.abs(middle - drawn)
        costs.append((quality, float(np.concatenate([gap[:, :13], gap[:, 184:]], axis=1).mean())))
    return costs


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose numbers have three decimals."""
    made = Table(*columns, title=title, title_justify="left")
    for row in rows:
        made.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    return made


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True), required=True, help="The zip."
)
@click.option("--font", "fonts", multiple=True, help="One more font file to try; repeatable.")
def main(data: Path, fonts: tuple[str, ...]) -> None:
    """Fit the generator to the real images and print what was found."""
    console = Console()
    labels, grey = load(data)
    ink = np.clip(1 - grey / STYLE.background.astype(float), 0, 1)
    console.print(f"{len(labels)} images; locked test images are left out")
    targets, gain = find_targets(labels, ink)
    console.print(f"two shapes per symbol leave {gain:.3f} of the spread around one shape")
    candidates = [GO, DEJAVU, *fonts]
    found: dict[tuple[str, Key], tuple[float, float, Box]] = {}
    for font in candidates:
        for key, target in targets.items():
            found[font, key] = target.fit(font, key[0])
    rows: list[tuple[object, ...]] = []
    for font in candidates:
        error = np.array([found[font, key][:2] for key in targets])
        rows.append((Path(font).name, *error.mean(axis=0), *np.median(error, axis=0)))
    best = {key: min(candidates, key=lambda font: found[font, key][0]) for key in targets}
    error = np.array([found[best[key], key][:2] for key in targets])
    rows.append(("the better of all", *error.mean(axis=0), *np.median(error, axis=0)))
    heads = ("font", "mean error", "mean correlation", "median error", "median correlation")
    console.print(table("Candidates, each stretched to its best boxes", heads, rows))
    shapes = {key: (best[key], found[best[key], key][2]) for key in targets}
    start = {key: int(box[2] - box[0]) + STYLE.spacing for key, (_, box) in shapes.items()}
    advance = Letters(labels, ink, shapes).measure_advances(start)
    lines = [
        (*key, Path(font).name, *(f"{edge:.1f}" for edge in box), advance[key] - STYLE.spacing)
        for key, (font, box) in shapes.items()
    ]
    columns = ("symbol", "shape", "font", "left", "top", "right", "bottom", "advance")
    console.print(table("Boxes, px from pen and baseline", columns, lines))
    console.print(table("Unexplained ink", ("fields", "per image"), warp_costs(labels, ink)))
    console.print(table("Empty margins", ("JPEG quality", "difference"), jpeg_costs(grey)))


if __name__ == "__main__":
    main()
