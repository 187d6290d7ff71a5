"""Searches of a race, ours and Ray's own, and what their best trials come to; see `search_race`."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._side_by_side import Row
from captcha_models.errors import InputError
from spaces.space import Space

if TYPE_CHECKING:
    from captcha_models.data.images import LabelledImages

FOLDS = 5
FRESH = ((101, 1), (102, 2))
"""Seed and fold of the trainings that judge what a search found; searches use fold 0."""
SHARES = (1 / 3, 2 / 3, 1.0)
"""Moments of a search at which its best trial is judged."""
MANY = 10_000
"""Trials that no search comes to."""


@dataclass(frozen=True)
class Race:
    """What all searches share.

    Attributes:
        data: place of the images.
        name: of the images, as the recorded curves have it.
        space: name of the space.
        epochs: of a whole trial.
        minutes: of a search.
        curves: folder of recorded curves.
    """

    data: str
    name: str
    space: str
    epochs: int
    minutes: float
    curves: Path

    @property
    def key(self) -> Row:
        """What a row of this race has."""
        return {"images": self.name, "space": self.space, "epochs": self.epochs,
                "minutes": self.minutes}  # fmt: skip


def own_space(race: Race, bare: Space) -> Space:
    """The space with what the curves of other images tell, and nothing else.

    Args:
        race: whose images are left out.
        bare: the space, fitted to these images.

    Raises:
        InputError: no other images were recorded in that space.
    """
    from benchmarks.curves.surrogate import Surrogate
    from benchmarks.curves.table import read_curves, read_spaces
    from benchmarks.curves.transfer import transferred
    from benchmarks.search_replay import MEMBERS

    every = read_curves(race.curves)
    others = {
        name: table
        for name, table in read_spaces(race.curves).items()
        if table.name == race.space and not name.startswith(f"{race.name}-")
    }
    if not others:
        raise InputError(f"{race.curves}: no other images than {race.name} in space {race.space}")
    sources = [
        Surrogate([curve for curve in every if curve.name == name], table)
        for name, table in others.items()
    ]
    told = transferred(bare, sources, MEMBERS)
    first, *more = told.known
    whole = {**bare.baseline, **first}
    return replace(told, baseline=whole, known=tuple(more))


def fitted(race: Race) -> tuple[Space, dict[str, Any], "LabelledImages"]:
    """The space as it fits the images, without priors; the other fields; the images."""
    from captcha_models.data.sources import open_images
    from captcha_models.data.splits import make_split
    from search.tuning.fitted import fit_plans
    from search.tuning.plan import plan_spaces
    from search.tuning.settings import Settings

    images = open_images(race.data)
    split = make_split(images.units, images.parts, fold=0, folds=FOLDS)
    settings = Settings.parse({"spaces": (race.space,), "epochs": race.epochs})
    plans, refused = fit_plans(plan_spaces(settings), images, split)
    if not plans:
        raise InputError("; ".join(refused))
    plan = next(iter(plans.values()))
    return replace(plan.space, priors={}, known=()), plan.base, images


def ours(race: Race, seed: int, place: Path) -> list[Row]:
    """Trials of a search as `search.run` makes it."""
    from search.experiment import Experiment

    space, _, images = fitted(race)
    begin = time.time()
    run = Experiment(
        images, own_space(race, space), runs_dir=place, name="run", seed=seed, trials=MANY,
        epochs=race.epochs, time_budget_s=race.minutes * 60, address="local",
    ).run()  # fmt: skip
    found = []
    for name, row in run.records.trials.items():
        start = datetime.fromisoformat(row["started"]).timestamp() - begin
        epochs = sorted(run.records.epochs.get(name, {}).items())
        ends = start + np.cumsum([each["seconds"] for _, each in epochs])
        reports = [
            [round(float(end), 1), epoch, each["valid_nll"]]
            for end, (epoch, each) in zip(ends, epochs, strict=True)
        ]
        found.append({"config": row["config"], "reports": reports})
    return found


def theirs(race: Race, seed: int, place: Path, *, by_chance: bool) -> list[Row]:
    """Trials of Ray Tune with OptunaSearch as its manual shows it: TPE with ASHA, or chance."""
    import optuna
    import ray
    from optuna.samplers import RandomSampler
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    from captcha_models.architectures import config_class
    from captcha_models.data.splits import make_split
    from captcha_models.training.fit import fit

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space, base, images = fitted(race)
    begin = time.time()
    ray.init(address="local", include_dashboard=False, log_to_driver=False)

    def train(values: Mapping[str, Any], images: Any) -> None:
        import torch

        torch.set_num_threads(1)
        split = make_split(images.units, images.parts, fold=0, folds=FOLDS)
        config = config_class(space.arch).parse({**base, **space.fixed, **values})

        def report(metrics: Any, state: object) -> None:
            tune.report({"valid_nll": metrics.valid_nll, "at": time.time() - begin,
                         "values": dict(values)})  # fmt: skip

        fit(config, images, split, seed=seed, device="cpu", on_epoch=report)

    sampler = {"sampler": RandomSampler(seed)} if by_chance else {"seed": seed}
    results = tune.Tuner(
        tune.with_parameters(train, images=images),
        tune_config=tune.TuneConfig(
            metric="valid_nll", mode="min", num_samples=-1, time_budget_s=race.minutes * 60,
            search_alg=OptunaSearch(space.suggest, metric="valid_nll", mode="min", **sampler),
            scheduler=None if by_chance else ASHAScheduler(max_t=race.epochs),
        ),
        run_config=tune.RunConfig(storage_path=str(place), verbose=0),
    ).fit()  # fmt: skip
    found = []
    for result in map(results.__getitem__, range(len(results))):
        frame = result.metrics_dataframe
        if frame is None or frame.empty or "valid_nll" not in frame:
            continue
        rows = zip(frame["at"], frame["training_iteration"], frame["valid_nll"], strict=True)
        reports = [[round(float(at), 1), int(epoch), float(nll)] for at, epoch, nll in rows]
        assert result.metrics is not None
        config = {**base, **space.fixed, **result.metrics["values"]}
        found.append({"config": config, "reports": reports})
    return found


def incumbent(trials: Sequence[Row], until_s: float) -> Row | None:
    """The trial with the lowest NLL that was reported until then; None before any."""
    seen = [(nll, i) for i, trial in enumerate(trials) for at, _, nll in trial["reports"]
            if at <= until_s]  # fmt: skip
    return trials[min(seen)[1]] if seen else None


def confirm(race: Race, trials: Sequence[Row]) -> list[Row]:
    """What the best trial of each moment comes to, trained anew on folds it has not seen."""
    import torch

    from captcha_models.architectures import config_class
    from captcha_models.data.splits import make_split
    from captcha_models.training.fit import fit

    torch.set_num_threads(1)
    space, _, images = fitted(race)
    known: dict[str, list[tuple[float, float]]] = {}
    found = []
    for share in SHARES:
        best = incumbent(trials, share * race.minutes * 60)
        if best is None:
            continue
        text = json.dumps(best["config"], sort_keys=True)
        if text not in known:
            config = config_class(space.arch).parse({**best["config"], "epochs": race.epochs})
            scores = []
            for seed, fold in FRESH:
                split = make_split(images.units, images.parts, fold=fold, folds=FOLDS)
                last = fit(config, images, split, seed=seed, device="cpu", every_epoch=False,
                           on_epoch=lambda metrics, state: None)  # fmt: skip
                scores.append((last.metrics.valid_nll, last.metrics.valid_exact_match))
            known[text] = scores
        nlls, reads = zip(*known[text], strict=True)
        found.append({"share": share, "nll": float(np.mean(nlls)), "nlls": list(nlls),
                      "read": float(np.mean(reads))})  # fmt: skip
    return found
