#!/usr/bin/env bash
# ddddocr is the surer the less it reads: its confidence counts the blank columns.
#
# Believed: the confidence that comes with `probability=True` is low where the reading is wrong, and
#   low or none for an image without text.
# True: it is the mean of the largest probability over all columns, those between and around the
#   symbols too. A white image has 0.999, more than right readings have on average. A wider margin
#   loses letters (they shrink in the 64 px it works on), and there the wrong readings, most of
#   them a letter short, are surer than the right ones: the fewer letters, the more blank columns.
# Matters: a threshold on it keeps the empty readings and the shortened ones. Take the smallest
#   probability among the columns that are not blank, from `probabilities`.
# Source: ddddocr's README on `probability=True`; the mean is in its core/ocr_engine.py.
# Seen: 2026-11-28, ddddocr 1.6.1 (default model), onnxruntime 1.32.0, pillow 13.0.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" ddddocr==1.6.1 onnxruntime==1.32.0 \
  pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
venv/bin/python -W ignore - <<'EOF'
import random
import sys
from importlib.metadata import version

import ddddocr
import numpy as np
from PIL import Image, ImageDraw, ImageFont

print(", ".join(f"{n} {version(n)}" for n in ("ddddocr", "onnxruntime", "pillow")))
FONT = ImageFont.load_default(24)
engine = ddddocr.DdddOcr(show_ad=False)


def read(image):
    found = engine.classification(image, probability=True)
    return found["text"], found["confidence"]


def drawn(text, margin):
    left, top, right, bottom = (round(x) for x in FONT.getbbox(text))
    size = (right - left + 2 * margin, bottom - top + 2 * margin)
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((margin - left, margin - top), text, "black", FONT)
    return image


draw = random.Random(1)
LABELS = ["".join(draw.choices("abcdefghkmnpqrstuvwxyz23456789", k=5)) for _ in range(30)]
white = read(Image.new("RGB", (160, 64), "white"))
print("a white image:", white)
right, wrong, short = {}, {}, 0
for margin in (6, 20, 30):
    found = [(label, *read(drawn(label, margin))) for label in LABELS]
    bad = [(label, text, round(score, 3)) for label, text, score in found if text != label]
    right[margin] = [score for label, text, score in found if text == label]
    wrong[margin] = [score for *_, score in bad]
    short += sum(len(text) < len(label) for label, text, _ in bad)
    means = [f"{np.mean(s):.3f}" if s else "none" for s in (right[margin], wrong[margin])]
    print(f"margin {margin} px: {len(right[margin])} of 30 right, mean confidence {means[0]};")
    print(f"  of the wrong {means[1]}: {bad[:3]}")
at_30 = np.mean(right[30]), np.mean(wrong[30])
print(f"{short} of {sum(map(len, wrong.values()))} wrong readings are too short")
if not (white[0] == "" and white[1] > np.mean(right[6]) and at_30[1] > at_30[0] and short > 10):
    sys.exit(f"CHANGED: white {white}, right and wrong at 30 px {at_30}, {short} too short")
means = f"at 30 px right {at_30[0]:.3f}, wrong {at_30[1]:.3f}"
print(f"as recorded: nothing read {white[1]:.3f}; {means}")
EOF
