"""Labels that contradict their pixels: another text explains the image better.

    python -m research.label_check --data captcha_images_v2.zip
    python -m research.label_check --data captcha_images_v2.zip --only cdcb3,mmy5n

Asks no recogniser. The generator draws each image's label, without noise curves, in all choices of
the two faces, and so every text that differs from it in one symbol. A real image has all ink of its
text, whatever the curves add: ink that a text should have and the image lacks speaks against the
text, and half as much does ink that the text does not have, for most of that is the curves'. The
unit is pixels of full ink. The free faces are not the real ones, so some ink is always amiss; what
counts is the difference between two texts.

Prints the images that another text explains better than their label, and how far both are from the
image when the curves that suit them best are drawn, too. Texts that differ in more than one symbol
are not tried. The locked test set is not looked at.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import click
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import differential_evolution

from benchmarks._lists import open_data, print_table
from captcha_models import generator as kaptcha
from captcha_models.cli import command_line
from captcha_models.data.splits import is_locked
from captcha_models.errors import InputError
from captcha_models.generator.render import draw_choices
from captcha_models.generator.style import Style

EXTRA = 0.5
"""What a pixel of ink beyond the text's counts, against one that is lacking."""
CLOSEST = 10
"""Other texts of which all faces are tried, after a pass that keeps those before the change."""


GENERATIONS = 120
"""Of the search for the curves' eight heights."""


@dataclass(frozen=True)
class Explained:
    """How a text explains an image.

    Attributes:
        text: what is drawn.
        faces: of its symbols, as places in the style's `fonts`.
        lacking: pixels of ink that the text has and the image has not.
        extra: pixels of ink that the image has and the text has not.
    """

    text: str
    faces: tuple[int, ...]
    lacking: float
    extra: float

    @property
    def cost(self) -> float:
        """The less, the better the text explains the image."""
        return self.lacking + EXTRA * self.extra


