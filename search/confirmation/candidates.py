"""Candidates of a confirmation: which are retrained, on which folds, and which one is chosen.

The best few of a search were in part lucky on its one fold. So each is retrained with as many
fresh seeds as there are fresh folds, seed i validated on fold i: every image outside the locked
test set is read once by a model of each candidate that has not seen it. All candidates get the
same seeds and folds, so that they are compared image by image.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search.confirmation import summary as scores
from search.confirmation.intervals import one_standard_error
from search.confirmation.temperature import across_folds
from search.confirmation.verdict import verdict
from search.store.leaderboard import leaderboard
from search.store.listed import ListedTrial, Row
from search.store.records import Records, now
from spaces.space import Space

BASELINE = "baseline"
FRESH = 1_000_000
"""Seeds from here on no trial has had; it is added to the search's own."""
FRESH_TEST = 1_001_000


@dataclass(frozen=True)
class Plan:
    """How much is confirmed.

    Attributes:
        top: candidates of each space, the baseline not counted.
        seeds: trainings of each, and folds.
        test_seeds: trainings of winner and baseline that judge on the test set.
        baseline_epochs: of the baseline; None is the search's full budget.
        seed: of the search.
    """

    top: int
    seeds: int
    test_seeds: int
    baseline_epochs: int | None
    seed: int


@dataclass(frozen=True)
class Candidate:
    """A configuration that is retrained.

    Attributes:
        name: the trial's, or `baseline`.
        arch: the architecture.
        config: every field.
        baseline: whether it is what the search starts from.
        search_nll: validation NLL it had in the search, None if it had none.
        start: whether the search began with it, so that it was not found.
        init: sha256 of the model that the search's trials started from.
    """

    name: str
    arch: str
    config: Mapping[str, Any]
    baseline: bool
    search_nll: float | None
    start: bool = False
    init: str | None = None

    def fits(self, plan: Plan) -> list[ListedTrial]:
        """Each seed on its own fold."""
        first = FRESH + plan.seed
        return [
            ListedTrial(
                self.name, self.arch, self.config, first + i, i, plan.seeds, first, init=self.init
            )
            for i in range(plan.seeds)
        ]

    def test_fits(self, plan: Plan, temperature: float) -> list[ListedTrial]:
        """Trained on all that is not locked, scored on what is."""
        first = FRESH_TEST + plan.seed
        config = with_temperature(self.arch, self.config, temperature)
        return [
            ListedTrial(self.name, self.arch, config, first + i, None, plan.seeds, init=self.init)
            for i in range(plan.test_seeds)
        ]


def with_temperature(arch: str, values: Mapping[str, Any], temperature: float) -> dict[str, Any]:
    """The configuration with a temperature that was fitted elsewhere; every field."""
    from captcha_models.architectures import config_class

    config = config_class(arch).parse(values)
    return config.changed(temperature=round(temperature, 4)).model_dump()


def candidates(records: Records, space: str, plan: Plan) -> list[Candidate]:
    """The best few different configurations of a space, and the baseline, if not among them.

    Feasible trials that had their full budget come first. Where the few are all starting points or
    all found, the best of the others that had it is retrained, too: it tells the search's gain.
    """
    from captcha_models.architectures import config_class

    saved = records.run["spaces"][space]
    init = records.run.get("init", {}).get("sha256")
    table = Space.from_json(saved["space"])

    def parsed(values: Mapping[str, Any]) -> dict[str, Any]:
        return config_class(table.arch).parse(values).model_dump()

    start = {**saved["base"], **table.active({**table.baseline, **table.fixed})}
    epochs = {"epochs": plan.baseline_epochs} if plan.baseline_epochs else {}
    baseline = parsed({**start, **epochs})
    board = [r for r in leaderboard(records, space) if r["state"] != "failed" and r["epochs"]]
    board.sort(key=lambda row: row["state"] != "completed" or not row.get("feasible", True))
    known = {row["trial"]: parsed(row["config"]) for row in board}
    found: list[Candidate] = []
    for row in board:
        config, start = known[row["trial"]], row["number"] <= len(table.known)
        other = row["state"] == "completed" and all(one.start != start for one in found)
        if (len(found) < plan.top or other) and all(config != one.config for one in found):
            nll = row["valid_nll"]
            found.append(
                Candidate(row["trial"], table.arch, config, config == baseline, nll, start, init)
            )
    if not any(one.baseline for one in found):
        nll = next((r["valid_nll"] for r in board if known[r["trial"]] == baseline), None)
        found.append(Candidate(BASELINE, table.arch, baseline, True, nll, True, init))
    return found


