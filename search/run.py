"""Search for the best configuration of one architecture or of all.

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
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import spaces
from captcha_models.cli import assignments, command_line
from captcha_models.errors import InputError
from captcha_models.secrets import hide

_OWN = {"refs", "runs_dir", "name", "resume", "address", "storage", "as_json", "pairs"}
_FIELDS = {"time_budget": "time_budget_s", "stall": "stall_s"}
_TYPED = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


class _Command(click.Command):
    """With `--json`, also ends with one object when the input is wrong."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _told_in_json():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _told_in_json():
            return super().invoke(ctx)


@contextmanager
def _told_in_json() -> Iterator[None]:
    try:
        yield
    except click.exceptions.Exit:
        raise
    except Exception as error:
        if "--json" in sys.argv[1:]:
            text = error.format_message() if isinstance(error, click.ClickException) else error
            _print_json({"run": None, "spaces": {}, "error": " ".join(str(text).split())})
        raise


@click.command(cls=_Command)
@click.option(
    "--space",
    "refs",
    multiple=True,
    metavar="SPACE",
    help=f"{', '.join(spaces.names())} or all; your own as module:NAME or file.py:NAME; "
    "repeatable.",
)
@click.option("--data", help="Folder or zip of LABEL.png, download, synthetic[:N], or auto.")
@click.option("--skip-bad", is_flag=True, help="Leave wrong images out.")
@click.option("--synthetic-seed", type=int, help="Seed of generated images.")
@click.option("--synthetic-preset", help="default, hard, extreme, or a TOML file.")
@click.option(
    "--trials", type=int, help="Trials per space, the baseline counted.  [8; 60 with GPUs]"
)
@click.option("--epochs", type=int, help="Full budget of a trial.  [12; 24 with GPUs]")
@click.option("--time-budget", help="Stop after so long: seconds, 15m, 2h.")
@click.option("--seed", type=int, help="Of the suggestions and the trainings.  [0]")
@click.option(
    "--objective",
    help="nll: least valid_nll (default); accuracy: most captchas read; cost: the cheapest that "
    "reaches --target-nll; pareto: NLL and gap, or with --cost NLL and cost.",
)
@click.option("--max-gap", type=float, help="A larger gap, in nats per captcha, is infeasible.")
@click.option("--target-nll", type=float, help="valid_nll to be reached, for --objective cost.")
@click.option("--cost", help="images_seen (trained on) or seconds.  [images_seen]")
@click.option("--max-trial-seconds", help="A trial ends with the epoch that passes it: 90, 5m.")
@click.option("--max-trial-images-seen", type=int, help="The same in images trained on.")
@click.option(
    "--warm-start", multiple=True, help="Run folder or configuration to begin with; repeatable."
)
@click.option("--gpus-per-trial", help="1/n, whole, or auto (measured); by default 1.")
@click.option("--cpus-per-trial", type=int, help="Also the threads of a trial.")
@click.option("--max-concurrent", type=int, help="Most trials at a time; by default all that fit.")
@click.option(
    "--runs-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True
)
@click.option("--name", help="The run folder is RUNS_DIR/NAME; by default time and space.")
@click.option("--resume", is_flag=True, help="Go on with the run --name, with its own settings.")
@click.option(
    "--log-to", multiple=True, help="mlflow or wandb: tell it of every trial too; repeatable."
)
@click.option("--address", help="Of Ray; by default RAY_ADDRESS, else a private local Ray.")
@click.option(
    "--prices",
    envvar="CAPTCHA_PRICES",
    help="Money per hour of each kind of machine: head=0.10,gpu=1.01, or one number for all.  "
    "[env: CAPTCHA_PRICES]",
)
@click.option("--max-cost", type=float, help="Stop when all machines have cost so much money.")
@click.option("--stall", help="Start a trial again that has not reported for so long.  [30m]")
@click.option(
    "--storage",
    envvar="CAPTCHA_STORAGE",
    help="Where checkpoints and a copy of the run go: a folder that all machines share, s3://... "
    "or gs://...; by default the run folder itself.  [env: CAPTCHA_STORAGE]",
)
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Fix a parameter, or give it another range, 1e-4..1e-3, or choices, 32,64; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="End standard output with one JSON object.")
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
    resume = options["resume"]
    if refs := _spaces(options["refs"]):
        given["spaces"] = refs
    elif not resume:
        raise InputError(f"--space is missing: choose {', '.join(spaces.names())} or all")
    place = options["runs_dir"] / _name(options["name"], options["refs"], resume)

    from search.tuning.settings import Settings

    settings = None if resume else Settings.parse(given)

    from search.store.leaderboard import errors, extra_columns, leaderboard, missed, summary
    from search.store.run_folder import RunFolder, assert_free

    # What can be refused without the seconds that torch and Ray need to load.
    if not resume:
        assert_free(place)
    elif place.exists() or not options["storage"]:
        RunFolder.open(place).close()

    from search.report.terminal import print_leaderboard
    from search.tuning.search_session import SearchSession

    session = SearchSession(
        place,
        lambda line: click.echo(hide(line), err=as_json),
        options["address"],
        options["storage"],
    )
    code = session.resume(given) if settings is None else session.begin(settings)
    records = session.records
    if records is None:
        click.echo("interrupted before the first trial: nothing was written", err=True)
    elif not as_json:
        for name in records.run["spaces"]:
            print_leaderboard(leaderboard(records, name), name, extra=extra_columns(records))
    if records is not None:
        names = records.run["spaces"]
        notes = [line for name in names if (line := missed(records, name))]
        notes += [line for name in names for line in errors(records, name)]
        _closing(summary(records), notes, session.stopping.interrupted)
    if as_json:
        _print_json(summary(records) if records else {"run": None, "spaces": {}})
    return code


