#!/usr/bin/env bash
# NePS' PriorBand never trains the configuration that it is given as the prior.
#
# Believed: the configuration that a person knows to be good (`prior=`, confidence high) is the
#   first one tried, as version 0.12 had it (`sample_default_first=True`).
# True: `sample_prior_first` is False by default. Points are drawn around the prior with a spread of
#   a quarter of the range even at the highest confidence, and at the smallest budget every second
#   one from the whole space: of 27 first trials the nearest is a twentieth of the range off.
# Matters: priors are for few trials, where the known configuration is what all others have to beat;
#   here nothing says whether they did. Pass ("priorband", {"sample_prior_first": True}).
# Source: Mallik et al. 2023, arXiv 2306.12370; automl.github.io/neps/latest/reference/optimizers.
# Seen: 2026-11-28, neural-pipeline-search 0.17.0, torch 2.15.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" \
  neural-pipeline-search==0.17.0 torch==2.15.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
cat > search.py <<'EOF'
import logging
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")

import neps
import numpy as np
import torch

logging.disable(logging.CRITICAL)
print(", ".join(f"{n} {version(n)}" for n in ("neural-pipeline-search", "torch")))
PRIOR = np.array([0.2, 0.4])


class Space(neps.PipelineSpace):
    x = neps.Float(0.0, 1.0, prior=0.2, prior_confidence="high")
    y = neps.Float(0.0, 1.0, prior=0.4, prior_confidence="high")
    epochs = neps.IntegerFidelity(1, 9)


def tried(optimizer, seed):
    """The first nine points: the smallest rung of the first bracket."""
    points = []

    def objective(x, y, epochs):
        points.append((x, y))
        return abs(x - PRIOR[0]) + abs(y - PRIOR[1])

    np.random.seed(seed)
    torch.manual_seed(seed)
    neps.run(
        objective, Space(), root_directory=f"out-{optimizer}-{seed}".replace(" ", ""),
        total_evaluations_to_spend=9, optimizer=optimizer,
    )  # fmt: skip
    return np.array(points)


default = np.concatenate([tried("priorband", seed) for seed in range(3)])
asked = tried(("priorband", {"sample_prior_first": True}), 0)
distance = abs(default - PRIOR).max(axis=1)
print("distances from the prior, by default:", *np.sort(distance).round(2))
print("first point when asked for it:", *asked[0].round(3))
if not (distance.min() > 0.02 and np.allclose(asked[0], PRIOR)):
    sys.exit(f"CHANGED: nearest {distance.min()}, first when asked {asked[0]}")
near = int((distance < 0.1).sum())
print(f"as recorded: of 27 the nearest is {distance.min():.2f} off, {near} within 0.1")
EOF
venv/bin/python -W ignore search.py 2> errors.txt || { tail -3 errors.txt >&2; exit 1; }
