#!/usr/bin/env bash
# scikit-learn's folds by group: another seed gives the same ones, and shuffling unbalances them.
#
# Believed: StratifiedGroupKFold(5, shuffle=True) with another random_state gives other folds, so a
#   result can be averaged over repeated cross-validations; and GroupKFold(5, shuffle=True) keeps
#   its folds about equal, as without shuffling.
# True: with writers of unlike numbers of images and ten or more classes all ten seeds give one and
#   the same partition: groups are dealt out by the spread of their counts, and chance decides ties
#   only. GroupKFold with shuffle deals out equally many writers and looks at no sizes: its largest
#   fold has four to six times the images of its smallest, without shuffle they differ by two
#   in a hundred.
# Matters: "ten times five folds" by writer is one cross-validation done ten times, and its spread
#   says nothing of the split; and a fold of a fourteenth of the images counts as much as a half.
# Source: scikit-learn.org, StratifiedGroupKFold, notes ("no global shuffle will be performed");
#   GroupKFold, shuffle.
# Seen: 2026-11-28, scikit-learn 1.9.1, numpy 2.4.6.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" scikit-learn==1.9.1 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

print(", ".join(f"{n} {version(n)}" for n in ("scikit-learn", "numpy")))
sizes = (5 * 1.25 ** np.arange(20)).astype(int)
writers = np.repeat(np.arange(20), sizes)  # 20 writers with 5 to 346 images each
print(f"{len(writers)} images by 20 writers, {sizes.min()} to {sizes.max()} each")


def partition(seed, symbols):
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    split = folds.split(writers, symbols, writers)
    return frozenset(frozenset(writers[held]) for _, held in split)


different = {}
for classes in (2, 10, 36):
    symbols = np.random.default_rng(0).integers(0, classes, len(writers))
    different[classes] = len({partition(seed, symbols) for seed in range(10)})
    print(f"StratifiedGroupKFold, {classes} classes: {different[classes]} partitions of ten seeds")


def ratio(**options):
    held = [len(h) for _, h in GroupKFold(5, **options).split(writers, groups=writers)]
    print(f"GroupKFold({options}): images in the folds", sorted(held))
    return max(held) / min(held)


plain = ratio()
shuffled = [ratio(shuffle=True, random_state=seed) for seed in range(3)]
if (different[10], different[36]) != (1, 1) or plain > 1.1 or min(shuffled) < 3:
    sys.exit(f"CHANGED: {different}, largest over smallest {plain}, shuffled {shuffled}")
print("as recorded: ten seeds, one partition; shuffled, the largest fold has", end=" ")
print(", ".join(f"{one:.1f}" for one in shuffled), "times the smallest")
EOF
