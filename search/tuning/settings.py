"""Settings of a search: how many trials, how long each, what counts as better, its share."""

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from captcha_models.data.image_settings import ImageSettings
from captcha_models.outside import absolute
from search.tuning.loggers import Tracker
from search.tuning.names import SamplerName, SchedulerName
from search.tuning.objectives import COSTS, Cost, Objective, objective_of

FULL = {"trials": 60, "epochs": 24}
"""Default budget where there are GPUs; the fields' own defaults end within minutes on 2 cores."""

PASSES = 16_000
"""Images that a trial is trained on by default where none can be generated beside those that are
given: 100 to 200 training images take 16,000 to 32,000 of them (docs/results, few images)."""
LEAST_PASSES, MOST_PASSES = 6, 100
"""Epochs that this comes to at least and at most; with GPUs, as all budgets, twice as many."""

REDUCTION = 1.5
"""ASHA keeps the best two thirds of the trials at each rung, a half and three quarters through."""
STOPPED = 0.45
"""Share of trials that a rung stopped, 40 of 88 times in recorded searches: more than a third, for
those that came first, the starting points, were among the better ones."""


BOUNDS = {
    "gap": "max_gap",
    "valid_nll": "target_nll",
    "seconds": "max_trial_seconds",
    "images_seen": "max_trial_images_seen",
}
"""Fields that hold what `--at-most` says of a metric; of all others `at_most` does."""
FLAGS = {field: f"--at-most {metric}" for metric, field in BOUNDS.items()} | {
    "fixed": "--set",
    "spaces": "--space",
    "architectures": "--arch",
    "cost": "--objective",
}
"""Options that set a field of another name."""


IN_MEMORY = "memory"
"""What `data` is where images were given as an object."""


class Settings(ImageSettings):
    """Everything that decides a search, apart from where it runs."""

    spaces: tuple[str, ...] = Field(min_length=1)
    """References to the spaces, searched one after another, as `spaces.load` takes them."""
    architectures: tuple[str, ...] = ()
    """References to architectures from outside, as `captcha_models.architectures` resolves them."""
    trials: int = Field(8, ge=1, le=100_000)
    """Trials of each space, the baseline counted."""
    epochs: int = Field(12, ge=1, le=10_000)
    """Full budget of a trial, in epochs; where the cost is a metric, the largest of them."""
    time_budget_s: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Seconds of searching per session; None is no limit."""
    sampler: SamplerName | None = None
    """What proposes points after the starting points: search/tuning/samplers.py; None is by the
    space."""
    scheduler: SchedulerName | None = None
    """What stops trials early: search/tuning/scheduler.py; None is by the objective."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Decides the suggestions; trial number n trains with `seed + n`."""
    max_gap: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Nats per captcha; a trial with a larger gap is infeasible. None is no limit."""
    target_nll: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Nats per captcha that the cheapest configuration has to reach; for objective `cost` alone."""
    at_most: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """Bounds of further metrics, by their names; a trial with more is infeasible."""
    cost: Cost | None = None
    """What objective `cost` counts (None is images), or `pareto` puts in the place of the gap."""
    objective: Objective = Objective(name="nll")
    """What counts as better, by the fields above: search/tuning/objectives.py."""
    max_trial_seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    """A trial ends with the first epoch that takes it beyond; None is no limit."""
    max_trial_images_seen: int | None = Field(None, ge=1)
    """The same in images trained on."""
    init: str | None = None
    """Model whose weights every trial starts from, as far as they fit; None is from scratch."""
    warm_start: tuple[str, ...] = ()
    """Run folders or configuration files whose points are tried right after the known ones."""
    gpus_per_trial: Annotated[float, Field(ge=0)] | Literal["auto"] | None = None
    """1/n of a GPU or whole ones; `auto` measures it; None is one where there are GPUs, else 0."""
    cpus_per_trial: int | None = Field(None, ge=1)
    """CPUs, and so threads, of a trial; None is one, or up to four beside a GPU."""
    max_concurrent: int | None = Field(None, ge=1)
    """Most trials at a time; None is as many as fit."""
    log_to: tuple[Tracker, ...] = ()
    """Trackers that are told of each trial too: search/tuning/loggers.py."""
    prices: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict
    )
    """Money per hour of a machine, by its kind in the cluster's file; under "" of any other."""
    max_cost: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Money that all machines together may cost, all sessions counted; None is no limit."""
    stall_s: float | None = Field(1800.0, gt=0, allow_inf_nan=False)
    """Seconds without a report after which a trial is started again; None is never."""
    fold: int = Field(0, ge=0)
    """Which fold validates."""
    folds: int = Field(5, ge=2)
    """How many folds the images outside the locked test set form."""
    fixed: dict[str, str] = Field(default_factory=dict)
    """What `--set` says of fields: one value fixes a field, a range or choices change its range."""

    @field_validator("spaces", "architectures")
    @classmethod
    def _found_from_everywhere(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(absolute(ref) for ref in value)

    @field_validator("prices", mode="before")
    @classmethod
    def _read_prices(cls, value: object) -> object:
        return prices(value) if isinstance(value, str) else value

    @field_validator("time_budget_s", "max_trial_seconds", "stall_s", mode="before")
    @classmethod
    def _read_duration(cls, value: object, info: ValidationInfo) -> object:
        name = str(info.field_name).removesuffix("_s").replace("_", " ")
        return seconds(value, name) if isinstance(value, str) else value

    @field_validator("gpus_per_trial", mode="before")
    @classmethod
    def _read_share(cls, value: object) -> object:
        if value == "auto" or not isinstance(value, str | int | float):
            return value
        return gpu_share(value)

    @field_validator("objective", mode="before")
    @classmethod
    def _read_objective(cls, value: object, info: ValidationInfo) -> Objective:
        return objective_of({**info.data, "objective": value})

    @field_serializer("objective")
    def _write_objective(self, value: Objective) -> str | dict[str, Any]:
        try:
            plain = objective_of({**self.__dict__, "objective": value.name}) == value
        except ValueError:
            plain = False
        return value.name if plain else value.to_json()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        name = self.objective.name
        if name == "cost" and self.target_nll is None:
            raise ValueError(
                "objective cost needs --at-most valid_nll=0.05, or whatever NLL is to be reached"
            )
        if name != "cost" and self.target_nll is not None:
            raise ValueError(
                f"--at-most valid_nll={self.target_nll:g} is for --objective cost, not {name}"
            )
        if self.scheduler and self.objective.stopping != "halving":
            raise ValueError(
                f"--scheduler {self.scheduler}: objective {self.objective.name} has its own way to "
                "end trials: leave it out"
            )
        if self.max_cost is not None and not self.prices:
            raise ValueError(
                f"--max-cost {self.max_cost:g} needs --prices: what a machine costs per hour, say "
                "head=0.10,gpu=1.01"
            )
        if self.cost and name not in ("cost", "pareto"):
            raise ValueError(f"{name}:{self.cost}: only cost and pareto count a cost")
        return self

    @property
    def caps(self) -> dict[str, float]:
        """The most that one trial may cost, by kind of cost."""
        found = {name: getattr(self, f"max_trial_{name}") for name in COSTS}
        return {name: most for name, most in found.items() if most is not None}

    def sized(self, *, gpus: bool = False, num_train: int | None = None) -> Self:
        """The settings with a default budget for machine and images, where nobody gave one.

        Args:
            gpus: a full search.
            num_train: training images without captchas of the generator beside them; None where it
                serves, of which every epoch has new ones.
        """
        whole = type(self).model_fields["epochs"].default
        budget = dict(FULL) if gpus else {"trials": self.trials, "epochs": whole}
        if num_train is not None:
            epochs = min(max(round(PASSES / num_train), LEAST_PASSES), MOST_PASSES)
            budget["epochs"] = epochs * budget["epochs"] // whole
        return self.model_copy(
            update={k: v for k, v in budget.items() if k not in self.model_fields_set}
        )

    @property
    def grace(self) -> int:
        """Epochs every trial gets: half of the budget.

        One cycle's learning rate is still high there. Of 16 recorded trials the best third at the
        end were all among the best two thirds at half the budget, but only two of five among its
        best third, and before that ranks said less still: RESULTS.md.
        """
        return math.ceil(self.epochs / 2)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which our rungs may stop a trial, below the full budget; none without them."""
        if self.objective.stopping != "halving" or self.scheduler not in (None, "rungs"):
            return ()
        found = []
        rung = float(self.grace)
        while math.ceil(rung) < self.epochs:
            found.append(math.ceil(rung))
            rung *= REDUCTION
        return tuple(found)


