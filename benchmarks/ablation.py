"""Ablation of the regularisation techniques: each taken away, and each added to the baseline.

    python -m benchmarks.ablation --arch crnn --config recommended --data captcha_images_v2.zip \
        --means generated,ema,joint,aux --fold 0 --seeds 0,1,2 --rows rows.jsonl

From the configuration each of the means that it uses is taken away; to the baseline (at the
configuration's epochs, unless --baseline-epochs says otherwise) each is added. Every variant is
trained with the same seeds on one fold, and compared with what it was made from image by image.
A positive difference of NLL says that the variant is worse. Rows are kept: the same command goes
on where it was stopped.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import click

from benchmarks._lists import (
    exit_code,
    list_options,
    numbers,
    one_fold_options,
    open_data,
    print_table,
    read_config,
    train_listed,
)
from captcha_models.cli import command_line
from captcha_models.config import Config
from captcha_models.errors import InputError

MEANS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # name: fields without it (None: the article's value), fields with it
    "augment": ({"augment": 0.0}, {"augment": 1.0}),
    "no_rotation": ({"augment_rotate": True}, {"augment_rotate": False}),
    "augment_shape": ({"augment_shape": False}, {"augment_shape": True}),
    "augment_elastic": ({"augment_elastic": False}, {"augment_elastic": True}),
    "augment_blur": ({"augment_blur": False}, {"augment_blur": True}),
    "augment_noise": ({"augment_noise": False}, {"augment_noise": True}),
    "augment_erase": ({"augment_erase": False}, {"augment_erase": True}),
    "splice": ({"splice": 0.0}, {"splice": 0.5}),
    "generated": ({"synthetic_share": 0.0, "synthetic_steps": 0}, {"synthetic_share": 0.5}),
    "generated_first": ({"synthetic_steps": 0}, {"synthetic_steps": 150}),
    "ema": ({"ema": 0.0}, {"ema": 0.98}),
    "calibrate": ({"calibrate": False, "temperature": 1.0}, {"calibrate": True}),
    "normalize": ({"normalize": False}, {"normalize": True}),
    "clip": ({"clip": 0.0}, {"clip": 5.0}),
    "bf16": ({"bf16": False}, {"bf16": True}),
    "weight_decay": ({"weight_decay": 0.01}, {"weight_decay": 0.1}),
    "cut_6": ({"cut": None}, {"cut": 6}),
    "coordinates": ({"coordinates": False}, {"coordinates": True}),
    "pool_height": ({"pool_height": False}, {"pool_height": True}),
    "one_layer": ({"rnn_hidden_2": 128}, {"rnn_hidden_2": 0}),
    "orthogonal": ({"orthogonal": False}, {"orthogonal": True}),
    "aux": ({"aux_weight": 0.0, "aux_prior": 0.0}, {"aux_weight": 1.0}),
    "joint": ({"joint_weight": 0.0}, {"joint_weight": 1.0}),
    "shortcut": ({"shortcut": False}, {"shortcut": True}),
    "ctc_smoothing": ({"ctc_smoothing": 0.0}, {"ctc_smoothing": 0.05}),
    "fixed_length": ({"fixed_length": False}, {"fixed_length": True}),
    "label_smoothing": ({"label_smoothing": 0.0}, {"label_smoothing": 0.1}),
}

Side = Literal["without", "with"]


def variants(reference: Config, names: tuple[str, ...], side: Side) -> dict[str, Config]:
    """The reference with each of the means taken away or added, where that changes it."""
    found = {}
    for name in names:
        without, having = MEANS[name]
        own = {k: getattr(type(reference)(), k) if v is None else v for k, v in without.items()}
        fields = own if side == "without" else having
        values = reference.model_dump()
        uses = any(values[field] != value for field, value in own.items())
        if uses == (side == "without"):
            found[f"{side} {name}"] = reference.changed(**fields)
    return found


def chosen_means(text: str | None, config: Config) -> tuple[str, ...]:
    """The means that `--means` names; all that the architecture knows by default.

    Raises:
        InputError: an unknown one, or one that the architecture does not have.
    """
    fields = type(config).model_fields
    known = tuple(name for name, (without, _) in MEANS.items() if without.keys() <= fields.keys())
    if text is None:
        return known
    names = tuple(text.split(","))
    for name in names:
        if name not in known:
            raise InputError(f"--means {name!r}: {config.arch} has {', '.join(known)}")
    return names


@click.command()
@click.option("--arch", required=True, help="pooled, spatial or crnn.")
@click.option("--config", "config_name", required=True, help="Configuration file, or shipped one.")
@click.option("--means", help="Such as generated,ema; by default all of the architecture.")
@click.option(
    "--from",
    "start",
    type=click.Choice(["both", "config", "baseline"]),
    default="both",
    show_default=True,
    help="What variants are made from.",
)
@click.option("--baseline-epochs", type=click.IntRange(1), help="[those of the configuration]")
@one_fold_options
@list_options
def main(arch: str, config_name: str, means: str | None, **options: Any) -> int:
    """Train variants of a configuration and of the baseline, and compare them image by image."""
    config = read_config(arch, config_name)
    epochs = options["baseline_epochs"] or config.epochs
    baseline = read_config(arch, None, (f"epochs={epochs}",))
    names = chosen_means(means, config)
    seeds = numbers(options["seeds"], "--seeds")
    groups: dict[str, dict[str, Config]] = {}
    if options["start"] != "baseline":
        groups[config_name] = {config_name: config, **variants(config, names, "without")}
    if options["start"] != "config":
        groups["baseline"] = {"baseline": baseline, **variants(baseline, names, "with")}

    from search.store.listed import ListedTrial

    images = open_data(options["data"])
    lists = {
        (group, name): [
            ListedTrial(name, arch, variant.model_dump(), seed, options["fold"], options["folds"])
            for seed in seeds
        ]
        for group, made in groups.items()
        for name, variant in made.items()
    }
    trained = iter(train_listed([one for own in lists.values() for one in own], images, options))
    rows = {key: [row for _ in own if (row := next(trained))] for key, own in lists.items()}
    found = {group: _compared(group, made, rows) for group, made in groups.items()}
    if options["as_json"]:
        click.echo(json.dumps(found, allow_nan=False))
    else:
        for group, lines in found.items():
            fold = f"fold {options['fold']} of {options['folds']}, {len(seeds)} seeds"
            _print(f"{arch}, from {group}: {fold}; differences to the first line", lines)
    return exit_code([row for own in rows.values() for row in own])


def _compared(
    group: str, made: Mapping[str, Config], rows: Mapping[tuple[str, str], list[Any]]
) -> dict[str, Any]:
    """Figures of the reference and its variants; None for one without a training."""
    from search.confirmation.summary import difference, summarise

    first = rows[group, next(iter(made))]
    found: dict[str, Any] = {}
    for name in made:
        own = rows[group, name]
        shared = {row["seed"] for row in own} & {row["seed"] for row in first}
        found[name] = summarise(own) if own else None
        if own and shared:
            found[name]["difference"] = difference(own, first)
    return found


def _print(title: str, lines: Mapping[str, Any]) -> None:
    from search.confirmation.summary import interval

    shown = []
    for i, (name, one) in enumerate(lines.items()):
        if one is None:
            shown.append([name, "failed", "", "", "", "", ""])
            continue
        apart = one.get("difference") if i else None
        shown.append(
            [
                name,
                f"{one['nll']['mean']:.4f}",
                interval(apart["nll"]) if apart else "",
                f"{one['exact_match']['mean']:.2%}",
                interval(apart["exact_match"], share=True) if apart else "",
                f"{one['gap']['mean']:+.4f}",
                f"{one['seconds']:.0f}",
            ]
        )
    print_table(title, ["", "NLL", "difference", "captchas", "difference", "gap", "s"], shown)


if __name__ == "__main__":
    command_line(main)
