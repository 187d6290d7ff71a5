#!/usr/bin/env bash
# libvips and scikit-image make other greys of colours than Pillow, OpenCV and torchvision.
#
# Believed: colourspace("b-w") and rgb2gray weigh red, green and blue as everybody does (299 : 587 :
#   114), so a recogniser trained on Pillow's "L" can be served with them, a few levels apart.
# True: libvips weighs light: it makes the values linear, adds them up by the weights of sRGB's
#   primaries, and turns the sum back. scikit-image takes those weights (2126 : 7152 : 722), but of
#   the values as they are. Greys stay; pure red is 127, 54 or 76, blue 76, 18 or 29, and a random
#   colour is 13 or 10 levels off on average.
# Matters: coloured text on coloured ground, as captchas have it, gets another contrast in use than
#   in training, in silence. Hand colours to the recogniser's own conversion.
# Source: libvips.org/API/current, Image.colourspace; scikit-image.org, color.rgb2gray (weights).
# Seen: 2026-11-28, pyvips 3.2.0, pyvips-binary 8.18.7, scikit-image 0.26.0, pillow 13.0.0,
#   opencv-python-headless 5.0.0.93, numpy 2.4.6.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" pyvips==3.2.0 pyvips-binary==8.18.7 \
  scikit-image==0.26.0 pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python - <<'EOF'
import itertools
import sys
from importlib.metadata import version

import cv2
import numpy as np
import pyvips
from PIL import Image
from skimage.color import rgb2gray

names = ("pyvips", "pyvips-binary", "scikit-image", "pillow", "opencv-python-headless")
print(", ".join(f"{n} {version(n)}" for n in names))
numbers = itertools.count()


def greys(pixels):
    """(h, w) levels by each of four libraries of (h, w, 3) colours, through a PNG file."""
    name = f"{next(numbers)}.png"  # libvips keeps what it read of a name
    Image.fromarray(pixels).save(name)
    of_vips = pyvips.Image.new_from_file(name).colourspace("b-w").numpy()
    of_skimage = np.rint(255 * rgb2gray(np.asarray(Image.open(name))))
    of_pillow = np.asarray(Image.open(name).convert("L"))
    of_opencv = cv2.cvtColor(cv2.imread(name), cv2.COLOR_BGR2GRAY)
    return [np.squeeze(one).astype(int) for one in (of_vips, of_skimage, of_pillow, of_opencv)]


COLOURS = {
    "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255),
    "grey": (128, 128, 128), "dark red": (140, 20, 20), "dark blue": (20, 20, 140),
}  # fmt: skip
found = {}
for name, colour in COLOURS.items():
    levels = greys(np.full((4, 4, 3), colour, dtype=np.uint8))
    found[name] = tuple(int(one[0, 0]) for one in levels)
    print("{}: libvips {}, scikit-image {}, Pillow {}, OpenCV {}".format(name, *found[name]))
chance = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
of_vips, of_skimage, of_pillow, of_opencv = greys(chance)
off = {}
for name, one in (("libvips", of_vips), ("scikit-image", of_skimage), ("OpenCV", of_opencv)):
    apart = abs(one - of_pillow)
    off[name] = float(apart.mean())
    print(f"random colours: {name} from Pillow {off[name]:.1f} on average, {apart.max()} at most")
if len(set(found["grey"])) > 1 or len(set(found["red"])) != 3:
    sys.exit(f"CHANGED: {found}")
if not (off["libvips"] > 8 and off["scikit-image"] > 6 and off["OpenCV"] < 1):
    sys.exit(f"CHANGED: {off}")
levels = "{} for libvips, {} for scikit-image, {} for Pillow".format(*found["red"])
print("as recorded: red is", levels)
EOF
