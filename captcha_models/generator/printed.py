"""Printed lines: text in many faces, set where and as large as the text of given images stands.

Images of other kinds than captchas show text of other faces, and too few of them for a recogniser
to tell a symbol from the image that it was in. Lines drawn in faces that everybody has are like
enough to learn the symbols from. Place, size, ink and paper are those of an image of the set.
"""

import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

from captcha_models.generator.text import has_glyph, load_font

OWN = ("Go-Bold.ttf", "DejaVuSansMono-Bold.ttf")
"""Faces of this package."""
OTHERS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif",
    "DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol",
)  # fmt: skip
"""Faces that matplotlib brings along: with and without serifs, of one width and of many."""
OF_TEX = ("cmr10", "cmb10", "cmss10", "cmtt10")
"""Others of its faces, with TeX's own code: they draw an inverted exclamation mark for `<`."""
SAME_IN_TEX = frozenset(string.ascii_letters + string.digits + "!#$%&()*+,-./:;=?@[]")
"""Symbols that these draw as others do."""
EM = 48.0
"""Px per em at which text is set, before it is scaled to its place."""
MARGIN = 8
"""Px around text that is set."""
FRAME = 0.8
"""Share of a row or column of ink from which on it is a frame or a rule and no text."""
FAINTEST = 12.0
"""Grey levels between paper and ink at least."""
# What differs from image to image, besides the face.
SPACING = (-1.0, 6.0)  # px between symbols at EM
SCALE = (0.93, 1.07)
TURN = 1.5  # degrees, standard deviation
SHEAR = 0.06  # standard deviation
SHIFT = (1.5, 1.0)  # px across and down, standard deviation
BLUR = (0.6, 1.0)  # share of images, most px
WEIGHT = (0.8, 1.3)  # factor on the coverage of a pixel by ink
LIGHT = 12.0  # grey levels of the whole image, standard deviation
GRAIN = 10.0  # grey levels of a pixel, largest standard deviation
SPECKS = (0.5, 0.02)  # share of images, largest share of their pixels


@dataclass(frozen=True)
class Line:
    """Text of one image: where it stands and how dark it is.

    Attributes:
        label: what it says.
        width: of the image without what fills it up, px.
        left, top, right, bottom: edges of the text, px.
        paper, ink: their grey values, 0 to 255.
    """

    label: str
    width: int
    left: int
    top: int
    right: int
    bottom: int
    paper: float
    ink: float


def measured(grey: NDArray[np.uint8], label: str) -> Line:
    """The line of text of an image; if none stands out from its paper, it fills the image.

    Args:
        grey: (H, W).
        label: what it says.
    """
    calm = ndimage.median_filter(grey, 3)  # Specks are no text.
    paper = float(np.median(calm))
    apart = np.abs(calm - paper)
    inked = apart > max(0.5 * float(np.quantile(apart, 0.99)), FAINTEST)
    inked[inked.mean(axis=1) > FRAME] = False
    inked[:, inked.mean(axis=0) > FRAME] = False
    rows, columns = (_filled(inked.sum(axis=axis)) for axis in (1, 0))
    height, width = grey.shape
    if len(rows) < 3 or len(columns) < 3:
        furthest = grey.flat[np.argmax(np.abs(grey - paper))]
        return Line(label, width, 0, 0, width, height, paper, float(furthest))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return Line(label, width, *box, paper, float(np.median(grey[inked])))