def confirm(
    found: Sequence[Candidate], rows: Sequence[Sequence[Row | None]], target_nll: float | None
) -> dict[str, Any]:
    """The candidates' figures and the choice, plain values.

    Who has lost a fit is left out of the choice, for only the same images compare. The choice is
    `one_standard_error`'s; with a target it is the cheapest of those that reach it, if any does.

    Args:
        found: the candidates.
        rows: of each candidate's fits; None for one that failed.
        target_nll: of a search for the cheapest; None for any other.

    Returns:
        `candidates` with their figures, least NLL first; `chosen` and `best`, names; `verdict`,
        whether the choice is `confirmed` and what it `says`; and `gain`, see there; None if no
        candidate has all its fits.
    """
    whole = [
        (one, across_folds([row for row in own if row]))
        for one, own in zip(found, rows, strict=True)
        if all(row is not None for row in own)
    ]
    broken = [one.name for one, own in zip(found, rows, strict=True) if None in own]
    if not whole:
        none = dict.fromkeys(("chosen", "best", "verdict", "gain"))
        return {"candidates": [], "failed": broken, **none}
    summaries = [scores.summarise(own) for _, own in whole]
    costs = [one["images_seen"] for one in summaries]
    chosen, near = one_standard_error(
        [scores.nlls(own) for _, own in whole], costs, [one["gap"]["mean"] for one in summaries]
    )
    reach = [
        i for i, one in enumerate(summaries) if target_nll and one["nll"]["mean"] <= target_nll
    ]
    if reach:
        chosen = min(reach, key=lambda i: costs[i])
    best = min(range(len(whole)), key=lambda i: summaries[i]["nll"]["mean"])
    lines = [
        {
            "name": one.name,
            "baseline": one.baseline,
            "search_valid_nll": one.search_nll,
            **figures,
            "difference_to_best": scores.difference(own, whole[best][1]),
            "within_one_standard_error": is_near,
            "chosen": i == chosen,
            "config": dict(one.config),
        }
        for i, ((one, own), figures, is_near) in enumerate(zip(whole, summaries, near, strict=True))
    ]
    plain = next((i for i, (one, _) in enumerate(whole) if one.baseline), None)
    apart = None if plain is None else scores.difference(whole[chosen][1], whole[plain][1])["nll"]
    found_out = verdict(lines[chosen], None if plain is None else lines[plain], apart, target_nll)
    return {
        "candidates": sorted(lines, key=lambda line: line["nll"]["mean"]),
        "failed": broken,
        "chosen": whole[chosen][0].name,
        "best": whole[best][0].name,
        "verdict": asdict(found_out),
        "gain": gain([one for one, _ in whole], [own for _, own in whole]),
    }


def gain(candidates: Sequence[Candidate], rows: Sequence[Sequence[Row]]) -> dict[str, Any] | None:
    """What the search found over its starting points, by trainings that chose neither.

    The best of either kind is the search's, whose one training was another: to choose by these rows
    would take luck for gain.

    Args:
        candidates: as `candidates` orders them, none of which has lost a fit.
        rows: of the fits of each.

    Returns:
        `found` and `start`, the names of the best of either kind, and the differences of `nll` and
        `exact_match`, the first minus the second on paired images; None where one kind is missing.
    """
    found = next((i for i, one in enumerate(candidates) if not one.start), None)
    start = next((i for i, one in enumerate(candidates) if one.start), None)
    if found is None or start is None:
        return None
    apart = scores.difference(rows[found], rows[start])
    return {"found": candidates[found].name, "start": candidates[start].name, **apart}


def judge(
    winner: Sequence[Row], baseline: Sequence[Row], confirmed: Mapping[str, Any]
) -> dict[str, Any]:
    """Test-set evaluation: winner, baseline, their difference, the optimism.

    Args:
        winner: rows of the winner's test trials.
        baseline: rows of the baseline's.
        confirmed: the winner's line of `confirm`.

    Returns:
        Plain values. `optimism` is test NLL minus the validation NLL that won in the search, its
        interval that of the test NLL; above 0 the search reported too low an NLL.
        `optimism_confirmed` is the same for the NLL of the confirmation.
    """
    found = scores.summarise(winner)

    def beyond(nll: float | None) -> dict[str, float] | None:
        if nll is None:
            return None
        return {name: found["nll"][name] - nll for name in ("mean", "low", "high")}

    return {
        "num_images": found["num_images"],
        "winner": found,
        "baseline": scores.summarise(baseline),
        "difference": scores.difference(winner, baseline),
        "optimism": beyond(confirmed["search_valid_nll"]),
        "optimism_confirmed": beyond(confirmed["nll"]["mean"]),
    }


def plan_digest(fits: Sequence[ListedTrial], data_digest: str, plan: Plan) -> str:
    """Sha256 (hex) of what is confirmed; tells one test-set evaluation from another."""
    keys = " ".join(sorted(fit.key(data_digest) for fit in fits))
    return hashlib.sha256(f"{keys} {asdict(plan)}".encode()).hexdigest()


def about(records: Records, plan: Plan) -> dict[str, Any]:
    """The head of the file that keeps a space's results."""
    return {
        "version": 1,
        "run": str(records.path),
        "time": now(),
        "data": records.run["data"],
        "plan": {
            **asdict(plan),
            "folds": plan.seeds,
            "first_seed": FRESH + plan.seed,
            "first_test_seed": FRESH_TEST + plan.seed,
            "split_seed": FRESH + plan.seed,
        },
    }
