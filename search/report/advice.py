"""Advice on what to do next with a run: a sentence, and the command on a line of its own."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from captcha_models.commands import command
from captcha_models.words import counted
from search.confirmation.verdict import FEW, verdict_of
from search.report.loader import Run, number
from search.report.parameters import parameters, position
from search.report.trials import Boards
from search.store.leaderboard import objective_of
from search.store.records import resume_command
from search.store.status import STATUS_FILE

EDGE = 0.03
"""A value this near to a bound of its range, as a share of it, counts as at the bound."""
LEADERS, MOST = 5, 4
"""Of so many of the best so many have to be there: three of five may by chance."""
MORE = 5
"""Seeds of a confirmation that has had too few, at least."""
ENOUGH = 10
"""Completed trials from which on bounds of ranges and late finds mean something."""
SILENT = timedelta(minutes=5)
"""A search writes its status every few seconds; one silent for so long has been killed."""

Row = Mapping[str, Any]


def advice(run: Run, boards: Boards) -> str:
    """What to do next, the most pressing first."""
    rows = [row for board in boards.values() for row in board]
    ended = [row for row in rows if row["state"] != "unfinished"]
    if not rows:
        go_on = resume_command(run.records.path)
        return f"No trial has begun: wait for the search, or go on with it:\n  {go_on}"
    if ended and all(row["state"] == "failed" for row in ended):
        last = max(ended, key=lambda row: str(row["ended"]))
        return (
            f"All {len(ended)} trials that ended failed, the last with: {last['error']} "
            f"({last['trial']}): fix that first."
        )
    if unfinished := _unfinished(run, rows):
        return unfinished
    completed = [row for row in rows if row["state"] == "completed"]
    if not completed:
        return "No trial had its full budget: give the search more time, or fewer epochs a trial."
    objective = objective_of(run.records)
    if objective.constraints and not any(row["feasible"] for row in completed):
        limits = " and ".join(map(str, objective.constraints))
        return f"No completed trial has {limits}: search longer, or relax the constraint."
    known = [row for row in completed if row["valid_nll"] is not None]
    space = (
        min(known, key=lambda r: float(r["valid_nll"]))["space"] if known else next(iter(boards))
    )
    # Once its best are being confirmed, a space has been found good enough.
    more = None
    if not run.fits.get(space):
        more = at_a_bound(run, space, boards[space]) or still_improving(run, space, boards[space])
    return more or _confirmation(run, space)


def _unfinished(run: Run, rows: Sequence[Row]) -> str | None:
    count = sum(row["state"] == "unfinished" for row in rows)
    sessions = run.about["sessions"]
    trials = number(run.about["settings"].get("trials"))
    total = f" of {trials * len(run.spaces):g}" if trials else ""
    resume = f"continue it:\n  {resume_command(run.records.path)}"
    if sessions and sessions[-1].get("ended") is None:
        progress = f"{len(rows) - count}{total} trials have ended"
        seen = _last_update(run)
        if seen is None:
            return (
                f"The search is still running, or was killed: {progress}; look again later, "
                f"or {resume}"
            )
        if datetime.now(UTC) - seen < SILENT:
            return f"The search is running: {progress}; look again later."
        at = f"{seen.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"The search was killed (last update {at}): {progress}; {resume}"
    if not count and not (sessions and sessions[-1].get("interrupted") is True):
        return None
    left = _to_go(run, rows, trials)
    return (
        f"The search was interrupted with {counted(left, 'trial')} to go; {resume}"
        if left
        else None
    )


def _to_go(run: Run, rows: Sequence[Row], trials: float | None) -> int:
    """Trials that have not ended: those that began, and those that did not begin."""
    spaces = [row["space"] for row in rows]
    begun = [row["state"] for row in rows].count("unfinished")
    return begun + sum(max(int(trials or 0) - spaces.count(space), 0) for space in run.spaces)


def _last_update(run: Run) -> datetime | None:
    """When the search last wrote its status, if it did."""
    try:
        found = json.loads((run.records.path / STATUS_FILE).read_text(encoding="utf-8"))
        seen = datetime.fromisoformat(found["updated"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return None if seen.tzinfo is None else seen


def at_a_bound(run: Run, space: str, board: Sequence[Row]) -> str | None:
    """Whether most of the best trials are at one bound of a parameter's range."""
    completed = [row for row in board if row["state"] == "completed"]
    if len(completed) < ENOUGH:
        return None
    for name, one in parameters(run, space).items():
        # How long a cycle may be is set by --epochs, not by the space.
        if one["low"] is None or one["high"] is None or name == "epochs":
            continue
        places = [position(one, row["config"].get(name)) for row in completed]
        for end, bound, near in (
            ("lower", one["low"], [place is not None and place <= EDGE for place in places]),
            ("upper", one["high"], [place is not None and place >= 1 - EDGE for place in places]),
        ):
            # Nothing lies below a share of zero, such as no dropout; and where all trials are at
            # the bound, nothing says that it is better there.
            if bound != 0 and sum(near[:LEADERS]) >= MOST and not all(near):
                return (
                    f"{sum(near[:LEADERS])} of the best {LEADERS} trials of {space} have {name} at "
                    f"its {end} bound {bound:g}: start a search with a wider range there, by --set "
                    f"{name}=LOW..HIGH."
                )
    return None


