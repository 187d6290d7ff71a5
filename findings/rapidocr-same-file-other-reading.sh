#!/usr/bin/env bash
# RapidOCR reads one file rightly by its path and sideways from its bytes, and 16-bit grey never.
#
# Believed: a path, the file's bytes and an opened image are three ways of giving the same thing;
#   a 16-bit grey PNG (a scanner's) or a CMYK image is brought to 8-bit colours first.
# True: only a path is turned upright by the camera's EXIF mark; the same file as bytes or as a
#   Pillow image is read sideways, as other text. 16-bit grey comes back as signs
#   that are not in it, Chinese ones among them, and CMYK as nothing, in all three ways.
# Matters: tried by path, served by bytes: the readings differ, and nothing says so. Give an array,
#   made by ImageOps.exif_transpose and, for 16 bits, divided by 257 (convert("RGB") cuts at 255).
# Source: rapidai.github.io/RapidOCRDocs, input types: str, Path, bytes, ndarray, PIL.Image.Image.
# Seen: 2026-11-28, rapidocr 3.10.0, onnxruntime 1.32.0, opencv-python-headless 5.0.0.93,
#   pillow 13.0.0.
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
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR

names = ("rapidocr", "onnxruntime", "opencv-python-headless", "pillow")
print(", ".join(f"{n} {version(n)}" for n in names))
LABEL = "kx4m2 9317"
image = Image.new("RGB", (190, 60), "white")
ImageDraw.Draw(image).text((20, 14), LABEL, "black", ImageFont.load_default(24))
grey = np.asarray(image.convert("L"))
turned = Image.Exif()
turned[0x0112] = 6  # a viewer turns it by 90 degrees, clockwise

image.save("plain.png")
image.transpose(Image.Transpose.ROTATE_90).save("camera.jpg", exif=turned)
Image.fromarray(grey.astype(np.uint16) * 257).save("16-bit.png")
image.convert("CMYK").save("cmyk.jpg", quality=95)

engine = RapidOCR(params={"Global.log_level": "error"})
found = {}
for name in ("plain.png", "camera.jpg", "16-bit.png", "cmyk.jpg"):
    for way, given in (
        ("path", name),
        ("bytes", Path(name).read_bytes()),
        ("Pillow", Image.open(name)),
    ):
        result = engine(given, use_det=False, use_cls=False, use_rec=True)
        found[name, way] = (result.txts or ("",))[0]
    print(name, {way: found[name, way] for way in ("path", "bytes", "Pillow")})
right = [key for key, text in found.items() if text == LABEL]
if right != [("plain.png", way) for way in ("path", "bytes", "Pillow")] + [("camera.jpg", "path")]:
    sys.exit(f"CHANGED: {found}")
sideways, strange = found["camera.jpg", "bytes"], found["16-bit.png", "path"]
print(f"as recorded: right by path, {sideways!r} from the same bytes; 16-bit grey is {strange!r}")
EOF
