#!/usr/bin/env bash
# Cleaners of image sets take every label for a duplicate or a fault.
#
# Believed: a tool that finds near duplicates by perceptual hashes leaves images with different text
#   alone, for text of five random symbols differs in most of them; a tool that finds faulty images
#   flags few of a clean set.
# True: with imagededup's defaults 94 % of 200 different labels have a "duplicate" by PHash, and it
#   would remove half of them; by AHash and WHash nearly all. White with dark strokes is alike at
#   32 by 32 pixels. CleanVision flags all 200: for their shape (3 : 1 counts as odd), most also as
#   of low information.
# Matters: cleaning a small labelled set so, or grouping near duplicates before a split, takes away
#   half of it or makes one group of it. Compare the pixels themselves, or with
#   max_distance_threshold=0; drop CleanVision's odd_aspect_ratio and low_information.
# Source: idealo.github.io/imagededup (max_distance_threshold, 10 by default);
#   github.com/cleanlab/cleanvision, the list of issues.
# Seen: 2026-11-28, imagededup 0.3.3.post2, cleanvision 0.3.7, pillow 12.3.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" imagededup==0.3.3.post2 cleanvision==0.3.7 \
  numpy==2.4.6 pillow==12.3.0 torch==2.15.0 torchvision==0.29.2 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
cat > look.py <<'EOF'
import random
import sys
from importlib.metadata import version
from pathlib import Path

from cleanvision import Imagelab
from imagededup.methods import AHash, DHash, PHash, WHash
from PIL import Image, ImageDraw, ImageFont

print(", ".join(f"{n} {version(n)}" for n in ("imagededup", "cleanvision", "pillow")))
draw, font = random.Random(0), ImageFont.load_default(26)
labels = {"".join(draw.choices("abcdefghkmnpqrstuvwxyz23456789", k=5)) for _ in range(200)}
Path("images").mkdir()
for label in sorted(labels):
    image = Image.new("RGB", (120, 40), "white")
    ImageDraw.Draw(image).text((12, 5), label, "black", font)
    image.save(f"images/{label}.png")
print(len(labels), "images of different labels")

single = {"image_dir": "images", "num_enc_workers": 0, "num_dist_workers": 0}
share, removed, exact = {}, {}, {}
for kind in (PHash, DHash, AHash, WHash):
    name, method = kind.__name__, kind(verbose=False)
    found = method.find_duplicates(**single)
    share[name] = sum(map(bool, found.values())) / len(found)
    removed[name] = len(method.find_duplicates_to_remove(**single))
    exact[name] = len(method.find_duplicates_to_remove(max_distance_threshold=0, **single))
    print(
        f"{name}: {share[name]:.0%} have a duplicate, {removed[name]} would go;",
        f"{exact[name]} with max_distance_threshold=0",
    )
lab = Imagelab(data_path="images")
lab.find_issues(n_jobs=1, verbose=False)
flags = lab.issues[[name for name in lab.issues if name.startswith("is_")]]
print("CleanVision:", {name: int(n) for name, n in flags.sum().items() if n})
flagged = float(flags.any(axis=1).mean())
if not (share["PHash"] > 0.8 and removed["PHash"] > 80 and removed["AHash"] > 180 and flagged == 1):
    sys.exit(f"CHANGED: {share}, {removed}, CleanVision {flagged:.0%}")
gone = ", ".join(f"{name} {removed[name]}" for name in ("PHash", "AHash"))
print(f"as recorded: of 200 would be removed by {gone}; CleanVision flags {flagged:.0%}")
EOF
venv/bin/python -W ignore look.py > out.txt 2> errors.txt || { tail -n 5 errors.txt >&2; exit 1; }
grep -v '^$' out.txt