def _filled(inked: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows or columns with enough ink to be of a text: two px, and a tenth of the fullest."""
    return np.flatnonzero(inked >= max(2.0, 0.1 * inked.max()))


def faces(symbols: Iterable[str]) -> tuple[str, ...]:
    """Faces with all these symbols, as names or paths of font files; a space needs no ink.

    None draws what is written from right to left, or as marks on other symbols: that takes more
    than to set one symbol beside the other.
    """
    wanted = [symbol for symbol in symbols if not symbol.isspace()]
    if any(
        unicodedata.bidirectional(symbol) in ("R", "AL") or unicodedata.category(symbol)[0] == "M"
        for symbol in wanted
    ):
        return ()
    some = _installed(OTHERS + OF_TEX if SAME_IN_TEX.issuperset(wanted) else OTHERS)
    return tuple(face for face in (*OWN, *some) if all(has_glyph(face, s) for s in wanted))


@lru_cache(maxsize=2)
def _installed(names: tuple[str, ...]) -> tuple[str, ...]:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = (folder / f"{name}.ttf" for name in names)
    return tuple(str(file) for file in found if file.is_file())


def kind_of(symbol: str) -> str:
    """What may stand in a symbol's place: a digit for a digit, a capital for a capital.

    Returns:
        The class of a letter or digit; anything else is a class of its own.
    """
    kind = unicodedata.category(symbol)
    return kind if kind in ("Nd", "Lu", "Ll", "Lo") else symbol


def draw_line(
    line: Line, text: str, face: str, size: tuple[int, int], widest: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """An image of other text in the place of an image's own.

    Args:
        line: of that image.
        text: to be drawn.
        face: from `faces`.
        size: height of the image and its least width, px.
        widest: px that it may be wide; longer text is squeezed.
        rng: chance.

    Returns:
        (H, W), as wide as the text asks for.
    """
    font = load_font(face, EM)
    spacing = rng.uniform(*SPACING)
    own_width, own_height = _extent(font, line.label, spacing)
    across = (line.right - line.left) / own_width * rng.uniform(*SCALE)
    down = (line.bottom - line.top) / own_height * rng.uniform(*SCALE)
    length, _ = _extent(font, text, spacing)
    height = size[0]
    natural = round(line.width + (length - own_width) * across)
    width = min(max(natural, size[1]), widest)
    across *= min(1.0, (width - 2) / (length * across))

    mask = _set_type(font, text, spacing)
    turn, shear = np.deg2rad(rng.normal(0, TURN)), rng.normal(0, SHEAR)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    back = np.linalg.inv(turned @ np.array([[across, shear * down], [0, down]]))
    half = length * across / 2
    middle = line.left + half + rng.normal(0, SHIFT[0])
    middle = min(middle, width - half) if 2 * half < width else width / 2
    centre = np.array([middle, (line.top + line.bottom) / 2 + rng.normal(0, SHIFT[1])])
    _, top, _, bottom = font.getbbox(text)
    begin = np.array([MARGIN + length / 2, MARGIN + (top + bottom) / 2]) - back @ centre
    placed = mask.transform(
        (width, height),
        Image.Transform.AFFINE,
        (*back[0], begin[0], *back[1], begin[1]),
        resample=Image.Resampling.BICUBIC,
    )
    if rng.random() < BLUR[0]:
        placed = placed.filter(ImageFilter.GaussianBlur(rng.uniform(0, BLUR[1])))
    cover = np.clip(np.asarray(placed) * (rng.uniform(*WEIGHT) / 255), 0, 1)
    grey = line.paper + (line.ink - line.paper) * cover + rng.normal(0, LIGHT)
    grey += rng.normal(0, rng.uniform(0, GRAIN), grey.shape)
    if rng.random() < SPECKS[0]:
        specks = rng.random(grey.shape) < rng.uniform(0, SPECKS[1])
        grey[specks] = rng.uniform(0, 255, int(specks.sum()))
    found: NDArray[np.uint8] = np.clip(grey, 0, 255).astype(np.uint8)
    return found


def _extent(font: ImageFont.FreeTypeFont, text: str, spacing: float) -> tuple[float, float]:
    """Width and height of text, px at EM; at least 1 each, for a space has no ink."""
    _, top, _, bottom = font.getbbox(text)
    width = sum(font.getlength(symbol) + spacing for symbol in text) - spacing
    return max(width, 1.0), max(bottom - top, 1.0)


def _set_type(font: ImageFont.FreeTypeFont, text: str, spacing: float) -> Image.Image:
    """Text, white on black, its pen at MARGIN px from the left and the top."""
    width, _ = _extent(font, text, spacing)
    _, _, _, bottom = font.getbbox(text)
    mask = Image.new("L", (round(width) + 2 * MARGIN, round(bottom) + 2 * MARGIN))
    pencil, pen = ImageDraw.Draw(mask), float(MARGIN)
    for symbol in text:
        pencil.text((pen, MARGIN), symbol, 255, font)
        pen += font.getlength(symbol) + spacing
    return mask
