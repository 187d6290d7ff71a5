#!/usr/bin/env bash
# torch exports adaptive pooling with a free width, and the file is wrong at every other width.
#
# Believed: AdaptiveAvgPool2d((1, 20)) cannot be written with a free width, so the exporter
#   refuses it; or it is written so that 20 columns come out.
# True: the exporter says nothing and writes a fixed window, the example's width over 20. At other
#   widths onnxruntime gives another number of columns; where the number is right by luck (104 px
#   for 100), the columns are of other places. AdaptiveMaxPool2d((1, None)) does worse: the file
#   takes the example's width only, though the width was declared free.
# Matters: a recogniser with a pooled height or a fixed number of steps is checked at the example's
#   size, where all is right, and reads shifted or shortened text in use. Check an exported file at
#   two widths; take the mean over the height (`x.mean(2)`) instead of pooling.
# Source: docs.pytorch.org/docs/stable/onnx_export.html, dynamic_shapes.
# Seen: 2026-11-28, torch 2.15.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" \
  torch==2.15.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
venv/bin/python -W ignore - <<'EOF'
import logging
import sys
from importlib.metadata import version

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.export import Dim

logging.disable(logging.CRITICAL)
names = ("torch", "onnx", "onnxscript", "onnxruntime")
print(", ".join(f"{n} {version(n)}" for n in names))
WIDTHS = (100, 40, 104, 160)
FREE = {0: Dim("batch"), 3: Dim("width", min=24, max=400)}


def differences(layer):
    """At each width: how far onnxruntime is from torch, or the two shapes, or that it refuses."""
    torch.onnx.export(
        layer.eval(), (torch.rand(2, 3, 8, WIDTHS[0]),), "layer.onnx", input_names=["x"],
        dynamic_shapes=(FREE,), dynamo=True, verbose=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession("layer.onnx", providers=["CPUExecutionProvider"])
    found = []
    for width in WIDTHS:
        images = torch.rand(1, 3, 8, width)
        expected = layer(images).numpy()
        try:
            got = session.run(None, {"x": images.numpy()})[0]
        except Exception:
            found.append("refused")
            continue
        same = got.shape == expected.shape
        found.append(
            "equal" if same and np.allclose(got, expected, atol=1e-5)
            else f"off by {abs(got - expected).max():.2f}" if same
            else f"{got.shape[3]} columns for {expected.shape[3]}"
        )  # fmt: skip
    print(f"{layer}: " + ", ".join(f"{w} px {f}" for w, f in zip(WIDTHS, found)))
    return [f.split()[0] for f in found]


class Mean(nn.Module):
    def forward(self, images):
        return images.mean(2, keepdim=True)


torch.manual_seed(0)
seen = [
    differences(nn.AdaptiveAvgPool2d((1, 20))),
    differences(nn.AdaptiveMaxPool2d((1, None))),
    differences(Mean()),
]
if seen != [["equal", "8", "off", "32"], ["equal", *["refused"] * 3], ["equal"] * 4]:
    sys.exit(f"CHANGED: {seen}")
print("as recorded: adaptive pooling is exported in silence, and wrong or shut at other widths")
EOF
