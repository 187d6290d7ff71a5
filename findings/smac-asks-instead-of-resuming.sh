#!/usr/bin/env bash
# SMAC does not lengthen a search: it asks whether to throw the old one away, and dies where nobody
# answers.
#
# Believed: "SMAC can automatically restore states where it left off": run again in the same folder
#   with overwrite=False and more trials allowed, it goes on.
# True: the number of trials is part of what has to be equal. Another number makes it a different
#   search, and SMAC asks on the terminal whether to overwrite or to rename the old run; going on is
#   not among the answers. In a batch job the question ends in an EOFError, after the first trials
#   were paid for. With the same number a finished search is taken up, and does nothing.
# Matters: "ten trials first, then thirty more" is how a small search is run. Allow the large number
#   from the start and stop early (a callback), or feed the old trials in with `tell`.
# Source: automl.github.io/SMAC3/latest/advanced_usage/10_continue.
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


def objective(config, seed=0):
    return (config["x"] - 0.3) ** 2 + config["y"]


def run(trials):
    scenario = Scenario(
        space, name="run", output_directory="out", n_trials=trials, deterministic=True, seed=0
    )
    search = HyperparameterOptimizationFacade(
        scenario, objective, overwrite=False, logging_level=40
    )
    before = search.runhistory.finished
    search.optimize()
    return before, search.runhistory.finished


first, again = run(12), run(12)
print("12 trials, before and after:", first, "; once more:", again)
try:
    outcome = f"went on: {run(20)}"
except (EOFError, RuntimeError) as error:
    outcome = type(error).__name__
print("\n20 trials, standard input closed:", outcome)
if (first[1], again[1], outcome) != (12, 12, "EOFError"):
    sys.exit(f"CHANGED: {first}, {again}, {outcome}")
print("as recorded: 12 trials cannot become 20, EOFError")
EOF
venv/bin/python -W ignore search.py < /dev/null
