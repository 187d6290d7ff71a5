"""Command that searches for the best configurations of one space or of several.

    python -m search.run --space crnn

Trials run on Ray Tune, Optuna proposes them, and all that is found lies in the run folder, which
`python -m search.analyse` reads. Exit codes: 0 done or time budget spent, 1 all trials failed,
2 wrong input, 130 interrupted.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import spaces
from captcha_models.cli import GroupedCommand, assignments, command_line, option, say
from captcha_models.data.options import image_options
from captcha_models.errors import InputError
from captcha_models.loading import loading
from captcha_models.secrets import hide
from captcha_models.waiting import Waiting
from search.tuning.names import SAMPLERS, SCHEDULERS

_OWN = {"refs", "runs_dir", "name", "resume", "address", "storage", "as_json", "pairs", "bounds"}
_FIELDS = {"time_budget": "time_budget_s", "stall": "stall_s"}
_TYPED = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


class _Command(GroupedCommand):
    """With `--json`, also ends with one object when the input is wrong."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _errors_in_json():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _errors_in_json():
            return super().invoke(ctx)


@contextmanager
def _errors_in_json() -> Iterator[None]:
    try:
        yield
    except click.exceptions.Exit:
        raise
    except Exception as error:
        if "--json" in sys.argv[1:]:
            text = error.format_message() if isinstance(error, click.ClickException) else error
            _print_json({"run": None, "spaces": {}, "error": " ".join(str(text).split())})
        raise


_searched = partial(option, group="What is searched")
_objective = partial(option, group="Objective")
_budget = partial(option, group="Budget")
_machines = partial(option, group="Machines")
_output = partial(option, group="Run folder and output")