_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str, name: str = "time budget") -> float:
    """Seconds of a duration such as `90`, `15m` or `2h`; the name is for the error.

    Raises:
        ValueError: written otherwise, or not above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip().lower())
    if not match or not float(match[1]):
        raise ValueError(f"{name} {text!r}: write seconds, or a number with m, h or d: 15m")
    return float(match[1]) * _UNITS[match[2]]


def prices(text: str) -> dict[str, float]:
    """Prices per hour, written `head=0.10,gpu=1.01`; a number alone is for all other kinds.

    Raises:
        ValueError: written otherwise.
    """
    found = {}
    for part in filter(None, text.split(",")):
        kind, _, price = part.strip().rpartition("=")
        try:
            found[kind] = float(price)
        except ValueError:
            raise ValueError(f"prices {text!r}: write head=0.10,gpu=1.01, or a number") from None
    return found


def gpu_share(value: str | float) -> float:
    """GPUs of one trial: 0, a whole number, or 1/n written as such or as a decimal.

    Other fractions are refused: 0.6 would leave 0.4 of each GPU idle.

    Raises:
        ValueError: anything else.
    """
    text = str(value)
    over = re.fullmatch(r"1/(\d+)", text)
    try:
        share = 1 / int(over[1]) if over else float(text)
    except (ValueError, ZeroDivisionError):
        share = math.nan
    if math.isfinite(share) and share >= 0 and share == int(share):
        return share
    if 0 < share < 1:
        trials = round(1 / share)
        # Rounded down to Ray's smallest unit, so that n trials do fit.
        if abs(share * trials - 1) <= 0.02 and trials <= 10_000:
            return math.floor(1e4 / trials) / 1e4
    raise ValueError(
        f"GPUs per trial {text!r}: write 0, a whole number, or 1/n such as 1/3 or 0.5 (or auto)"
    )
