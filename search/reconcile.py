"""Before a search goes on, and when it ends: make study and records agree.

A kill can fall between any two writes. Their order is: an epoch's row, the study's state, the
trial's row; so whichever is ahead tells what the other lacks.
"""

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.records import State
from search.searcher import report, resumed_trial, tell
from search.space_run import SpaceRun

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
            tell(study, frozen.number, run.settings.epochs)
            if name not in run.folder.records.trials:
                run.start_trial(frozen.number, {**run.space.fixed, **frozen.params})
            run.folder.end_trial(name, "stopped")


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
        trial = resumed_trial(study, frozen.number)
        for epoch, row in sorted(records.epochs.get(name, {}).items()):
            report(trial, epoch, row[run.settings.goal.metric])
        if state == "running" and not run.is_whole(name):
            return True
        tell(study, frozen.number, run.settings.epochs, failed=state == "failed")
        if state == "running":
            run.folder.end_trial(name, "completed")
    elif state == "running":
        run.folder.end_trial(name, _ENDED[frozen.state])
    return False
