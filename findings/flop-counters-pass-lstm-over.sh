#!/usr/bin/env bash
# Counters of operations count an LSTM as nothing, and a GRU in full.
#
# Believed: torch's own FlopCounterMode counts matrix products wherever they happen, those inside an
#   LSTM too; a counter that cannot says so.
# True: on the CPU torch hands an LSTM to oneDNN as one operation, for which FlopCounterMode has no
#   formula: it counts 0, in training and in evaluation, without a word, and ptflops with its aten
#   backend does the same. A GRU is taken apart into products and counted exactly. fvcore counts 0
#   of both, and warns. thop, torchinfo and ptflops' pytorch backend are right to 2 %.
# Matters: a search for small recognisers that has operations as its second objective takes the LSTM
#   for free, and prefers it to a GRU of the same size that costs three quarters of it. Compare with
#   a count by hand: 4 * hidden * (inputs + hidden) for each step and direction.
# Source: docs.pytorch.org, torch.utils.flop_counter.FlopCounterMode; oneDNN: mkldnn_rnn_layer.
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
    "torch, evaluation": lambda model: of_torch(model.eval()),
    "ptflops, aten": of_ptflops("aten"),
    "fvcore": lambda model: FlopCountAnalysis(model, columns).total(),
    "thop": lambda model: thop.profile(model, (columns,), verbose=False)[0],
    "torchinfo": lambda m: torchinfo.summary(m, input_data=columns, verbose=0).total_mult_adds,
    "ptflops, pytorch": of_ptflops("pytorch"),
}
shares = {}
for name, count in COUNTERS.items():
    for kind, gates in ((nn.LSTM, 4), (nn.GRU, 3)):
        truly = STEPS * 2 * gates * HIDDEN * (INPUTS + HIDDEN)
        shares[name, kind.__name__] = count(Recurrent(kind)) / truly
    print(f"{name}: LSTM {shares[name, 'LSTM']:.1%} of its products, GRU {shares[name, 'GRU']:.1%}")
nothing = [n for n in COUNTERS if shares[n, "LSTM"] == 0]
if nothing != ["torch", "torch, evaluation", "ptflops, aten", "fvcore"]:
    sys.exit(f"CHANGED: {shares}")
if not (shares["torch", "GRU"] == 1 and abs(shares["thop", "LSTM"] - 1) < 0.05):
    sys.exit(f"CHANGED: {shares}")
print("as recorded: torch counts 0 products in an LSTM, and 100% of those in a GRU")
EOF