def still_improving(run: Run, space: str, board: Sequence[Row]) -> str | None:
    """Whether the best trial was found among the last fifth."""
    completed = [row for row in board if row["state"] == "completed"]
    newest = max((row["number"] for row in board), default=0)
    if len(completed) < ENOUGH or newest < ENOUGH or completed[0]["number"] < 0.8 * newest:
        return None
    return (
        f"The best of {space}, {completed[0]['trial']}, came among the last fifth of the trials: "
        f"before confirming, {_longer(run)}"
    )


def _longer(run: Run) -> str:
    """With twice the trials."""
    trials = number(run.about["settings"].get("trials"))
    more = ("--trials", f"{2 * trials:g}") if trials else ()
    return f"search longer:\n  {resume_command(run.records.path, *more)}"


def _same_plan(plan: Any) -> str:
    """Options of search.confirm that make the plan that was confirmed, another one is refused."""
    names = ("top", "seeds", "test_seeds", "baseline_epochs")
    given = {name: plan.get(name) for name in names} if isinstance(plan, dict) else {}
    return "".join(
        f" --{name.replace('_', '-')} {value}" for name, value in given.items() if value is not None
    )


def _confirmation(run: Run, space: str) -> str:
    path = run.records.path
    confirm = command("search.confirm", path)
    found = run.confirmed.get(space)
    if not run.fits.get(space):
        return (
            "Nothing is confirmed yet, and the best of many trials may owe its place to chance; "
            f"train the best again:\n  {confirm}"
        )
    if not found or not found["chosen"]:
        names = ", ".join(sorted(run.fits[space]))
        return f"The confirmation is not complete ({names} so far); continue it:\n  {confirm}"
    sure = verdict_of(found)
    if not sure.confirmed:
        if not sure.says.startswith((FEW, "the baseline")):
            return f"{found['chosen']} is not confirmed: {sure.says}; {_longer(run)}"
        more = f"{confirm} --seeds {max(MORE, 2 * sure.num_fits)} --no-test"
        return f"{found['chosen']} is not confirmed: {sure.says}; train it more often:\n  {more}"
    if not found["test"] and not run.evaluations:
        same = _same_plan(found.get("plan"))
        return (
            f"{found['chosen']} is confirmed, not yet tested; evaluate it once on the locked test "
            f"set:\n  {confirm}{same}"
        )
    if found.get("model"):
        own = path if len(run.spaces) == 1 else path / "confirmed" / space
        tested = " and tested" if found["test"] else ""
        return f"{found['chosen']} is confirmed{tested}; export its model:\n  " + command(
            "captcha_models.export", own
        )
    same = _same_plan(found.get("plan"))
    return (
        f"{found['chosen']} is confirmed and tested; train it for use:\n  {confirm}{same} --no-test"
    )
