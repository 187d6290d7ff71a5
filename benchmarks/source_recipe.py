"""The source article's training as it stands in fastai 2.8, written anew: only a peer.

Everything is the article's: PNG files decoded item by item to float64, TfmdLists and DataLoaders
with batches of 8, fastai's Learner with its own Adam and one cycle, its three models, criteria and
whole-captcha metrics, the CRNN's beam search in Python. What fastai 2.8 asks for is changed and no
more: `create_vision_model` for `create_cnn_model`, a body from a model instance, from scratch.
Images and split are ours, so that both sides learn from and are judged by the same files.

One thing is as the article means it, not as it stands: its TfmdLists do not know which part they
are, so that fastai rotates the validation images too and never changes anybody's lighting. Here
they know: rotation and lighting act on training images only. `as_written` leaves that out.
"""

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import fastai.callback.schedule  # noqa: F401  (gives Learner its fit_one_cycle)
import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.progress import ProgressCallback
from fastai.data.core import DataLoaders, TfmdLists
from fastai.layers import LinBnDrop
from fastai.learner import Learner
from fastai.losses import LabelSmoothingCrossEntropyFlat
from fastai.torch_core import TensorImage
from fastai.vision.augment import Brightness, Contrast, Resize, ResizeMethod, Rotate
from fastai.vision.learner import create_body, create_vision_model
from fastai.vision.models.xresnet import xresnet34
from fastcore.basics import fastuple
from fasttransform import Transform
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet34

from benchmarks.article_decoder import article_decode
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError

BATCH_SIZE, EPOCHS, LR, LENGTH, BEAM = 8, 60, 3e-3, 5, 10
SIZE = (50, 200)

Criterion = Callable[[Tensor, Tensor], Tensor]
Metric = Callable[[Tensor, Tensor], float]


@contextmanager
def image_files(data: str, images: LabelledImages) -> Iterator[dict[str, Path]]:
    """The file of each image by name; what is no folder is unpacked into a temporary one.

    Args:
        data: what `images` were opened from, as `--data` names it.
        images: the images; drawn or downloaded ones are written as PNG.
    """
    given = Path(data).expanduser()
    wanted = set(images.names)
    if given.is_dir():
        yield {path.name: path for path in given.rglob("*") if path.name in wanted}
        return
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in images.names}
        if given.is_file():
            with zipfile.ZipFile(given) as zipped:
                for member in zipped.namelist():
                    if (name := PurePosixPath(member).name) in wanted:
                        files[name].write_bytes(zipped.read(member))
        else:
            for name, pixels in zip(images.names, images.pixels, strict=True):
                Image.fromarray(np.broadcast_to(pixels, (3, *SIZE)).transpose(1, 2, 0)).save(
                    files[name]
                )
        yield files


class ReadCaptcha(Transform):  # type: ignore[misc]  # fastai is untyped
    """From a number to that file's image (3, H, W) and class ids (L,)."""

    def __init__(self, files: Sequence[Path], ids: Mapping[str, int]) -> None:
        self.files, self.ids = files, ids

    def encodes(self, i: int) -> fastuple:
        path = self.files[i]
        pixels = torch.Tensor(np.array(Image.open(path).convert("RGB")))
        image = TensorImage(pixels.permute(2, 0, 1).double() / 255.0)
        return fastuple(image, torch.tensor([self.ids[symbol] for symbol in path.stem]))


def source_loaders(
    images: LabelledImages,
    split: Split,
    files: Mapping[str, Path],
    device: torch.device,
    *,
    as_written: bool = False,
) -> DataLoaders:
    """Batches of 8 (images (N, 3, H, W), targets (N, 5)); the locked test part is not touched.

    Args:
        images: whose names and alphabet count.
        split: which of them train and validate.
        files: from `image_files`.
        device: where batches are moved.
        as_written: rotate validation images too, and change nobody's lighting.

    Raises:
        InputError: labels not of five characters, which the article takes for granted.
    """
    if images.label_length != LENGTH:
        raise InputError(f"the source's recipe reads labels of {LENGTH} characters only")
    ids = {symbol: i + 1 for i, symbol in enumerate(sorted(set("".join(images.labels))))}
    parts = []
    for number, rows in enumerate((split.train, split.valid)):
        read = ReadCaptcha([files[images.names[i]] for i in rows], ids)
        parts.append(TfmdLists(range(len(rows)), read, split_idx=None if as_written else number))
    return DataLoaders.from_dsets(
        *parts,
        bs=BATCH_SIZE,
        after_item=Resize(SIZE, method=ResizeMethod.Squish),
        after_batch=[
            Rotate(max_deg=10),
            Brightness(max_lighting=0.5, p=0.8, batch=False),
            Contrast(max_lighting=0.5, p=0.8, batch=False),
        ],
        # On a CPU worker processes would take the cores that train; fastai's default otherwise.
        num_workers=0 if device.type == "cpu" else None,
        device=device,
    )


