#!/usr/bin/env bash
# albumentations draws the same changes in every worker and again in every epoch.
#
# Believed: an augmentation library in a torch DataLoader with workers draws anew for each image
#   and epoch, as torchvision's transforms do, since torch seeds each worker.
# True: a pipeline keeps a generator of its own, which torch's seeding does not reach. Each forked
#   worker begins with the same copy, and the workers of the next epoch begin with it again: with
#   W workers and batches in turn every W-th batch is changed alike, and an image that keeps its
#   place in the order is changed alike in all epochs. No seed was given.
# Matters: on a small labelled set augmentation is most of the data; this freezes it, silently.
#   `persistent_workers=True` ends the repetition by epochs but not by workers; draw from torch in
#   the worker (`set_random_seed(torch.initial_seed())` in worker_init_fn), or on the batch.
# Source: albumentations.ai/docs/4-advanced-guides/reproducibility ("independent random state").
# Seen: 2026-11-28, albumentations 2.0.8, torch 2.15.0, torchvision 0.29.2, Linux (fork).
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" albumentations==2.0.8 \
  opencv-python-headless==5.0.0.93 numpy==2.4.6 torch==2.15.0 torchvision==0.29.2 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export NO_ALBUMENTATIONS_UPDATE=1 OMP_NUM_THREADS=1
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import albumentations
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

print(", ".join(f"{n} {version(n)}" for n in ("albumentations", "torch", "torchvision")))
GREY = np.tile(np.arange(100, dtype=np.uint8), (32, 1))  # one image, eight times
ours = albumentations.Compose([albumentations.RandomBrightnessContrast(p=1)])
theirs = v2.ColorJitter(brightness=0.2, contrast=0.2)


class Images(Dataset):
    def __init__(self, change):
        self.change = change

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.change().float().mean()


def epochs(change, **options):
    loader = DataLoader(Images(change), batch_size=2, num_workers=2, **options)
    return [[round(float(v), 2) for batch in loader for v in batch] for _ in range(2)]


def of_albumentations():
    return torch.from_numpy(ours(image=GREY)["image"].copy())


def of_torchvision():
    return theirs(torch.from_numpy(GREY)[None])


seen = {}
for name, change, options in (
    ("albumentations", of_albumentations, {}),
    ("albumentations, workers kept", of_albumentations, {"persistent_workers": True}),
    ("torchvision", of_torchvision, {}),
):
    first, second = epochs(change, **options)
    seen[name] = (first == second, first[:2] == first[2:4])
    print(f"{name}: mean grey of the changed image, epoch 1 {first}, epoch 2 {second}")
    print("  epochs alike: {}, workers alike: {}".format(*seen[name]))
EXPECTED = {
    "albumentations": (True, True),
    "albumentations, workers kept": (False, True),
    "torchvision": (False, False),
}
if seen != EXPECTED:
    sys.exit(f"CHANGED: {seen}")
print("as recorded: both epochs and both workers draw the same changes")
EOF
