"""Report on a run: its data, computed once for the terminal, JSON and the page."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from search.report.advice import advice
from search.report.gain import Gain, gain
from search.report.loader import Run, load
from search.report.misread import LEADING, calibration, confusions, leading, misread_images
from search.report.parameters import importance
from search.report.trials import confirmation, cost, error_rate_of, stages, trial_rows
from search.store.leaderboard import summary

BASELINE = "baseline"
"""What search.confirm calls the baseline where it is not among the best."""


@dataclass(frozen=True)
class Report:
    """A run and what follows from it; each part is computed when it is first asked for."""

    run: Run
    importance_of: Callable[..., dict[str, Any]] = importance
    """By run, space and its leaderboard; who reports often keeps what takes seconds."""

    @classmethod
    def of(cls, path: Path) -> "Report":
        """The report on a run folder; raises as `loader.load`."""
        return cls(load(path))

    @cached_property
    def boards(self) -> dict[str, list[dict[str, Any]]]:
        """The leaderboard of each space; see `trials.trial_rows`."""
        return {space: trial_rows(self.run, space) for space in self.run.spaces}

    @cached_property
    def stages(self) -> dict[str, dict[str, int]]:
        """See `trials.stages`."""
        return stages(self.run, self.boards)

    @cached_property
    def cost(self) -> dict[str, dict[str, float]]:
        """See `trials.cost`."""
        return cost(self.boards)

    @cached_property
    def importance(self) -> dict[str, dict[str, Any]]:
        """See `parameters.importance`."""
        return {
            name: self.importance_of(self.run, name, board) for name, board in self.boards.items()
        }

    @cached_property
    def advice(self) -> str:
        """What to do next."""
        return advice(self.run, self.boards)

    @cached_property
    def gain(self) -> dict[str, Gain]:
        """What the search of each space found over its starting points."""
        return {space: gain(self.run, space) for space in self.run.spaces}

    @cached_property
    def confirmed(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The confirmation of each candidate by space, the baseline among them.

        As `trials.confirmation` has it, with `search_nll`, None where the search had none.
        """
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for space, board in self.boards.items():
            before = {row["trial"]: row["valid_nll"] for row in board}
            first = next((row for row in board if row["baseline"]), None)
            before.setdefault(BASELINE, first and first["valid_nll"])
            for name in self.run.fits.get(space, {}):
                one = confirmation(self.run, space, name) or {}
                found.setdefault(space, {})[name] = {**one, "search_nll": before.get(name)}
        return found

    @cached_property
    def tested_cer(self) -> dict[str, float | None]:
        """Character error rate of each space's winner on the locked test set."""
        chosen = {space: found["chosen"] for space, found in self.run.confirmed.items()}
        return {
            space: error_rate_of(rows[name])
            for space, name in chosen.items()
            if name in (rows := self.run.tested.get(space, {}))
        }

    @cached_property
    def leading(self) -> list[str]:
        """The best trials of each space whose predictions were kept."""
        return [name for board in self.boards.values() for name in leading(self.run, board)]

    @cached_property
    def calibration(self) -> dict[str, dict[str, Any]]:
        """Of the best trial of each space whose predictions were kept."""
        first = {space: leading(self.run, board)[:1] for space, board in self.boards.items()}
        return {space: calibration(self.run, n[0]) for space, n in first.items() if n}

    @cached_property
    def misread_images(self) -> list[dict[str, Any]]:
        """See `misread.misread_images`, of the leading trials."""
        return misread_images(self.run, self.leading)

    def to_json(self) -> dict[str, Any]:
        """All parts in plain values; `run` and `spaces` as `search.run --json` has them."""
        pairs = confusions(self.run, self.leading).most_common()
        return {
            **summary(self.run.records),
            "analysis": {
                "next": self.advice,
                "notes": list(self.run.notes),
                "stages": self.stages,
                "cost": self.cost,
                "importance": self.importance,
                "gain": {space: one.to_json() for space, one in self.gain.items()},
                "trials": self.boards,
                "confirmed": self.confirmed,
                "misread": {
                    "among": f"the best {LEADING} trials of each space",
                    "trials": self.leading,
                    "confusions": [[*pair, count] for pair, count in pairs],
                    "images": self.misread_images,
                },
                "calibration": self.calibration,
                "test_set_evaluations": self.run.evaluations,
                "reproduce": {k: v for k, v in self.run.about.items() if k != "spaces"},
            },
        }  # fmt: skip
