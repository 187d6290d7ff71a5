"""Augmentation of whole batches on the device; chance is drawn for each image on its own.

The article's rotation and lighting are fastai's transforms; the further kinds are ours, one batched
operation each. All grow with one strength.
"""

from collections.abc import Callable, Collection
from functools import partial

import torch
from fastai.torch_core import TensorImage
from fastai.vision.augment import Brightness, Contrast, Rotate
from fasttransform import Transform
from torch import Tensor
from torch.nn import functional as F

from captcha_models.data.geometry import FLAT

MAX_DEGREES = 10
MAX_LIGHTING = 0.5
LIGHTING_PROBABILITY = 0.8
# Of the further kinds, at strength 1.
MAX_SCALE = 0.1
MAX_SHEAR = 0.2
MAX_SHIFT = 0.05  # of height and width
MAX_BEND = 0.04  # of half the height and width
BENDS = (3, 9)  # points that are moved freely, what lies between follows
MAX_NOISE = 0.1  # standard deviation
MAX_ERASED = 0.25  # of height and width


def augmentations(
    strength: float, kinds: Collection[str] = ("rotate", "light"), *, filled: bool = False
) -> list[Transform]:
    """The transforms of the given kinds; the article's two by default.

    Args:
        strength: 1 is the article's (10 degrees, lighting 0.5), 0 none, at most 1.5.
        kinds: `rotate`, `light` (brightness and contrast), keys of KINDS.
        filled: images are filled up with paper, which stays of one colour: by that a recogniser
            knows it where it normalises.
    """
    if strength == 0:
        return []
    lighting = MAX_LIGHTING * strength
    changes = dict(KINDS)
    if filled:
        changes |= {kind: partial(on_content, KINDS[kind]) for kind in ("noise", "erase")}
    found: list[Transform] = [
        Batched(change, strength) for kind, change in changes.items() if kind in kinds
    ]
    if "rotate" in kinds:
        found.append(Rotate(max_deg=MAX_DEGREES * strength))
    if "light" in kinds:
        found += [
            Brightness(max_lighting=lighting, p=LIGHTING_PROBABILITY, batch=False),
            Contrast(max_lighting=lighting, p=LIGHTING_PROBABILITY, batch=False),
        ]
    return found


class Batched(Transform):  # type: ignore[misc]  # fastai is untyped
    """A change of images (N, C, H, W), as a transform of training batches; targets pass."""

    order = 10
    split_idx = 0

    def __init__(self, change: Callable[[Tensor, float], Tensor], strength: float) -> None:
        super().__init__()
        self.change, self.strength = change, strength

    def encodes(self, x: TensorImage) -> TensorImage:
        """The images, changed."""
        return TensorImage(self.change(torch.Tensor(x), self.strength))


def _uniform(images: Tensor, *shape: int) -> Tensor:
    """Numbers in -1..1, a row for each image."""
    return torch.rand(len(images), *shape, device=images.device) * 2 - 1


def _sample(images: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _still(images: Tensor) -> Tensor:
    """(N, 2, 3) the affine maps that change nothing."""
    return torch.eye(2, 3, device=images.device).repeat(len(images), 1, 1)


def shape(images: Tensor, strength: float) -> Tensor:
    """Scale, shear and shift."""
    theta = _still(images)
    theta[:, [0, 1], [0, 1]] += _uniform(images, 2) * MAX_SCALE * strength
    theta[:, 0, 1] += _uniform(images) * MAX_SHEAR * strength
    theta[:, :, 2] += _uniform(images, 2) * 2 * MAX_SHIFT * strength
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return _sample(images, grid)


def elastic(images: Tensor, strength: float) -> Tensor:
    """Bend smoothly."""
    grid = F.affine_grid(_still(images), list(images.shape), align_corners=False)
    bend = F.interpolate(_uniform(images, 2, *BENDS), images.shape[2:], mode="bicubic")
    return _sample(images, grid + bend.permute(0, 2, 3, 1) * MAX_BEND * strength)


def blur(images: Tensor, strength: float) -> Tensor:
    """Mix with the image blurred, by a share up to the strength."""
    share = (_uniform(images, 1, 1, 1).abs() * strength).clamp_max(1)
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return images.lerp(F.avg_pool2d(padded, 3, stride=1), share)


def noise(images: Tensor, strength: float) -> Tensor:
    """Add normal noise, and keep within black and white."""
    deviation = _uniform(images, 1, 1, 1).abs() * MAX_NOISE * strength
    return (images + torch.randn_like(images) * deviation).clamp(0, 1)


def erase(images: Tensor, strength: float) -> Tensor:
    """Put the image's mean over a rectangle."""
    inside = torch.ones(len(images), 1, 1, 1, dtype=torch.bool, device=images.device)
    for axis in (2, 3):
        size = images.shape[axis]
        place = torch.arange(size, device=images.device) / size
        place = place.view([-1 if i == axis else 1 for i in range(4)])
        width = _uniform(images, 1, 1, 1).abs() * MAX_ERASED * strength
        start = _uniform(images, 1, 1, 1).abs() * (1 - width)
        inside = inside & (place >= start) & (place < start + width)
    return torch.where(inside, images.mean(dim=(1, 2, 3), keepdim=True), images)


def on_content(change: Callable[[Tensor, float], Tensor], images: Tensor, by: float) -> Tensor:
    """The images, changed, but for columns of one colour."""
    content = (images.amax(dim=2) - images.amin(dim=2)).amax(dim=1) > FLAT
    return change(images, by).where(content[:, None, None], images)


KINDS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "shape": shape,
    "elastic": elastic,
    "blur": blur,
    "noise": noise,
    "erase": erase,
}
"""The further kinds; a configuration has the switch `augment_KIND` for each."""