class CRNN(nn.Module):
    """System 3: columns of a cut resnet34 through two bidirectional LSTMs; logits (T, N, K)."""

    def __init__(self, num_classes: int, cut: int = 7) -> None:
        super().__init__()
        self.body = create_body(resnet34(weights=None), pretrained=False, cut=cut)
        _, channels, height, self.steps = self.body(torch.zeros(2, 3, *SIZE)).shape
        linear = {"p": 0.1, "bn": False, "lin_first": False}
        self.map_to_seq = LinBnDrop(channels * height, 64, **linear)
        self.rnn1 = nn.LSTM(64, 256, bidirectional=True)
        self.rnn2 = nn.LSTM(2 * 256, 128, bidirectional=True)
        self.dense = LinBnDrop(2 * 128, num_classes, **linear)

    def forward(self, images: Tensor) -> Tensor:
        columns = self.body(images).flatten(1, 2).permute(2, 0, 1)
        states, _ = self.rnn1(self.map_to_seq(columns))
        states, _ = self.rnn2(states)
        logits: Tensor = self.dense(states)
        return logits


def source_model(arch: str, num_classes: int, cut: int = 7) -> nn.Module:
    """The article's model for `pooled`, `spatial` (no pooling) or `crnn`, with fresh weights."""
    if arch == "crnn":
        return CRNN(num_classes, cut)
    if arch == "pooled":
        model: nn.Module = create_vision_model(xresnet34, num_classes * LENGTH, pretrained=False)
        return model
    head = nn.Sequential(
        nn.Flatten(),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(7168, 1000),
        nn.ReLU(),
        nn.BatchNorm1d(1000),
        nn.Dropout(0.5),
        nn.Linear(1000, num_classes * LENGTH),
    )
    return nn.Sequential(create_body(xresnet34(), pretrained=False), head)


def _positional(num_classes: int) -> tuple[Criterion, list[Metric]]:
    smoothed = LabelSmoothingCrossEntropyFlat()

    def read(output: Tensor) -> Tensor:
        return output.reshape(-1, LENGTH, num_classes).argmax(dim=-1)

    def loss(output: Tensor, targets: Tensor) -> Tensor:
        value: Tensor = smoothed(output.view(-1, LENGTH, num_classes), targets)
        return value

    def position_accuracy(output: Tensor, targets: Tensor) -> float:
        return float((read(output) == targets).float().mean())

    def exact_match(output: Tensor, targets: Tensor) -> float:
        return float((read(output) == targets).all(dim=1).float().mean())

    return loss, [position_accuracy, exact_match]


def _ctc(steps: int) -> tuple[Criterion, list[Metric]]:
    criterion = nn.CTCLoss()

    def loss(output: Tensor, targets: Tensor) -> Tensor:
        count = len(targets)
        given, wanted = torch.LongTensor([steps] * count), torch.LongTensor([LENGTH] * count)
        value: Tensor = criterion(output.log_softmax(dim=2), targets, given, wanted)
        return value

    def exact_match(output: Tensor, targets: Tensor) -> float:
        log_probs = output.log_softmax(dim=2).detach().cpu().numpy().transpose(1, 0, 2)
        decoded = [article_decode(image, BEAM) for image in log_probs]
        right = sum(a == b for a, b in zip(decoded, targets.tolist(), strict=True))
        return float(right / len(targets))

    return loss, [exact_match]


def source_learner(
    arch: str, loaders: DataLoaders, num_classes: int, *, cut: int = 7, cbs: Sequence[Callback] = ()
) -> Any:
    """Fastai's Learner as the article makes it, without its progress bar; captchas come last.

    `fit_one_cycle(EPOCHS, LR)` trains as the article does; `recorder.values` has a row an epoch:
    training loss, validation loss, (characters,) captchas.
    """
    model = source_model(arch, num_classes, cut).to(loaders.device)
    loss, metrics = _ctc(model.steps) if isinstance(model, CRNN) else _positional(num_classes)
    learner = Learner(loaders, model, loss, metrics=metrics, cbs=list(cbs))
    learner.remove_cb(ProgressCallback)
    learner.logger = lambda row: None
    return learner
