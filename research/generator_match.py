"""Match of the generated images with the real ones.

    python -m research.generator_match --data captcha_images_v2.zip [--out FOLDER]

(a) a CRNN trained on generated images alone (`--config zero-shot` of captcha_models.train, some
    six minutes on one core, or what that left, with --model) reads the real ones.
(b) a small classifier that tries to tell real from generated images it was not trained on: 50 % is
    a perfect match. Generated images carry the real images' labels, so the text gives no hint.
(c) mean and spread of the grey values, and the mean image's difference pixel by pixel. With --out,
    a contact sheet of 24 real and 24 generated images, mixed, and the key to it. The sheet holds
    third-party images: keep it outside the repository.

Only real images outside the locked test set are used.

Last run, 840 real images, one thread: mean 182.4 real, 182.5 generated; standard deviation 80.0 and
79.8; mean images differ by 1.5 grey values, where halves of the real images promise 1.2 by chance;
correlation 0.999. The classifier is right on 85 % of 420 held-out images (95 % interval 82 to 88).
On the strip right of the letters, noise curves only, the same classifier is right on 48 % (43 to
53), so the letters give it away: their fonts are kin of the original ones, which are not free.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from captcha_models import generator as kaptcha
from captcha_models.architectures import config_class
from captcha_models.cli import command_line
from captcha_models.config import read_values
from captcha_models.data.reading import read_images
from captcha_models.data.splits import make_split
from captcha_models.errors import InputError
from captcha_models.training.checkpoint import load_model
from captcha_models.training.evaluation import evaluate
from captcha_models.training.session import train_in
from research.fit_generator import load
from search.confirmation.intervals import wilson

STYLE = kaptcha.PRESETS["default"]
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Share:
    """A share of n with its 95 % Wilson interval."""

    hits: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        return wilson(self.hits / self.n, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits / self.n:.1%} of {self.n} ({low:.1%} to {high:.1%})"


class Detective(nn.Sequential):
    """(N, 1, H, W) in [0, 1] -> (N,) the logit of being real; 26,000 parameters."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((1, 8), (8, 24), (24, 48)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        layers += [nn.Conv2d(48, 32, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers, nn.Linear(32, 1), nn.Flatten(0))


def tell_apart(real: Images, drawn: Images, held_out: float, steps: int, seed: int) -> Share:
    """Train a classifier on part of both and score it on the rest.

    Args:
        real: (N, H, W).
        drawn: (M, N, H, W), M generated images with each real one's label.
        held_out: share of the labels that are kept for scoring; one generated image is scored
            for each real one.
        steps: batches of 32 real and 32 generated images.
        seed: of split, order and weights.
    """
    torch.manual_seed(seed)
    order = torch.randperm(len(real))
    test, train = order[: round(held_out * len(real))], order[round(held_out * len(real)) :]
    real_, drawn_ = torch.from_numpy(real)[:, None], torch.from_numpy(drawn)[:, :, None]
    model = Detective()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    truth = torch.cat([torch.ones(32), torch.zeros(32)])
    for _ in range(steps):
        ours = drawn_[torch.randint(len(drawn), (32,)), train[torch.randint(len(train), (32,))]]
        batch = torch.cat([real_[train[torch.randint(len(train), (32,))]], ours])
        loss = functional.binary_cross_entropy_with_logits(model(batch / 255.0), truth)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        says_real: Tensor = torch.cat([model(real_[test] / 255.0), model(drawn_[0][test] / 255.0)])
    is_real = torch.arange(2 * len(test)) < len(test)
    return Share(int(((says_real > 0) == is_real).sum()), 2 * len(test))


def read_by_a_stranger(data: Path, model: Path | None) -> tuple[Share, float]:
    """(a) Whole captchas that a CRNN which never learned from a real image reads.

    Args:
        data: the archive; its locked test images are left out.
        model: of an earlier zero-shot training; None trains one.

    Returns:
        The share of captchas, and the share of characters.
    """
    images = read_images(data)
    split = make_split(images.names)
    if model is None:
        config = config_class("crnn").parse(read_values("zero-shot", "crnn"))
        with TemporaryDirectory() as folder:
            train_in(Path(folder) / "zero", config, images, split, seed=0, device="cpu")
            loaded = load_model(Path(folder) / "zero")
    else:
        loaded = load_model(model)
    if loaded.card.parsed_config().synthetic_share < 1:
        raise InputError(f"{model}: real images took part in its training (synthetic_share < 1)")
    rows = np.concatenate([split.train, split.valid])
    labels = [images.labels[i] for i in rows]
    scores = evaluate(loaded.model, torch.from_numpy(images.pixels[rows]), labels)
    hits = sum(a == b for a, b in zip(scores.predictions, labels, strict=True))
    return Share(hits, len(labels)), scores.position_accuracy


def compare_pixels(real: Images, drawn: Images) -> Table:
    """(c) Statistics of the grey values of (N, H, W) real and (M, N, H, W) generated images."""
    table = Table("grey values", "real", "generated")
    many = drawn.reshape(-1, *real.shape[1:])
    table.add_row("mean", f"{real.mean():.2f}", f"{many.mean():.2f}")
    table.add_row("standard deviation", f"{real.std():.2f}", f"{many.std():.2f}")
    halves = real[::2].mean(axis=0), real[1::2].mean(axis=0)
    gap = np.abs(real.mean(axis=0) - many.mean(axis=0)).mean()
    chance = np.abs(halves[0] - halves[1]).mean() / 2
    table.add_row("mean image, mean difference", f"{chance:.2f} by chance", f"{gap:.2f}")
    correlation = np.corrcoef(real.mean(axis=0).ravel(), many.mean(axis=0).ravel())[0, 1]
    table.add_row("mean image, correlation", "", f"{correlation:.4f}")
    return table


def contact_sheet(real: Images, drawn: Images, folder: Path) -> None:
    """Save 24 images of each, mixed, as `sheet.png`, and which are real as `key.txt`."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(real), 48, replace=False)
    is_real = rng.permutation(np.arange(48) < 24)
    images = np.where(is_real[:, None, None], real[chosen], drawn[0, chosen])
    height, width = images.shape[1:]
    grid = images.reshape(12, 4, height, width).swapaxes(1, 2).reshape(12 * height, 4 * width)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).save(folder / "sheet.png")
    rows = ["".join("r" if one else "g" for one in row) for row in is_real.reshape(12, 4)]
    (folder / "key.txt").write_text("r real, g generated\n" + "\n".join(rows) + "\n")


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True), required=True, help="The zip."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the contact sheet.")
@click.option("--model", type=click.Path(path_type=Path), help="Of a zero-shot training.")
@click.option("--steps", default=400, show_default=True, help="Training steps of the classifier.")
def main(data: Path, out: Path | None, model: Path | None, steps: int) -> None:
    """Compare generated images with the real ones and print how they differ."""
    torch.set_num_threads(1)
    console = Console()
    labels, real = load(data)
    drawn = np.stack([kaptcha.draw(STYLE, labels, seed)[:, 0] for seed in range(8)])
    console.print(compare_pixels(real, drawn))
    if out is not None:
        contact_sheet(real, drawn, out)
    share = tell_apart(real, drawn, held_out=0.25, steps=steps, seed=0)
    console.print(f"real and generated distinguished: {share}; 50 % is a perfect match")
    captchas, characters = read_by_a_stranger(data, model)
    console.print(
        f"real captchas read after generated images alone: {captchas}; characters {characters:.2%}"
    )


if __name__ == "__main__":
    command_line(main)
