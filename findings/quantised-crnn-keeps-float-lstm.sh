#!/usr/bin/env bash
# onnxruntime's dynamic quantisation leaves the LSTM of a CRNN float, and slows the rest down.
#
# Believed: quantize_dynamic makes the LSTM 8-bit (DynamicQuantizeLSTM exists for it), the file
#   comes to a quarter, and one image is read faster.
# True: after torch's exporter the LSTM's weights are no constants but are sliced and joined in the
#   graph, so the quantiser passes the LSTM over without a word: the file shrinks by a sixth only,
#   with all convolutions turned into ConvInteger, which takes several times as long. After
#   quant_pre_process, which folds the constants, the same call makes the LSTM 8-bit; kept to LSTM
#   and MatMul, it gives a quarter of their size, and no slower convolutions.
# Matters: somebody who quantises a recogniser for a small machine gets a slower one, about as
#   large. Look at the operators of the file before and after.
# Source: onnxruntime.ai/docs/performance/model-optimizations/quantization.html, pre-processing.
# Seen: 2026-11-28, torch 2.15.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, x86-64 with
#   VNNI, one thread. The times are printed, not judged: they are a machine's.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" torch==2.15.0 onnx==1.23.2 \
  onnxscript==0.7.2 onnxruntime==1.32.0 sympy==1.14.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
venv/bin/python -W ignore - <<'EOF'
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

logging.disable(logging.CRITICAL)
names = ("torch", "onnx", "onnxscript", "onnxruntime")
print(", ".join(f"{n} {version(n)}" for n in names))


class CRNN(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [1, 32, 64, 128, 128]
        self.body = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 1 + (i < 2))))
            for i, (a, b) in enumerate(zip(sizes, sizes[1:]))
        ))  # fmt: skip
        self.lstm = nn.LSTM(256, 128, num_layers=2, bidirectional=True)
        self.head = nn.Linear(256, 37)

    def forward(self, images):
        columns = self.body(images).flatten(1, 2).permute(2, 0, 1)
        return self.head(self.lstm(columns)[0]).log_softmax(2)


torch.manual_seed(0)
torch.onnx.export(
    CRNN().eval(), (torch.rand(2, 1, 32, 96),), "float.onnx", input_names=["x"],
    dynamic_shapes=({0: torch.export.Dim("batch")},), dynamo=True, verbose=False,
    external_data=False,
)  # fmt: skip
quant_pre_process("float.onnx", "folded.onnx")
image = np.random.default_rng(0).random((1, 1, 32, 96), dtype=np.float32)


def look(name, source=None, **options):
    if source:
        quantize_dynamic(source, name, weight_type=QuantType.QInt8, **options)
    kinds = [node.op_type for node in onnx.load(name).graph.node]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(name, settings, providers=["CPUExecutionProvider"])
    times = []
    for _ in range(40):
        begun = time.perf_counter()
        session.run(None, {"x": image})
        times.append(time.perf_counter() - begun)
    counts = {k: kinds.count(k) for k in ("LSTM", "DynamicQuantizeLSTM", "Conv", "ConvInteger")}
    size = Path(name).stat().st_size / 1e6
    print(f"{name}: {size:.2f} MB, {1000 * np.median(times):.2f} ms an image, {counts}")
    return size, counts["LSTM"], counts["ConvInteger"]


plain = look("float.onnx")
as_is = look("dynamic.onnx", "float.onnx")
folded = look("dynamic-folded.onnx", "folded.onnx")
chosen = look("lstm-only.onnx", "folded.onnx", op_types_to_quantize=["LSTM", "MatMul"])
kept = as_is[1:] == (2, 4) and as_is[0] > 0.75 * plain[0]
if not (kept and folded[1] == 0 and folded[0] < 0.3 * plain[0] and chosen[1:] == (0, 0)):
    sys.exit(f"CHANGED: {plain}, {as_is}, {folded}, {chosen}")
print("as recorded: both LSTMs stay float unless the file is pre-processed")
EOF
