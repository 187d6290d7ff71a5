"""Confirmation of a search: fresh seeds, fresh folds, and one evaluation on the locked test set.

    python -m search.confirm [RUN] --top 5 --seeds 5

Retrains the best few of each space and the baseline, seed i validated on fold i of as many fresh
folds as seeds, so that each is scored on every image outside the locked test set. Recommends the
cheapest of those whose NLL is, image by image, within one standard error of the best; it is
confirmed if at least three trainings say by their interval that it beats the baseline. Then trains
the winner and the baseline on all of these images and scores them once on the locked test set; a
log beside the runs refuses a second evaluation.

Leaves in RUN/best the winner trained on all of these images, with its card: what predict, export
and evaluate take. In RUN/confirmed: SPACE.json, SPACE.toml (for `captcha_models.train --config`),
SPACE/model.safetensors, and the run folder of all trainings; the same command goes on where it was
stopped. Exit codes: 0 done, 1 trainings failed that are needed, 2 wrong input, 130 interrupted.
"""

import json
from pathlib import Path
from typing import Any

import click

from captcha_models.cli import ALL_FAILED, OK, GroupedCommand, command_line, option, say
from captcha_models.commands import typed
from captcha_models.errors import InputError
from captcha_models.loading import loading
from captcha_models.waiting import Waiting


@click.command(cls=GroupedCommand)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the newest run is looked for when none is named.",
    group="Run",
)
@option("--space", help="This space of the run only.", group="Run")
@option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many of the best are retrained, in each space.",
    group="Budget",
)
@option(
    "--seeds",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    help="Trainings of each, on as many folds.",
    group="Budget",
)
@option(
    "--baseline-epochs",
    type=click.IntRange(1),
    help="Epochs of the baseline; by default those of the search.",
    group="Budget",
)
@option("--no-test", is_flag=True, help="Leave the locked test set alone.", group="Locked test set")
@option(
    "--test-seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Trainings of winner and baseline that the test set judges.",
    group="Locked test set",
)
@option(
    "--force",
    is_flag=True,
    help="Evaluate on the test set again, and record it.",
    group="Locked test set",
)
@option("--data", help="Where the images are now, if they were moved.", group="Run")
@option(
    "--address",
    help="Address of Ray; by default RAY_ADDRESS, else a private local Ray.",
    group="Machines",
)
@option(
    "--storage",
    envvar="CAPTCHA_STORAGE",
    help="Where checkpoints go, as in search.run; by default where the search kept its run.",
    group="Machines",
)
@option(
    "--gpus-per-trial",
    help="A share such as 1/4, or a whole number; by default as in the search.",
    group="Machines",
)
@option(
    "--cpus-per-trial",
    type=click.IntRange(1),
    help="CPUs, and so threads, of a training.",
    group="Machines",
)
@option(
    "--max-concurrent", type=click.IntRange(1), help="Most trainings at a time.", group="Machines"
)
@option("--json", "as_json", is_flag=True, help="One JSON object on standard output.", group="Run")
def main(run: Path | None, runs_dir: Path, space: str | None, **options: Any) -> int:
    """Retrain the best few of RUN, by default of the newest run, and judge the winner once.

    The winner is trained once more on all images but the locked ones: RUN/best holds this model.
    """
    if options["force"] and options["no_test"]:
        raise InputError(
            "--force evaluates on the test set and --no-test does not: give one of them"
        )

    from search.store.keys import storage_of
    from search.store.records import newest_run, read_run

    records = read_run(run or newest_run(runs_dir))
    chosen = tuple(records.run["spaces"])
    if space is not None:
        if space not in chosen:
            raise InputError(f"--space {space}: the run has {', '.join(chosen)}")
        chosen = (space,)
    options["storage"] = options["storage"] or storage_of(records.path)

    try:
        with Waiting() as waiting:
            waiting.now("loading torch")
            with loading():
                from search.confirmation.confirmation import Confirmation
                from search.confirmation.terminal import print_confirmation

            confirmation = Confirmation(
                records, chosen, options, lambda line: waiting.say(line, err=True),
                doing=waiting.now,
            )  # fmt: skip
            found = confirmation.run()
    except KeyboardInterrupt:
        again = typed("search.confirm", *(() if run else (records.path,)))
        say(f"finished trainings are kept; go on with:\n  {again}", err=True)
        raise
    if options["as_json"]:
        click.echo(json.dumps({"run": str(records.path), "spaces": found}, allow_nan=False))
    else:
        print_confirmation(found)
    looked = not options["no_test"]
    done = all(one["model"] and (one["test"] or not looked) for one in found.values())
    return OK if done else ALL_FAILED


if __name__ == "__main__":
    command_line(main)
