#!/usr/bin/env bash
# Trials that fail end a whole SMAC search, with an error about NaN.
#
# Believed: SMAC keeps trials that raise as CRASHED, with a cost of their own, and learns to avoid
#   them; that is what `crash_cost` is there for.
# True: by default that cost is infinite, and the model of the default facade is fitted to scaled
#   logarithms of all costs: they become NaN, and scikit-learn refuses them as soon as the initial
#   points are through. With crash_cost=10 the same search runs, and avoids the failing half.
# Matters: a small share of configurations that run out of memory costs all trials so far; and what
#   is printed names neither the trial nor the setting. Set `crash_cost`.
# Source: automl.github.io/SMAC3/latest, Scenario: crash_cost, the cost of a failed trial.
# Seen: 2026-11-28, smac 2.4.1, ConfigSpace 1.2.2, scikit-learn 1.9.1.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" \
  smac==2.4.1 configspace==1.2.2 scikit-learn==1.9.1 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
cat > search.py <<'EOF'
import sys
from importlib.metadata import version

from ConfigSpace import ConfigurationSpace, Float
from smac import HyperparameterOptimizationFacade, Scenario

print(", ".join(f"{n} {version(n)}" for n in ("smac", "configspace", "scikit-learn")))
space = ConfigurationSpace(seed=0)
space.add(Float("x", (0, 1)), Float("y", (0, 1)))
tried = []


def objective(config, seed=0):
    tried.append(config["x"])
    if config["x"] > 0.5:
        raise MemoryError
    return (config["x"] - 0.45) ** 2 + config["y"]


def run(name, **options):
    tried.clear()
    scenario = Scenario(space, name=name, n_trials=30, deterministic=True, seed=0, **options)
    search = HyperparameterOptimizationFacade(
        scenario, objective, overwrite=True, logging_level=60
    )
    try:
        search.optimize()
        ended = "to its end"
    except ValueError as error:
        ended = str(error).splitlines()[0]
    later = [x > 0.5 for x in tried[10:]]
    print(f"{name}: {len(tried)} trials, {ended}; of those after the tenth {sum(later)} failed")
    return len(tried), ended, sum(later)


plain, costly = run("default"), run("crash cost 10", crash_cost=10.0)
if not ("NaN" in plain[1] and plain[0] < 20 and costly[0] == 30 and costly[2] < 6):
    sys.exit(f"CHANGED: {plain}, {costly}")
print(f"as recorded: ended after {plain[0]} of 30 trials: {plain[1]}")
EOF
venv/bin/python -W ignore search.py < /dev/null
