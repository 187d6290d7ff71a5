#!/usr/bin/env bash
# A range narrowed between two sessions makes Optuna's GPSampler draw that parameter at random.
#
# Believed: Optuna lets a study go on with another range, so a range narrowed around the good trials
#   helps the sampler: it goes on from what it knows, within the new bounds.
# True: a parameter whose bounds changed is in no space that all trials share. GPSampler leaves it
#   out, and draws it at random from then on, in silence: the narrowed search is a hundred times as
#   far from the best as the one left alone. (CmaEsSampler does so too, but learns little so soon.)
#   TPE, which works by each parameter, profits. get_param_importances (fANOVA) leaves the parameter
#   out too: one that decides everything is missing from the list, and the others share its 100 %.
# Matters: "twenty trials wide, then narrower" is common with few trials; the model-based sampler
#   becomes a random one where it counts. Begin a new study and add the old trials that lie inside
#   with `create_trial` and the new distributions.
# Source: optuna.readthedocs.io, search_space.IntersectionSearchSpace; get_param_importances.
# Seen: 2026-11-28, optuna 5.0.0, torch 2.15.0 (for GPSampler), cmaes 0.13.1, scikit-learn 1.9.1.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" optuna==5.0.0 torch==2.15.0 \
  scipy==1.17.1 cmaes==0.13.1 scikit-learn==1.9.1 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
export OMP_NUM_THREADS=1
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
import optuna
from optuna.samplers import CmaEsSampler, GPSampler, RandomSampler, TPESampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
print(", ".join(f"{n} {version(n)}" for n in ("optuna", "torch", "cmaes", "scikit-learn")))
BEST, WIDE, NARROW = 0.31, 1.0, 0.6  # upper bounds of x


def search(sampler, upper):
    """20 trials with x in [0, 1], 10 more up to another bound: the study."""
    study = optuna.create_study(sampler=sampler)
    for number in range(30):
        trial = study.ask()
        x = trial.suggest_float("x", 0, WIDE if number < 20 else upper)
        study.tell(trial, 10 * (x - BEST) ** 2 + (trial.suggest_float("y", 0, 1) - 0.7) ** 2)
    return study


def miss(kind, upper):
    """Mean distance of the last ten trials' x from the best, over three seeds."""
    last = [t for s in range(3) for t in search(kind(seed=s), upper).trials[20:]]
    return float(np.mean([abs(t.params["x"] - BEST) for t in last]))


by_chance = miss(RandomSampler, NARROW)
print(f"random, narrowed: {by_chance:.3f} from the best")
far = {}
for kind in (GPSampler, CmaEsSampler, TPESampler):
    name = kind.__name__
    far[name] = miss(kind, WIDE), miss(kind, NARROW)
    print(f"{name}: left alone {far[name][0]:.3f}, narrowed {far[name][1]:.3f}", flush=True)
shares = {}
for name, upper in (("left alone", WIDE), ("narrowed", NARROW)):
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    study = search(RandomSampler(seed=0), upper)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    shares[name] = {key: round(float(value), 2) for key, value in found.items()}
print("importance (fANOVA):", shares)
alone, narrowed = far["GPSampler"]
if not (narrowed > 0.7 * by_chance and narrowed > 10 * alone and far["TPESampler"][1] < by_chance):
    sys.exit(f"CHANGED: {far}, by chance {by_chance}")
if "x" in shares["narrowed"] or shares["left alone"]["x"] < 0.8:
    sys.exit(f"CHANGED: {shares}")
print(f"as recorded: GP {alone:.3f} from the best, {narrowed:.3f} after the range was narrowed")
EOF
