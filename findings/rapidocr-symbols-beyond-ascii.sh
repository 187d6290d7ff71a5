#!/usr/bin/env bash
# RapidOCR returns symbols that the label cannot have: wide forms, one sign for two, blanks.
#
# Believed: a line of ASCII letters and digits is read as ASCII; letters set apart come back joined,
#   for the recogniser alone is shown one line.
# True: its charset is Chinese. Digits set apart by a third of their size come back as wide forms
#   such as `１` (U+FF11), mixed with plain ones, in most labels; set farther apart they come with
#   blanks between them; `25°C` comes back as `25℃`, one sign (U+2103). All look alike in print.
# Matters: an exact comparison counts right readings as wrong, and labels made with it carry
#   symbols that a charset of 36 lacks. After NFKC and without blanks all were right.
# Source: rapidai.github.io/RapidOCRDocs; the charset is in the model's own metadata.
# Seen: 2026-11-28, rapidocr 3.10.0 (PP-OCRv6 small, shipped with it), onnxruntime 1.32.0,
#   opencv-python-headless 5.0.0.93, pillow 13.0.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" rapidocr==3.10.0 onnxruntime==1.32.0 \
  pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
venv/bin/python -W ignore - <<'EOF'
import random
import sys
import unicodedata
from importlib.metadata import version

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR

names = ("rapidocr", "onnxruntime", "opencv-python-headless", "pillow")
print(", ".join(f"{n} {version(n)}" for n in names))
FONT = ImageFont.load_default(24)
engine = RapidOCR(params={"Global.log_level": "error"})


def read(text, gap=0):
    """What is read of a text, black on white, with so many pixels between its symbols."""
    widths = [FONT.getlength(symbol) + gap for symbol in text]
    image = Image.new("RGB", (round(sum(widths)) + 12, 36), "white")
    for i, symbol in enumerate(text):
        ImageDraw.Draw(image).text((6 + sum(widths[:i]), 4), symbol, "black", FONT)
    found = engine(np.array(image)[:, :, ::-1].copy(), use_det=False, use_cls=False, use_rec=True)
    return found.txts[0], float(found.scores[0])


degrees = read("25°C")
print("25°C ->", degrees)
draw = random.Random(3)
LABELS = ["".join(draw.choices("0123456789", k=5)) for _ in range(30)]
right, blanks, wide, mended = {}, {}, {}, {}
for gap in (0, 7, 9, 12, 16, 24):
    found = [read(label, gap)[0] for label in LABELS]
    right[gap] = sum(map(str.__eq__, found, LABELS))
    blanks[gap] = sum(" " in text for text in found)
    strange = [text for text in found if any(ord(symbol) > 0xFF00 for symbol in text)]
    wide[gap] = len(strange)
    plain = [unicodedata.normalize("NFKC", text).replace(" ", "") for text in found]
    mended[gap] = sum(map(str.__eq__, plain, LABELS))
    print(
        f"gap {gap} px: right {right[gap]} of 30, with wide forms {wide[gap]} {strange[:3]},",
        f"with blanks {blanks[gap]}; after NFKC, without blanks, right {mended[gap]}",
    )
if not (degrees[0] == "25℃" and right[0] == 30 and wide[9] > 10 and blanks[24] == 30):
    sys.exit(f"CHANGED: {degrees}, right {right}, blanks {blanks}, wide {wide}")
print(f"as recorded: 25℃; wide forms in {wide[9]} of 30 at 9 px, blanks in {blanks[24]} at 24 px")
EOF
