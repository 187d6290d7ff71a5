"""Cross-validation of one configuration: every image is read by models that have not seen it.

    python -m benchmarks.cross_validate --arch crnn --config quick --data captcha_images_v2.zip \
        --folds 10 --only 0,1,2 --seeds 0 --rows rows.jsonl

Trials run on Ray and are recorded in --rows; the same command goes on where it was stopped, and
`--only` leaves the other folds to another day. The locked test set is not touched, unless with
--all-images: then the folds are of all images, a test-set evaluation that the log beside the
runs records, and refuses if there was one before, unless forced.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks._lists import (
    exit_code,
    list_options,
    list_run,
    numbers,
    open_data,
    print_table,
    read_config,
    train_listed,
)
from captcha_models.cli import command_line
from captcha_models.errors import InputError


@click.command()
@click.option("--arch", required=True, help="pooled, spatial or crnn.")
@click.option("--config", "config_name", help="Configuration file or shipped one; [baseline].")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set one field.")
@click.option("--folds", type=click.IntRange(2), default=10, show_default=True)
@click.option("--only", help="Train these folds only, such as 0,1,2; rows of others count, too.")
@click.option("--seeds", default="0", show_default=True, help="Of the trainings, such as 0,1.")
@click.option("--split-seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--list-wrong", is_flag=True, help="List the labels that were misread.")
@click.option(
    "--without",
    metavar="LABELS",
    help="Also the figures without these images, such as ones with a wrong label.",
)
@click.option("--all-images", is_flag=True, help="Folds of all images, the locked ones too.")
@click.option("--force", is_flag=True, help="With --all-images: although they were looked at.")
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the log of test-set evaluations is.",
)
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
@list_options
def main(arch: str, config_name: str | None, pairs: tuple[str, ...], **options: Any) -> int:
    """Train a configuration on k folds by seeds and score all images that were held out."""
    if options["force"] and not options["all_images"]:
        raise InputError("--force: only with --all-images is there anything to refuse")
    folds, all_images = options["folds"], options["all_images"]
    seeds = numbers(options["seeds"], "--seeds")
    only = numbers(options["only"], "--only") if options["only"] else tuple(range(folds))
    if max(only) >= folds:
        raise InputError(f"--only {options['only']}: the folds are 0..{folds - 1}")

    from search.confirmation.summary import leaving_out, misread, summarise
    from search.confirmation.temperature import across_folds
    from search.store.listed import ListedTrial
    from search.store.test_set_log import Ledger, locked_digest

    config = read_config(arch, config_name, pairs)
    name = " ".join([arch, config_name or "baseline", *pairs])
    images = open_data(options["data"])
    left_out = _labels(options["without"], images.labels)

    def listed(fold: int, seed: int) -> ListedTrial:
        split_seed = options["split_seed"]
        values = config.model_dump()
        return ListedTrial(name, arch, values, seed, fold, folds, split_seed, all_images=all_images)

    every = [listed(fold, seed) for seed in seeds for fold in range(folds)]
    keys = [one.key(images.digest) for one in every]
    chosen = [one for one in every if one.fold in only]

    def first() -> None:
        """Record the test-set evaluation once all is ready: it cannot be taken back."""
        if all_images:
            plan = hashlib.sha256(" ".join(sorted(keys)).encode()).hexdigest()
            Ledger(options["runs_dir"], locked_digest(images)).take(
                plan, f"cross_validate {name}", options["force"], rows=str(options["rows"])
            )

    trained = train_listed(chosen, images, options, first)
    finished = list_run(images, options).rows()
    every_row = [finished[key] for key in keys if key in finished]
    rows = across_folds(every_row)
    part = "all images, the locked test set too" if all_images else "outside the locked test set"
    done = f"{len(rows)} of {len(every)} trainings done"
    if not rows:
        click.echo(f"{name}: {done}", err=True)
        return exit_code(trained)
    found = summarise(rows)
    wrong = misread(rows)
    kept = leaving_out(every_row, left_out) if left_out else []
    rest = summarise(across_folds(kept)) if kept else None
    if options["as_json"]:
        about = {"name": name, "config": config.model_dump(), "images": part}
        counts = {"fits_done": len(rows), "fits": len(every)}
        more = {"misread": wrong, "without": {"labels": left_out, "scores": rest}}
        click.echo(json.dumps({**about, **counts, **found, **more}, allow_nan=False))
        return exit_code(trained)
    _print(f"{name}: {done}, {found['num_images']} images {part}", found)
    if rest:
        # No gap: what is trained on still holds them.
        _print(f"the same models without {', '.join(left_out)}", rest, gap=False)
    if options["list_wrong"]:
        for one in wrong:
            read = ", ".join(text or "nothing" for text in one["read"])
            click.echo(f"  {one['label']}: wrong {one['wrong']} of {one['scored']}, read as {read}")
    return exit_code(trained)


def _labels(text: str | None, known: Sequence[str]) -> list[str]:
    """The labels that `--without` names.

    Raises:
        InputError: one that no image has.
    """
    found = [label.strip() for label in text.split(",")] if text else []
    for label in found:
        if label not in known:
            raise InputError(f"--without {text!r}: no image has the label {label!r}")
    return found


def _print(title: str, found: dict[str, Any], *, gap: bool = True) -> None:
    from search.confirmation.summary import interval

    right = found["num_read"] - found["num_misread"]
    training = [
        ["NLL on training images", f"{found['train_nll']:.4f}"],
        ["gap", interval(found["gap"])],
    ]
    print_table(
        title,
        ["", "mean (95 % interval)"],
        [
            ["whole captchas", interval(found["exact_match"], share=True)],
            ["  right", f"{right} of {found['num_read']}"],
            ["character error rate", interval(found["cer"], share=True)],
            ["NLL, nats per captcha", interval(found["nll"])],
            ["  at temperature 1", f"{found['nll_raw']:.4f}"],
            *(training if gap else []),
            ["temperature", f"{found['temperature']:.3f}"],
            ["images seen per training", f"{found['images_seen']:,.0f}"],
            ["seconds per training", f"{found['seconds']:.0f}"],
            ["parameters", f"{found['parameters']:,}"],
        ],
    )


if __name__ == "__main__":
    command_line(main)