@dataclass(frozen=True)
class Draughtsman:
    """Draws texts without noise curves in chosen faces."""

    style: Style

    def ink(self, drawn: list[tuple[str, tuple[int, ...]]]) -> NDArray[np.float32]:
        """(N, H, W) ink from 0 to 1 of texts of one length in their faces."""
        symbols = self.style.table.symbols
        ids = np.array(
            [
                [face * len(symbols) + symbols[symbol] for symbol, face in zip(*one, strict=True)]
                for one in drawn
            ],
            np.int32,
        )
        ink: NDArray[np.float32] = 1 - self._draw(ids) / self.paper
        return ink

    @cached_property
    def paper(self) -> NDArray[np.float32]:
        """(H, W) grey values of an image without text."""
        empty = len(self.style.table.start) - 1
        paper: NDArray[np.float32] = self._draw(np.full((1, 1), empty, np.int32))[0]
        return paper

    def _draw(self, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        none = np.zeros((len(ids), self.style.curves, 4))
        return draw_choices(self.style, ids, none).astype(np.float32)

    def explain(
        self, image: NDArray[np.uint8], drawn: list[tuple[str, tuple[int, ...]]]
    ) -> list[Explained]:
        """How each of the texts in its faces explains an image (H, W)."""
        seen = 1 - image / self.paper
        ink = self.ink(drawn)
        lacking = np.clip(ink - seen, 0, None).sum(axis=(1, 2))
        extra = np.clip(seen - ink, 0, None).sum(axis=(1, 2))
        return [
            Explained(*one, float(less), float(more))
            for one, less, more in zip(drawn, lacking, extra, strict=True)
        ]

    def with_curves(self, image: NDArray[np.uint8], one: Explained) -> float:
        """How far the text stays from the image with the curves that suit it best, px of ink."""
        style = replace(self.style, noise=1.0)
        symbols = self.style.table.symbols
        pairs = zip(one.text, one.faces, strict=True)
        ids = np.array([[face * len(symbols) + symbols[s] for s, face in pairs]], np.int32)

        def apart(heights: NDArray[np.float64]) -> NDArray[np.float64]:
            """(S,) of (8, S) heights of the control points."""
            drawn = draw_choices(
                style,
                np.repeat(ids, heights.shape[1], axis=0),
                heights.T.reshape(-1, style.curves, 4),
            )
            found: NDArray[np.float64] = np.abs(drawn - image.astype(float)).sum(axis=(1, 2)) / 255
            return found

        fitted = differential_evolution(
            apart,
            [(0.0, 1.0)] * (4 * style.curves),
            maxiter=GENERATIONS,
            popsize=8,
            rng=0,
            vectorized=True,
            updating="deferred",
            polish=False,
        )
        return float(fitted.fun)

    def best(self, image: NDArray[np.uint8], text: str) -> Explained:
        """In those faces that explain the image best."""
        faces = product(range(len(self.style.fonts)), repeat=len(text))
        return min(self.explain(image, [(text, own) for own in faces]), key=lambda one: one.cost)

    def rivals(self, image: NDArray[np.uint8], label: Explained) -> list[Explained]:
        """The best of all texts that differ in one symbol, best first."""
        drawn = []
        choices = range(len(self.style.fonts))
        for place, symbol in enumerate(label.text):
            # What follows moves with the breadth of the symbol, and its faces' breadths may differ.
            after = list(product(choices, repeat=len(label.text) - place))
            for other in self.style.symbols:
                if other != symbol:
                    text = label.text[:place] + other + label.text[place + 1 :]
                    drawn += [(text, (*label.faces[:place], *faces)) for faces in after]
        rough = sorted(self.explain(image, drawn), key=lambda one: one.cost)
        texts = list(dict.fromkeys(one.text for one in rough))[:CLOSEST]
        return sorted((self.best(image, text) for text in texts), key=lambda one: one.cost)


def draughtsman() -> Draughtsman:
    """Of the data set's own style."""
    return Draughtsman(replace(kaptcha.load_style("default"), noise=0.0))


@click.command()
@click.option("--data", required=True, help="Folder or zip of LABEL.png of the default style.")
@click.option("--only", help="These labels only, such as cdcb3,mmy5n.")
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def main(data: str, only: str | None, as_json: bool) -> None:
    """Draw labels and their neighbours; name the labels that explain their image less well."""
    images = open_data(data)
    rows = [i for i, name in enumerate(images.names) if not is_locked(name)]
    if only is not None:
        wanted = set(only.split(","))
        rows = [i for i in rows if images.labels[i] in wanted]
        if missing := sorted(wanted - {images.labels[i] for i in rows}):
            raise InputError(
                f"--only {only}: {', '.join(missing)} is no label outside the locked test set"
            )
    artist = draughtsman()
    found = []
    for i in rows:
        image = images.pixels[i, 0]
        label = artist.best(image, images.labels[i])
        found.append((label, artist.rivals(image, label)[0]))
    found.sort(key=lambda pair: pair[1].cost - pair[0].cost)
    contradicted = [pair for pair in found if pair[1].cost < pair[0].cost]
    shown = found if only is not None else contradicted
    pixels = {images.labels[i]: images.pixels[i, 0] for i in rows}
    lines = []
    for label, other in shown:
        image = pixels[label.text]
        sides = {"label": label, "other": other}
        line: dict[str, str | float] = {name: one.text for name, one in sides.items()}
        for name, one in sides.items():
            line[f"{name}_lacking"] = one.lacking
            line[f"{name}_cost"] = one.cost
            line[f"{name}_with_curves"] = artist.with_curves(image, one)
        # Of how many labels more ink is lacking.
        line["rank"] = 1 + sum(one.lacking > label.lacking for one, _ in found)
        lines.append(line)
    if as_json:
        about = {"images": len(rows), "contradicted": len(contradicted)}
        click.echo(json.dumps({**about, "shown": lines}))
        return
    margins = sorted(other.cost - label.cost for label, other in found)
    print_table(
        f"{len(contradicted)} of {len(rows)} labels: another text explains the image better",
        ["label", "other", "lacking", "other's", "rank", "cost", "other's", "curves", "other's"],
        [
            [
                str(line["label"]),
                str(line["other"]),
                *(
                    f"{line[name]:.0f}"
                    for name in (
                        "label_lacking",
                        "other_lacking",
                        "rank",
                        "label_cost",
                        "other_cost",
                        "label_with_curves",
                        "other_with_curves",
                    )
                ),
            ]
            for line in lines
        ],
    )
    if len(margins) > len(shown):
        click.echo(f"the other labels are ahead by {margins[len(contradicted)]:.0f} or more")


if __name__ == "__main__":
    command_line(main)
