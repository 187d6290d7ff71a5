"""Images at their true widths against all squeezed to one size: throughput and NLL.

    python -m benchmarks.true_widths --data receipts.zip --sizes auto,50x200 --epochs 6

One configuration is trained at each size on one fold by some seeds, turn about, so that what else
the machine does strikes all alike. Of a size that keeps the aspect the CRNN reads batches as wide
as their widest image. Throughput is that of training, scoring left out.
"""

import json
from typing import Any

import click

from benchmarks._lists import numbers, open_data, print_table, read_config
from captcha_models.cli import command_line


@click.command()
@click.option("--data", required=True, help="Labelled images, as --data of search.run takes them.")
@click.option("--sizes", default="auto,50x200", show_default=True, help="As --size of search.run.")
@click.option("--arch", default="crnn", show_default=True)
@click.option("--config", "config_name", default="recommended", show_default=True)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE")
@click.option("--epochs", type=click.IntRange(1), default=6, show_default=True)
@click.option("--seeds", default="0", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def main(
    data: str,
    sizes: str,
    arch: str,
    config_name: str,
    pairs: tuple[str, ...],
    epochs: int,
    seeds: str,
    as_json: bool,
) -> None:
    """Train one configuration at several sizes of the same images."""
    import torch

    from captcha_models.adapt import adapted
    from captcha_models.data.splits import make_split
    from captcha_models.training.fit import fit
    from captcha_models.training.metrics import EpochMetrics

    torch.set_num_threads(1)
    config = read_config(arch, config_name, (*pairs, f"epochs={epochs}"))
    images = {size: open_data(data, size) for size in sizes.split(",")}
    rows: list[dict[str, Any]] = []
    for seed in numbers(seeds, "--seeds"):
        for size, own in images.items():
            split = make_split(own.units, own.parts)
            suited, notes = adapted(config, own, split)
            curve: list[EpochMetrics] = []

            def keep(metrics: EpochMetrics, _: Any, curve: list[EpochMetrics] = curve) -> None:
                curve.append(metrics)

            fit(suited, own, split, seed=seed, on_epoch=keep, device="cpu")
            last, rates = curve[-1], sorted(epoch.images_per_s for epoch in curve)
            rows.append(
                {"size": size, "seed": seed, "images_per_s": rates[len(rates) // 2],
                 "fastest": rates[-1], "slowest": rates[0], "valid_nll": last.valid_nll,
                 "valid_exact_match": last.valid_exact_match, "valid_cer": last.valid_cer,
                 "mean_width": float(own.widths.mean()), "notes": list(notes)}
            )  # fmt: skip
            click.echo(f"{size}, seed {seed}: {rows[-1]}", err=True)
    if as_json:
        click.echo(json.dumps({"rows": rows}))
        return
    print_table(
        f"{arch}, {config_name}, {epochs} epochs",
        ("size", "seed", "mean width", "images/s (slowest to fastest)", "NLL", "read", "CER"),
        [
            (
                row["size"],
                str(row["seed"]),
                f"{row['mean_width']:.0f} px",
                f"{row['images_per_s']:.0f} ({row['slowest']:.0f} to {row['fastest']:.0f})",
                f"{row['valid_nll']:.4f}",
                f"{row['valid_exact_match']:.2%}",
                f"{row['valid_cer']:.2%}",
            )
            for row in rows
        ],
    )


if __name__ == "__main__":
    command_line(main)