@click.command(cls=_Command)
@_searched(
    "--space",
    "refs",
    multiple=True,
    metavar="SPACE",
    shell_complete=lambda context, parameter, begun: [
        name for name in (*spaces.names(), "all") if name.startswith(begun)
    ],
    help=f"{', '.join(spaces.names())} or all; your own as module:NAME or file.py:NAME; "
    "repeatable.",
)
@_searched(
    "--arch",
    "architectures",
    multiple=True,
    metavar="REF",
    help="Your own architecture, that a space of yours is for: module:Model or file.py:Model; "
    "repeatable.",
)
@_searched(
    "--set",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Fix a parameter, or give it another range, 1e-4..1e-3, or choices, 32,64; repeatable.",
)
@_searched(
    "--warm-start", multiple=True, help="Run folder or configuration to begin with; repeatable."
)
@_searched("--init", help="Model whose weights every trial starts from, as far as they fit.")
@_searched(
    "--sampler",
    type=click.Choice(SAMPLERS),
    help="What proposes points: prior draws near the space's priors and the best trials, the "
    "others are Optuna's.  [prior; tpe for a space without priors]",
)
@_searched(
    "--scheduler",
    type=click.Choice(SCHEDULERS),
    help="What stops trials early: rungs at a half and three quarters keep two thirds, asha and "
    "median are Ray's, none trains all to the end.  [rungs]",
)
@_searched("--seed", type=int, help="Decides what is proposed and how each trial trains.  [0]")
@image_options()
@_objective(
    "--objective",
    help="nll: least valid_nll (default); accuracy: most captchas read; any metric, such as "
    "valid_cer; cost: the cheapest with valid_nll at most a value; pareto: NLL and gap. "
    "cost:seconds and pareto:seconds count seconds in the place of images or the gap.",
)
@_objective(
    "--at-most",
    "bounds",
    multiple=True,
    metavar="METRIC=VALUE",
    help="A trial with more is infeasible: gap=0.1, valid_cer=0.02; with more of seconds=5m or "
    "images_seen=20000 it ends; repeatable.",
)
@_budget(
    "--trials", type=int, help="Trials of each space, the baseline counted.  [8; 60 with GPUs]"
)
@_budget("--epochs", type=int, help="Full length of a trial.  [by the images; twice with GPUs]")
@_budget("--time-budget", help="Stop after so long: seconds, 15m, 2h.")
@_budget("--max-cost", type=float, help="Stop when all machines have cost so much money.")
@_budget(
    "--prices",
    envvar="CAPTCHA_PRICES",
    help="Money per hour of each kind of machine: head=0.10,gpu=1.01, or one number for all.  "
    "[env: CAPTCHA_PRICES]",
)
@_machines("--address", help="Address of Ray; by default RAY_ADDRESS, else a private local Ray.")
@_machines(
    "--gpus-per-trial", help="A share such as 1/4, a whole number, or auto, which measures it.  [1]"
)
@_machines("--cpus-per-trial", type=int, help="CPUs, and so threads, of a trial.")
@_machines("--max-concurrent", type=int, help="Most trials at a time; by default all that fit.")
@_machines("--stall", help="Start a trial again that has not reported for so long.  [30m]")
@_machines(
    "--storage",
    envvar="CAPTCHA_STORAGE",
    help="Where checkpoints and a copy of the run go: a folder that all machines share, s3://... "
    "or gs://...; by default the run folder itself.  [env: CAPTCHA_STORAGE]",
)
@_output(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the run folders.",
)
@_output("--name", help="The run folder is RUNS_DIR/NAME; by default time and space.")
@_output("--resume", is_flag=True, help="Continue the run --name, with its own settings.")
@_output(
    "--log-to",
    multiple=True,
    help="tensorboard, mlflow or wandb: show every trial there too; repeatable.",
)
@_output("--json", "as_json", is_flag=True, help="End standard output with one JSON object.")
def search(**options: Any) -> int:
    """Search for the best configuration; leaves a run folder."""
    as_json: bool = options["as_json"]
    context = click.get_current_context()
    given = {
        _FIELDS.get(name, name): value
        for name, value in options.items()
        if name not in _OWN and context.get_parameter_source(name) in _TYPED
    }
    if options["pairs"]:
        given["fixed"] = assignments(options["pairs"])
    if options["bounds"]:
        given |= _bounds(options["bounds"])
    if ":" in str(given.get("objective", "")):
        given["objective"], _, given["cost"] = given["objective"].partition(":")
    resume = options["resume"]
    if refs := _spaces(options["refs"]):
        given["spaces"] = refs
    elif not resume:
        raise InputError(f"--space is missing: choose {', '.join(spaces.names())} or all")
    place = options["runs_dir"] / _name(options["name"], options["refs"], resume)

    from search.tuning.settings import Settings

    settings = None if resume else Settings.parse(given)

    from search.store.keys import storage_of
    from search.store.leaderboard import extra_columns, leaderboard, summary
    from search.store.run_folder import RunFolder, assert_free

    # What can be refused without the seconds that torch and Ray need to load.
    if not resume:
        assert_free(place)
    elif place.exists() or not options["storage"]:
        RunFolder.open(place).close()
        options["storage"] = options["storage"] or storage_of(place)

    with Waiting() as waiting:
        waiting.now("loading Ray, Optuna and torch")
        with loading():
            from search.report.terminal import print_leaderboard
            from search.tuning.search_session import SearchSession

        session = SearchSession(
            place,
            lambda line: waiting.say(line, err=as_json),
            options["address"],
            options["storage"],
            doing=waiting.now,
        )
        code = session.resume(given) if settings is None else session.begin(settings)
    records = session.records
    if records is None:
        click.echo("interrupted before the first trial: nothing was written", err=True)
    elif not as_json:
        for name in records.run["spaces"]:
            print_leaderboard(leaderboard(records, name), name, extra=extra_columns(records))
    if records is not None:
        from search.report.closing import closing

        address = ("--address", options["address"]) if options["address"] else ()
        for line in closing(records.path, session.stopping.interrupted, address):
            say(line, err=True)
    if as_json:
        _print_json(summary(records) if records else {"run": None, "spaces": {}})
    return code


def _spaces(refs: tuple[str, ...]) -> tuple[str, ...]:
    """References to the spaces that were asked for; `all` is every one that is not a wide one."""
    known = spaces.names()
    every = tuple(name for name in known if not name.endswith(spaces.WIDE))
    for ref in refs:
        if ref not in (*known, "all") and ":" not in ref:
            raise InputError(
                f"no space {ref!r}: choose {', '.join(known)} or all, or give module:NAME or "
                "file.py:NAME"
            )
    return tuple(dict.fromkeys(one for ref in refs for one in (every if ref == "all" else (ref,))))


def _bounds(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Settings of `--at-most`, the metrics without one of their own under `at_most`."""
    from search.tuning.settings import BOUNDS

    found: dict[str, Any] = {}
    for metric, most in assignments(pairs, "--at-most", "gap=0.1").items():
        if metric in BOUNDS:
            found[BOUNDS[metric]] = most
        else:
            found.setdefault("at_most", {})[metric] = most
    return found


def _name(name: str | None, refs: tuple[str, ...], resume: bool) -> str:
    if name is None:
        if resume:
            raise InputError("--resume: say which run with --name")
        short = "-".join(ref.rpartition(":")[2].lower() for ref in refs)
        return f"{datetime.now():%Y-%m-%d-%H%M%S}-{short}"
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise InputError(f"--name {name!r}: a plain name without slashes; the folder is --runs-dir")
    return name


def _print_json(values: dict[str, Any]) -> None:
    click.echo(hide(json.dumps(values, allow_nan=False)))


if __name__ == "__main__":
    command_line(search)
