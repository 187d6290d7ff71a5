"""Fit of the generator's free choices to the real images, locked test images excluded.

    python -m research.fit_generator --data captcha_images_v2.zip [--font FILE ...]

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

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from captcha_models.data.reading import read_images
from captcha_models.data.splits import is_locked
from captcha_models.generator import distort, render
from captcha_models.generator.faces import DEJAVU, FACES, GO
from research.letters import (
    CAP,
    FIRST,
    PEN,
    STYLE,
    Box,
    Floats,
    H,
    Key,
    Letters,
    Target,
    W,
    box_of,
)  # fmt: skip


def load(path: Path) -> tuple[list[str], NDArray[np.uint8]]:
    """Labels and (N, H, W) grey values of the images in a zip archive, locked ones excluded."""
    images = read_images(path)
    rows = [i for i, name in enumerate(images.names) if not is_locked(name)]
    return [images.labels[i] for i in rows], images.pixels[rows, 0]


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
