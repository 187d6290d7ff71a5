#!/usr/bin/env bash
# The package `captcha` cannot draw the same image twice, whatever is seeded.
#
# Believed: random.seed (or numpy's) before drawing makes a generated set repeatable, as with every
#   other generator of training images.
# True: it draws with the operating system's chance (`secrets`), no seed reaches it: colours,
#   angles, dots and curves differ in each run.
# Matters: "generated with seed 0" means nothing; two trainings on "the same" set compare different
#   images. Keep the drawn set as files.
# Source: captcha.lepture.com/image/ (no word of seeds); the module captcha.image.
# Seen: 2026-11-28, captcha 0.7.1, pillow 13.0.0, numpy 2.4.6.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" captcha==0.7.1 pillow==13.0.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python - <<'EOF'
import hashlib
import random
import sys
from importlib.metadata import version

import captcha.image
import numpy as np

print(", ".join(f"{n} {version(n)}" for n in ("captcha", "pillow", "numpy")))


def drawn():
    random.seed(0)
    np.random.seed(0)
    image = captcha.image.ImageCaptcha().generate("ab12").read()
    return hashlib.sha256(image).hexdigest()[:12]


seen = [drawn() for _ in range(4)]
print("four images of ab12, each after random.seed(0):", *seen)
if len(set(seen)) < 4:
    sys.exit(f"CHANGED: {seen}")
print("as recorded: four seeds alike, four images that differ")
EOF
