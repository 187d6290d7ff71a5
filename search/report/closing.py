"""Closing lines of a search: what it found, by how much, how sure, what it cost, how to go on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from captcha_models.commands import command
from captcha_models.words import counted
from search.report import formats
from search.report.report import Report
from search.store.keys import VARIABLE, keyless
from search.store.leaderboard import errors, missed, summary
from search.store.records import resume_command


def closing(path: Path, interrupted: bool, more: Sequence[str] = ()) -> Iterator[str]:
    """The lines; a command stands on a line of its own, indented.

    Args:
        path: the run folder.
        interrupted: whether the search was, and is to be gone on with.
        more: options that a search that goes on needs again.
    """
    report = Report.of(path)
    for space, part in summary(report.run.records)["spaces"].items():
        best, states = part["best"], part["trials"]
        told = ", ".join(f"{number} {state}" for state, number in states.items() if number)
        yield f"{space}: {told or 'no trial'}"
        if best:
            yield (
                f"best of {space}: {best['trial']} ({best['state']}, "
                f"{counted(best['epochs'], 'epoch')}): valid_nll {best['valid_nll']:.4g}, "
                f"train_nll {best['train_nll']:.4g}, captchas read "
                f"{formats.share(best['valid_exact_match'])}"
            )
            yield f"  {best['model']}"
        if not interrupted and (line := report.gain[space].describe(space)):
            yield line
        if line := missed(report.run.records, space):
            yield line
        yield from errors(report.run.records, space)
    yield f"cost: {formats.spent(report.cost, report.run.about['sessions'])}"
    if interrupted:
        kept = keyless(report.run.records.run)
        asks = f" (it takes the storage from {VARIABLE} or asks for it: keys are in no record)"
        yield f"interrupted; go on with{asks * bool(kept)}:"
        yield f"  {resume_command(path, *more)}"
        return
    yield f"next: {report.advice}"
    yield "look closer, on a page:"
    yield f"  {command('search.analyse', path, '--html', 'report.html')}"
