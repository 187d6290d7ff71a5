"""Whether trainings are enough to say `confirmed`: never two, never where the interval is open."""

from typing import Any

import pytest

from search.confirmation.verdict import FEW, verdict, verdict_of


def line(num_fits: int = 5, *, epochs: int = 3, baseline: bool = False, **nll: float) -> Any:
    found = {"mean": 0.1, "low": 0.08, "high": 0.12, **nll}
    return {"num_fits": num_fits, "baseline": baseline, "config": {"epochs": epochs}, "nll": found}


def apart(low: float, high: float) -> dict[str, float]:
    return {"mean": (low + high) / 2, "low": low, "high": high}


BETTER = apart(-0.5, -0.1)


@pytest.mark.parametrize(
    ("chosen", "baseline", "difference", "target", "confirmed", "says"),
    [
        (line(), line(), BETTER, None, True, "against the baseline, by 5 trainings"),
        (line(3), line(3), BETTER, None, True, "by 3 trainings"),
        (line(2), line(2), BETTER, None, False, f"{FEW} (2 trainings; at least 3: --seeds)"),
        (line(2, baseline=True), line(2), None, None, False, FEW),
        (line(2), line(2), BETTER, 0.2, False, FEW),
        (line(), line(), apart(-0.5, 0.01), None, False, f"{FEW}: NLL -0.2450 (-0.5000 to +0.01"),
        (line(), line(), apart(0.1, 0.5), None, False, "worse than the baseline: NLL +0.3000"),
        (line(baseline=True), line(), None, None, True, "no other candidate"),
        (line(), None, None, None, False, "the baseline has lost a training"),
        (line(epochs=3), line(epochs=2), BETTER, None, False, "had 2 epochs, not 3"),
        (line(), line(), apart(0.1, 0.5), 0.12, True, "the target is 0.12"),
        (line(), line(), BETTER, 0.07, False, "the target is missed: NLL 0.1000 (0.0800 to"),
        (line(), line(), BETTER, 0.11, False, f"{FEW}: NLL 0.1000 (0.0800 to 0.1200)"),
    ],
)
def test_who_is_confirmed(
    chosen: Any, baseline: Any, difference: Any, target: float | None, confirmed: bool, says: str
) -> None:
    found = verdict(chosen, baseline, difference, target)
    assert found.confirmed is confirmed
    assert says in found.says
    assert found.num_fits == chosen["num_fits"]


def test_results_of_earlier_versions_go_by_their_trainings_alone() -> None:
    def result(num_fits: int) -> dict[str, Any]:
        return {"candidates": [{"chosen": False, "num_fits": 9},
                               {"chosen": True, "num_fits": num_fits}]}  # fmt: skip

    assert verdict_of(result(3)).confirmed
    assert not verdict_of(result(2)).confirmed
    assert FEW in verdict_of(result(2)).says
    own = {"confirmed": False, "says": "no", "num_fits": 7}
    assert not verdict_of({**result(3), "verdict": own}).confirmed