def _spaces(refs: tuple[str, ...]) -> tuple[str, ...]:
    """References to the spaces that were asked for, `all` put in full."""
    known = spaces.names()
    for ref in refs:
        if ref not in (*known, "all") and ":" not in ref:
            raise InputError(
                f"no space {ref!r}: choose {', '.join(known)} or all, or give module:NAME or "
                "file.py:NAME"
            )
    return tuple(dict.fromkeys(one for ref in refs for one in (known if ref == "all" else (ref,))))


def _name(name: str | None, refs: tuple[str, ...], resume: bool) -> str:
    if name is None:
        if resume:
            raise InputError("--resume: say which run with --name")
        short = "-".join(ref.rpartition(":")[2].lower() for ref in refs)
        return f"{datetime.now():%Y-%m-%d-%H%M%S}-{short}"
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise InputError(f"--name {name!r}: a plain name without slashes; the folder is --runs-dir")
    return name


def _closing(found: dict[str, Any], notes: list[str], interrupted: bool) -> None:
    """What was found, then notes on what was not and went wrong, on standard error."""
    for space, part in found["spaces"].items():
        best, states = part["best"], part["trials"]
        told = ", ".join(f"{number} {state}" for state, number in states.items() if number)
        click.echo(f"{space}: {told or 'no trial'}", err=True)
        if best:
            click.echo(
                f"  best: {best['trial']} ({best['state']}, {best['epochs']} epochs): "
                f"valid_nll {best['valid_nll']:.4g}, train_nll {best['train_nll']:.4g}, "
                f"captchas read {100 * best['valid_exact_match']:.1f} %: {best['model']}",
                err=True,
            )
    if interrupted:
        name = Path(found["run"]).name
        click.echo(f"interrupted; go on with: --name {name} --resume", err=True)
    for line in notes:
        click.echo(hide(line), err=True)


def _print_json(values: dict[str, Any]) -> None:
    click.echo(hide(json.dumps(values, allow_nan=False)))


if __name__ == "__main__":
    command_line(search)
