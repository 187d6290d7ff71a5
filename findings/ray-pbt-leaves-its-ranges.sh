#!/usr/bin/env bash
# Ray's population based training leaves the ranges that it is given.
#
# Believed: hyperparam_mutations={"dropout": tune.uniform(0, 0.5)} bounds the dropout: what a trial
#   is given after a perturbation lies in the range as well.
# True: the range is used for new draws only. A perturbation multiplies the present value by 0.8 or
#   1.2, over and over and without a look at it: where more is better for the moment, a dropout from
#   [0, 0.5] comes to more than 1 within fifteen perturbations.
# Matters: values that the model refuses end the trial long after the start, and all others are
#   trained outside the space that the report names. Clip them in custom_explore_fn, which has the
#   last word.
# Source: docs.ray.io, tune.schedulers.PopulationBasedTraining: hyperparam_mutations,
#   perturbation_factors, custom_explore_fn.
# Seen: 2026-11-28, ray 2.60.0, 4 trials of 30 iterations, perturbed after every second one.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" "ray[tune]==2.60.0" ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
cat > search.py <<'EOF'
import json
import random
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

HIGHEST = 0.5


def train(config):
    """The more dropout, the better, as for a model that overfits."""
    step, checkpoint = 0, tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            step = json.loads(Path(folder, "step.json").read_text())
    while step < 30:
        step += 1
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "step.json").write_text(json.dumps(step))
            tune.report(
                {"accuracy": config["dropout"] + step / 100, "dropout": config["dropout"]},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )


def largest(**options):
    """The largest dropout that any trial had."""
    random.seed(0)
    np.random.seed(0)
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration", perturbation_interval=2, synch=True,
        hyperparam_mutations={"dropout": tune.uniform(0, HIGHEST)}, **options,
    )  # fmt: skip
    tuner = tune.Tuner(
        train,
        param_space={"dropout": tune.uniform(0, HIGHEST)},
        tune_config=tune.TuneConfig(
            metric="accuracy", mode="max", num_samples=4, scheduler=scheduler,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(dir=Path.cwd()), verbose=0),
    )
    tables = [one.metrics_dataframe for one in tuner.fit()]
    return max(float(table["dropout"].max()) for table in tables)


def clip(config):
    return config | {"dropout": min(config["dropout"], HIGHEST)}


print("ray", version("ray"))
ray.init(
    address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
)
plain, clipped = largest(), largest(custom_explore_fn=clip)
print(f"range [0, {HIGHEST}]: largest dropout {plain:.2f}, with custom_explore_fn {clipped:.2f}")
ray.shutdown()
if plain <= HIGHEST or clipped > HIGHEST:
    sys.exit(f"CHANGED: {plain}, {clipped}")
print(f"as recorded: a dropout from [0, {HIGHEST}] came to {plain:.2f}")
EOF
export OMP_NUM_THREADS=1 RAY_AIR_NEW_OUTPUT=0
venv/bin/python -W ignore search.py > out.txt 2> errors.txt || { tail -n 5 errors.txt >&2; exit 1; }
grep -E '^(ray|range|as recorded)' out.txt
