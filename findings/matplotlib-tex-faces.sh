#!/usr/bin/env bash
# Three of matplotlib's fonts have `<` in their table of characters, and draw another symbol for it.
#
# Believed: a font whose table has a character draws that character, so text for training may be
#   drawn in every font that lacks none of the alphabet's symbols; matplotlib's are always at hand.
# True: cmr10, cmb10 and cmss10 keep TeX's code: `<` and `>` are inverted marks, `|` and `{` dashes,
#   `_` a dot, `"` a closing and `\` an opening quotation mark. What they have at the place of an
#   inverted mark is a Greek capital. A check for missing glyphs finds nothing. cmtt10 is right.
# Matters: of images drawn for training those in such a font teach wrong labels, in silence, and
#   only where the alphabet has one of these symbols.
# Source: matplotlib.org, users/explain/text/fonts (the fonts that come along).
# Seen: 2026-11-28, matplotlib 3.11.2, pillow 13.0.0, fonttools 4.68.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" matplotlib==3.11.2 pillow==13.0.0 \
  fonttools==4.68.0 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python - <<'EOF'
import sys
from importlib.metadata import version
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont
from PIL import ImageFont

print(", ".join(f"{n} {version(n)}" for n in ("matplotlib", "pillow", "fonttools")))
folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
ASKED = {"<": "less", ">": "greater", "|": "bar", "{": "braceleft", "_": "underscore",
         '"': "quotedbl", "\\": "backslash", "A": "A", "7": "seven"}  # fmt: skip
wrong = {}
for font in ("DejaVuSans", "STIXGeneral", "cmtt10", "cmr10", "cmb10", "cmss10"):
    file = str(folder / f"{font}.ttf")
    names = TTFont(file).getBestCmap()
    drawn = ImageFont.truetype(file, 40)
    missing = bytes(drawn.getmask("\U0010fffe"))
    # As a check for what a font lacks goes: no glyph, or the box of a missing one.
    lacks = [s for s in ASKED if ord(s) not in names or bytes(drawn.getmask(s)) == missing]
    wrong[font] = {s: names[ord(s)] for s, name in ASKED.items() if names[ord(s)] != name}
    print(f"{font}: lacks {lacks or 'nothing'}, draws another for {wrong[font] or 'none'}")
expected = {"<": "exclamdown", ">": "questiondown", "|": "endash", "{": "emdash",
            "_": "dotaccent", '"': "quotedblright", "\\": "quotedblleft"}  # fmt: skip
same = {font: expected if font in ("cmr10", "cmb10", "cmss10") else {} for font in wrong}
# The names are the fonts' own: that they are drawn so is seen by what has more ink.
r10, plain = (ImageFont.truetype(str(folder / f"{n}.ttf"), 40) for n in ("cmr10", "DejaVuSans"))
narrow = {n: f.getbbox("<")[2] - f.getbbox("<")[0] for n, f in (("cmr10", r10), ("DejaVuSans", plain))}
print(f"width of <, px: {narrow}")
if wrong != same or narrow["cmr10"] * 2 > narrow["DejaVuSans"]:
    sys.exit("this has changed: see above")
print(f"as recorded: nothing is missing, and cmr10 draws {wrong['cmr10']['<']} for <")
EOF
