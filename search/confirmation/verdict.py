"""Verdict of a confirmation: whether its trainings are enough to call the choice confirmed.

A choice is confirmed when at least three trainings, with seeds of their own and each of its whole
budget of epochs, say by the 95 % interval of the paired difference that it reads better than the
baseline; in a search for the cheapest, that it reaches the target. With two trainings the chance
of training has one degree of freedom: t is 12.7 where three have 4.3 and five 2.8, so nothing but
the grossest difference could be told, and its own estimate could not be trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from captcha_models.words import counted

LEAST_FITS = 3
FEW = "too few trainings to tell"


@dataclass(frozen=True)
class Verdict:
    """Whether a choice is confirmed, and why, in words; by how many trainings."""

    confirmed: bool
    says: str
    num_fits: int


def verdict(
    chosen: Mapping[str, Any],
    baseline: Mapping[str, Any] | None,
    difference: Mapping[str, Any] | None,
    target_nll: float | None,
) -> Verdict:
    """Judge the choice.

    Args:
        chosen: its line: `num_fits`, `nll`, `baseline`, `config`.
        baseline: the baseline's; None if it has lost a training.
        difference: of the NLL to the baseline, image by image; None without a baseline.
        target_nll: of a search for the cheapest; None for any other.
    """
    count: int = chosen["num_fits"]

    def judged(confirmed: bool, says: str) -> Verdict:
        return Verdict(confirmed, says, count)

    if count < LEAST_FITS:
        return judged(False, _few(count))
    if target_nll is not None:
        nll = f"NLL {_between(chosen['nll'])} by {counted(count, 'training')}, the target is "
        nll += f"{target_nll:g}"
        if chosen["nll"]["low"] > target_nll:
            return judged(False, f"the target is missed: {nll}")
        reached = chosen["nll"]["high"] <= target_nll
        return judged(reached, nll if reached else f"{FEW}: {nll}")
    if chosen["baseline"]:
        return judged(
            True, f"by {counted(count, 'training')} no other candidate is the better choice"
        )
    if baseline is None or difference is None:
        return judged(False, "the baseline has lost a training, so there is nothing to compare")
    if baseline["config"]["epochs"] < chosen["config"]["epochs"]:
        epochs = (
            f"{counted(baseline['config']['epochs'], 'epoch')}, not {chosen['config']['epochs']}"
        )
        return judged(False, f"the baseline that it is compared with had {epochs}")
    apart = f"NLL {_between(difference, '+')} against the baseline, by {counted(count, 'training')}"
    if difference["low"] > 0:
        return judged(False, f"worse than the baseline: {apart}")
    better = difference["high"] < 0
    return judged(better, apart if better else f"{FEW}: {apart}")


def verdict_of(result: Mapping[str, Any]) -> Verdict:
    """The verdict that confirmed/SPACE.json has; earlier versions had none but a choice."""
    if result.get("verdict"):
        return Verdict(**result["verdict"])
    counts = (one.get("num_fits") for one in result["candidates"] if one.get("chosen"))
    count: int = next(counts, None) or LEAST_FITS
    return Verdict(count >= LEAST_FITS, "" if count >= LEAST_FITS else _few(count), count)


def _few(count: int) -> str:
    return f"{FEW} ({counted(count, 'training')}; at least {LEAST_FITS}: --seeds)"


def _between(one: Mapping[str, Any], sign: str = "") -> str:
    mean, low, high = (f"{one[name]:{sign}.4f}" for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
