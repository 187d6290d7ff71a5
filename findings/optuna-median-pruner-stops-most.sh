#!/usr/bin/env bash
# Optuna's MedianPruner stops seven trials of eight, not every second one.
#
# Believed: "prunes if the trial's value is worse than the median of the others at the same step"
#   stops about half of the trials, for half of anything lies below its median.
# True: the median is that of the trials that ran to their end, and those are the ones that were
#   above it. It rises with each of them: of trials in random order whose curves never cross it
#   stops 60 % at first and 87 % after fifty. PercentilePruner(25), "keeps the best quarter", keeps
#   one in twenty.
# Matters: it is taken for the mild pruner. Where early epochs tell little, as with CTC's flat
#   start, most of a search is judged by them alone: with as much noise as spread the best trial of
#   the hundred is stopped in four searches of ten. Give n_warmup_steps, or a higher percentile.
# Source: optuna.readthedocs.io/en/stable/reference/generated/optuna.pruners.MedianPruner.html.
# Seen: 2026-11-28, optuna 5.0.0, ten seeds of 100 trials.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" optuna==5.0.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
import optuna
from optuna.pruners import MedianPruner, PercentilePruner
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
print("optuna", version("optuna"))


def search(pruner, seed, noise=0.0):
    """Which of 100 trials were stopped, and whether the best one was among them."""
    chance = np.random.default_rng(seed)
    study = optuna.create_study(
        direction="maximize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=seed)
    )
    values, stopped = chance.random(100), []
    for value in values:
        trial, pruned = study.ask(), False
        for epoch in range(1, 6):  # noise only before the last epoch
            trial.report(value + noise * chance.normal() * (epoch < 5), epoch)
            if pruned := trial.should_prune():
                break
        study.tell(trial, None if pruned else value, TrialState.PRUNED if pruned else None)
        stopped.append(pruned)
    return stopped, stopped[int(values.argmax())]


shares = {}
for name, pruner in (("median", MedianPruner()), ("percentile 25", PercentilePruner(25.0))):
    found = np.array([search(pruner, seed)[0] for seed in range(10)])
    shares[name] = found[:, 50:].mean()
    print(
        f"{name}, curves that never cross: stopped {found[:, 5:20].mean():.0%} of trials 6 to 20,",
        f"{found[:, 20:50].mean():.0%} of 21 to 50, {shares[name]:.0%} of 51 to 100",
    )
lost = sum(search(MedianPruner(), seed, noise=0.29)[1] for seed in range(10))
print(f"median, noise as large as the spread: the best of 100 was stopped in {lost} of 10 searches")
if not (shares["median"] > 0.78 and shares["percentile 25"] > 0.88):
    sys.exit(f"CHANGED: {shares}")
print("as recorded:", ", ".join(f"{n} stops {s:.0%} of the later ones" for n, s in shares.items()))
EOF
