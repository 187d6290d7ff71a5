#!/usr/bin/env bash
# Counters of operations count an LSTM, or attention, as nothing, each of them another one.
#
# Believed: torch's own FlopCounterMode counts matrix products wherever they happen, those inside an
#   LSTM too; a counter that cannot says so; two counters differ by a few per cent.
# True: on the CPU torch hands an LSTM to oneDNN as one operation, for which FlopCounterMode has no
#   formula: it counts 0, in training and in evaluation, without a word, and ptflops with its aten
#   backend does the same. A GRU is taken apart into products and counted exactly. fvcore counts 0
#   of both, and warns. A TransformerEncoderLayer is counted in training but as 0 in evaluation
#   without gradients, where it becomes one operation as well; thop counts half of it, torchinfo a
#   sixtieth. Of all only ptflops' pytorch backend is right to 2 % throughout.
# Matters: a search for small recognisers that has operations as its second objective takes the LSTM
#   or the attention for free. Compare with a count by hand: 4 * hidden * (inputs + hidden) for each
#   step and direction of an LSTM.
# Source: docs.pytorch.org, torch.utils.flop_counter.FlopCounterMode; the operations
#   are aten::mkldnn_rnn_layer and aten::_transformer_encoder_layer_fwd.
# Seen: 2026-11-28, torch 2.15.0, ptflops 0.7.5, fvcore 0.1.5.post20221221, thop
#   0.1.1.post2209072238, torchinfo 1.8.0, x86-64.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" torch==2.15.0 numpy==2.4.6 \
  ptflops==0.7.5 fvcore==0.1.5.post20221221 thop==0.1.1.post2209072238 torchinfo==1.8.0 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
venv/bin/python -W ignore - <<'EOF'
import logging
import sys
from importlib.metadata import version

import thop
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

logging.disable(logging.CRITICAL)
names = ("torch", "ptflops", "fvcore", "thop", "torchinfo")
print(", ".join(f"{n} {version(n)}" for n in names))
STEPS, INPUTS, HIDDEN = 32, 256, 128
columns = torch.rand(1, STEPS, INPUTS)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer = kind(INPUTS, HIDDEN, bidirectional=True, batch_first=True)

    def forward(self, columns):
        return self.layer(columns)[0]


LAYERS = {  # and their products, by hand
    "LSTM": (lambda: Recurrent(nn.LSTM), STEPS * 2 * 4 * HIDDEN * (INPUTS + HIDDEN)),
    "GRU": (lambda: Recurrent(nn.GRU), STEPS * 2 * 3 * HIDDEN * (INPUTS + HIDDEN)),
    "attention": (
        lambda: nn.Sequential(nn.TransformerEncoderLayer(INPUTS, 4, 2 * INPUTS, batch_first=True)),
        STEPS * (4 + 2 * 2) * INPUTS**2 + 2 * STEPS**2 * INPUTS,
    ),
}


def of_torch(model):
    with FlopCounterMode(display=False) as counter:
        model(columns)
    return counter.get_total_flops() / 2


def of_ptflops(backend):
    def count(model):
        size = (STEPS, INPUTS)
        options = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
        return get_model_complexity_info(model, size, backend=backend, **options)[0]

    return count


COUNTERS = {
    "torch": of_torch,
    "torch, evaluation": torch.no_grad()(lambda model: of_torch(model.eval())),
    "ptflops, aten": of_ptflops("aten"),
    "fvcore": lambda model: FlopCountAnalysis(model, columns).total(),
    "thop": lambda model: thop.profile(model, (columns,), verbose=False)[0],
    "torchinfo": lambda m: torchinfo.summary(m, input_data=columns, verbose=0).total_mult_adds,
    "ptflops, pytorch": of_ptflops("pytorch"),
}
shares = {}
for name, count in COUNTERS.items():
    found = {kind: count(make()) / products for kind, (make, products) in LAYERS.items()}
    shares |= {(name, kind): share for kind, share in found.items()}
    print(f"{name}:", ", ".join(f"{kind} {share:.1%}" for kind, share in found.items()))
for kind, expected in (
    ("LSTM", ["torch", "torch, evaluation", "ptflops, aten", "fvcore"]),
    ("GRU", ["fvcore"]),
    ("attention", ["torch, evaluation", "thop", "torchinfo"]),
):
    low = [name for name in COUNTERS if shares[name, kind] < 0.6]
    if low != expected:
        sys.exit(f"CHANGED: {kind} is passed over by {low}")
if shares["torch", "GRU"] != 1 or abs(shares["ptflops, pytorch", "attention"] - 1) > 0.05:
    sys.exit(f"CHANGED: {shares}")
seen = f"attention as {shares['torchinfo', 'attention']:.1%} by torchinfo"
print(f"as recorded: an LSTM is counted as {shares['torch', 'LSTM']:.0%} by torch, {seen}")
EOF
