#!/usr/bin/env bash
# Hugging Face's imagefolder loses images and labels by how files are named, in silence.
#
# Believed: images in one folder with a metadata.csv beside them become one split with all of them,
#   and an image without a row is an error, as a row without an image is.
# True: an image without a row is left out. One image whose name has the word "test" (or "train",
#   "eval", "dev", set off by other signs) makes splits of the names: all images without such a
#   word are gone, and so is the metadata, the texts with it. With folders train/ and test/ a
#   metadata.csv above them is not read: the text column is missing.
# Matters: of a set with one file called `my-test-scan.png` a single image without a label is left.
#   Compare the number of rows with the number of files, and say data_files={"train": "**"}.
# Source: huggingface.co/docs/datasets/image_dataset; repository structure, split names in file
#   names.
# Seen: 2026-11-28, datasets 5.2.0, pillow 13.0.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" datasets==5.2.0 pillow==13.0.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export HF_HUB_OFFLINE=1 HF_HOME="$place/cache"
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version
from pathlib import Path

import datasets
from PIL import Image

datasets.logging.set_verbosity_error()
datasets.disable_progress_bars()
print(", ".join(f"{n} {version(n)}" for n in ("datasets", "pillow")))


def load(name, files, table, rows, **options):
    """The splits of a folder: number of images, and their texts."""
    for file in files:
        place = Path(name, file)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(place)
    lines = ["file_name,text", *(f"{file},{text}" for file, text in rows)]
    Path(name, table).write_text("\n".join(lines) + "\n")
    found = datasets.load_dataset("imagefolder", data_dir=name, **options)
    seen = {
        split: (len(part), part["text"][:] if "text" in part.column_names else "no texts")
        for split, part in found.items()
    }
    print(f"{name}: {len(files)} images {files} -> {seen}", flush=True)
    return seen


seen = [
    load("plain", ["a.png", "b.png", "c.png"], "metadata.csv",
         [("a.png", "x7k"), ("b.png", "p2m"), ("c.png", "q9d")]),
    load("one without a row", ["a.png", "b.png", "c.png"], "metadata.csv",
         [("a.png", "x7k"), ("c.png", "q9d")]),
    load("one called test", ["a.png", "b.png", "my-test-scan.png"], "metadata.csv",
         [("a.png", "x7k"), ("b.png", "p2m"), ("my-test-scan.png", "q9d")]),
    load("table above the splits", ["train/a.png", "test/b.png"], "metadata.csv",
         [("train/a.png", "x7k"), ("test/b.png", "p2m")]),
    load("one called test, told", ["a.png", "b.png", "my-test-scan.png"], "metadata.csv",
         [("a.png", "x7k"), ("b.png", "p2m"), ("my-test-scan.png", "q9d")],
         data_files={"train": "**"}),
]  # fmt: skip
three = {"train": (3, ["x7k", "p2m", "q9d"])}
none = "no texts"
EXPECTED = [
    three,
    {"train": (2, ["x7k", "q9d"])},
    {"test": (1, none)},
    {"train": (1, none), "test": (1, none)},
    three,
]
if seen != EXPECTED:
    sys.exit(f"CHANGED: {seen}")
print("as recorded: one file called my-test-scan.png, and of 3 images 1 is left, without its text")
EOF
