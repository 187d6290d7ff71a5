"""Before a search goes on, and when it ends: make study and records agree.

A kill can fall between any two writes. Their order is: an epoch's row, the study's state, the
trial's row; so whichever is ahead tells what the other lacks.
"""

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.store.records import State
from search.tuning.searcher import catch_up, resumed_trial, tell
from search.tuning.space_run import SPENT, SpaceRun

_ENDED: dict[TrialState, State] = {
    TrialState.COMPLETE: "completed",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
}


def reconcile(run: SpaceRun, study: Study) -> list[int]:
    """Numbers of the trials to go on with, after study and records have been made to agree."""
    begun = [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING]
    return [frozen.number for frozen in begun if _agree(run, study, frozen)]


def finish_leftovers(run: SpaceRun, study: Study) -> None:
    """End the trials that the time budget cut off without a last word."""
    for frozen in study.get_trials(deepcopy=False):
        if frozen.state == TrialState.RUNNING:
            name = run.trial_name(frozen.number)
            tell(run, study, frozen.number)
            if name not in run.folder.records.trials:
                run.start_trial(frozen.number, {**run.space.fixed, **frozen.params})
            run.folder.end_trial(name, "stopped", reason=SPENT)


def _agree(run: SpaceRun, study: Study, frozen: FrozenTrial) -> bool:
    """Bring one trial's study and records together; whether it is unfinished."""
    name, records = run.trial_name(frozen.number), run.folder.records
    running = frozen.state == TrialState.RUNNING
    if name not in records.trials:
        if running:
            return True
        run.start_trial(frozen.number, {**run.space.fixed, **frozen.params})
    state = records.trials[name]["state"]
    if running:
        catch_up(run, resumed_trial(study, frozen.number))
        # Its constraints are set only when it ends: the kill came before the study was told.
        if state == "running" and not run.is_whole(name) and not frozen.constraints:
            return True
        tell(run, study, frozen.number, failed=state == "failed")
    if state == "running":
        ended = _ENDED[study.get_trials(deepcopy=False)[frozen.number].state]
        reason = run.why_stopped(name) if ended == "stopped" else None
        run.folder.end_trial(name, ended, reason=reason)
    return False
