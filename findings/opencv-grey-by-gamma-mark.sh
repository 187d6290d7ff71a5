#!/usr/bin/env bash
# OpenCV reads the same pixels in other greys once the PNG carries a gamma mark.
#
# Believed: cv2.imread(..., IMREAD_GRAYSCALE) gives what cvtColor makes of the colours, whatever
#   else the file says; at most one grey level apart.
# True: libpng turns colours to grey for it, and does so in linear light if the file has a gAMA or
#   sRGB chunk, which image editors and screenshots write. The colours read from the same file
#   do not change. Red text on green may lose half of its contrast, or gain as much.
# Matters: a training set saved again by an editor is another one, and a recogniser meets greys
#   that it was not trained on. Read in colour and convert, or read with Pillow.
# Source: OpenCV's imread (docs.opencv.org/5.x/d4/da8/group__imgcodecs.html) says only that results
#   may differ from cvtColor; png_set_rgb_to_gray in libpng's manual.
# Seen: 2026-11-28, opencv-python-headless 5.0.0.93, numpy 2.4.6, pillow 13.0.0, Linux x86-64.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" \
  opencv-python-headless==5.0.0.93 numpy==2.4.6 pillow==13.0.0 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python - <<'EOF'
import struct
import sys
from importlib.metadata import version

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

print(", ".join(f"{n} {version(n)}" for n in ("opencv-python-headless", "numpy", "pillow")))
image = Image.new("RGB", (120, 40), (60, 140, 60))
ImageDraw.Draw(image).text((10, 5), "kx4m2", (220, 60, 60), ImageFont.load_default(26))

MARKS = {
    "no mark": [],
    "sRGB": [(b"sRGB", b"\0")],
    "gAMA": [(b"gAMA", struct.pack(">I", 45455))],
    "gAMA of 1": [(b"gAMA", struct.pack(">I", 100000))],
}
greys, colours = {}, {}
for name, chunks in MARKS.items():
    marks = PngInfo()
    for chunk in chunks:
        marks.add(*chunk)
    image.save("image.png", pnginfo=marks)
    greys[name] = cv2.imread("image.png", cv2.IMREAD_GRAYSCALE).astype(int)
    colours[name] = cv2.imread("image.png", cv2.IMREAD_COLOR)
    converted = cv2.cvtColor(colours[name], cv2.COLOR_BGR2GRAY).astype(int)
    pillow = np.array(Image.open("image.png").convert("L")).astype(int)
    ink, paper = np.array(image)[:, :, 0].argmax(), (0, 0)
    at = np.unravel_index(ink, greys[name].shape)
    print(
        f"{name}: paper {greys[name][paper]}, ink {greys[name][at]};",
        f"most from cvtColor {abs(greys[name] - converted).max()},",
        f"from Pillow's L {abs(greys[name] - pillow).max()}",
    )
same_colours = all((colours[n] == colours["no mark"]).all() for n in MARKS)
moved = {n: int(abs(greys[n] - greys["no mark"]).max()) for n in MARKS}
if not (same_colours and moved["no mark"] == 0 and moved["sRGB"] > 8 and moved["gAMA"] > 8):
    sys.exit(f"CHANGED: colours alike {same_colours}, greys moved by {moved}")
print(f"as recorded: the same colours, greys moved by the mark: {moved}")
EOF
