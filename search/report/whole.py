"""The whole analysis of a run, once, for the terminal, JSON and the page."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from search.report.advice import advice
from search.report.funnel import cost, funnel
from search.report.importance import importance
from search.report.loader import Run, read
from search.report.misread import AMONG, calibration, confusions, hard_images, leading
from search.report.trials import confirmation, trial_facts
from search.store import leaderboard as results

BASELINE = "baseline"
"""What search.confirm calls the baseline where it is not among the best."""


@dataclass(frozen=True)
class Analysis:
    """A run and what follows from it; each part is reckoned when it is first asked for."""

    run: Run

    @classmethod
    def of(cls, path: Path) -> "Analysis":
        """Of a run folder; see `reading.read`."""
        return cls(read(path))

    @cached_property
    def facts(self) -> dict[str, list[dict[str, Any]]]:
        """The leaderboard of each space; see `trials.trial_facts`."""
        return {space: trial_facts(self.run, space) for space in self.run.spaces}

    @cached_property
    def funnel(self) -> dict[str, dict[str, int]]:
        """See `funnel.funnel`."""
        return funnel(self.run, self.facts)

    @cached_property
    def cost(self) -> dict[str, dict[str, float]]:
        """See `funnel.cost`."""
        return cost(self.facts)

    @cached_property
    def importance(self) -> dict[str, dict[str, Any]]:
        """See `importance.importance`."""
        return {name: importance(self.run, name, board) for name, board in self.facts.items()}

    @cached_property
    def advice(self) -> str:
        """What to do next."""
        return advice(self.run, self.facts)

    @cached_property
    def confirmed(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What fresh seeds say of each candidate by space, the baseline among them.

        As `trials.confirmation` has it, with `search_nll`, None where the search knew none.
        """
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for space, board in self.facts.items():
            before = {row["trial"]: row["valid_nll"] for row in board}
            for row in board:
                if row["baseline"]:
                    before.setdefault(BASELINE, row["valid_nll"])
            for name in self.run.fits.get(space, {}):
                one = confirmation(self.run, space, name) or {}
                found.setdefault(space, {})[name] = {**one, "search_nll": before.get(name)}
        return found

    @cached_property
    def leading(self) -> list[str]:
        """The best trials of each space whose readings were kept."""
        return [name for board in self.facts.values() for name in leading(self.run, board)]

    @cached_property
    def calibration(self) -> dict[str, dict[str, Any]]:
        """Of the best trial of each space whose readings were kept."""
        first = {space: leading(self.run, board)[:1] for space, board in self.facts.items()}
        return {space: calibration(self.run, n[0]) for space, n in first.items() if n}

    @cached_property
    def hard_images(self) -> list[dict[str, Any]]:
        """See `misread.hard_images`, of the leading trials."""
        return hard_images(self.run, self.leading)

    def failed(self) -> list[dict[str, Any]]:
        """Failed trials of all spaces."""
        return [r for board in self.facts.values() for r in board if r["state"] == "failed"]

    def to_json(self) -> dict[str, Any]:
        """All parts in plain values; `run` and `spaces` as `search.run --json` has them."""
        pairs = confusions(self.run, self.leading).most_common()
        return {
            **results.summary(self.run.records),
            "analysis": {
                "next": self.advice,
                "notes": list(self.run.notes),
                "funnel": self.funnel,
                "cost": self.cost,
                "importance": self.importance,
                "trials": self.facts,
                "confirmed": self.confirmed,
                "misread": {
                    "among": f"the best {AMONG} trials of each space",
                    "trials": self.leading,
                    "confusions": [[*pair, count] for pair, count in pairs],
                    "images": self.hard_images,
                },
                "calibration": self.calibration,
                "looks_at_test_set": self.run.looks,
                "reproduce": {k: v for k, v in self.run.about.items() if k != "spaces"},
            },
        }  # fmt: skip
