"""Segmentation: the places where the symbols of a captcha meet, to the pixel.

CTC's best path tells in which columns of the features a symbol is seen; half-way between two
symbols they meet. But a column is 4 to 8 px, and a network sees its symbols late: more than a
quarter of the places so found are further than 3 px off, enough to make an n of an m. Ink tells the
rest. Where most places of a batch have least of it is by how much the network is late; then each
place moves to the thinnest column nearby, and one that has much ink even there is not trusted. Of
the others one in forty is still that far off (research/seam_error.py: generated images of the
default preset, a network that reads them).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from captcha_models.charset import BLANK
from captcha_models.ctc.alignment import align

TRUSTED = 2.0
"""Nats that an image's path may cost at most for its symbols' places to be believed."""
LATE = 5
"""Px, fewer than which a network is late or early."""
NEARBY = 2
"""Px that a place may move by itself."""
THIN = 0.9
"""Ink of a seam, at most, to that of the text's mean column."""


@dataclass(frozen=True)
class Seams:
    """Where the symbols of a batch of captchas begin and end.

    Attributes:
        at: (N, L + 1) px, whole numbers; symbol k lies in at[k]..at[k + 1] - 1. Beyond a row's last
            symbol, anything.
        clear: (N, L + 1) whether the captcha may be cut there.
    """

    at: Tensor
    clear: Tensor


def find_seams(images: Tensor, targets: Tensor, log_probs: Tensor, stride: float) -> Seams:
    """The seams of a batch; nothing waits for the device.

    Args:
        images: (N, C, H, W).
        targets: (N, L) class ids, padded with 0; L at least 2.
        log_probs: (T, N, K) float32, what CTC makes of the images; T columns from left to right.
        stride: px from the middle of one column to that of the next; the first lies at 0.
    """
    lengths = (targets != BLANK).sum(dim=1)
    steps, cost = align(log_probs, targets, lengths)
    middles = steps * stride
    place = torch.arange(targets.shape[1] + 1, device=targets.device)
    last = (lengths - 1).clamp_min(1)[:, None]
    # So far apart that no symbol loses all of its width when its ends move.
    apart = middles.diff(dim=1) > 2 * NEARBY
    read = (cost <= TRUSTED)[:, None] & apart & (place[1:-1] < lengths[:, None])
    ink = images.float().std(dim=2).mean(dim=1).nan_to_num()
    ends = (middles[:, 1:] + middles[:, :-1]) / 2

    around = torch.arange(-LATE, LATE + 1, device=ends.device)
    batch = (_near(ink, ends, around) * read[..., None]).sum(dim=(0, 1)) / read.sum().clamp_min(1)
    late = around.gather(0, _thinnest(batch, around)[None])
    ends, middles = ends + late, middles + late
    around = torch.arange(-NEARBY, NEARBY + 1, device=ends.device)
    ends = ends.round() + around[_thinnest(_near(ink, ends, around), around)]

    column = torch.arange(ink.shape[1], device=ink.device)
    text = (column >= middles[:, :1]) & (column <= middles.gather(1, last))
    mean = (ink * text).sum(dim=1) / text.sum(dim=1).clamp_min(1)
    thin = ink.gather(1, _columns(ends, ink)) < THIN * mean[:, None]
    # At the end of what was tried there may be less ink further on.
    inner = read & thin & (late.abs() < LATE)
    # The outer symbols reach as far outwards from their middles as they do inwards, and there is
    # nothing beyond: rather too far than not far enough. They are as sure as their inner seams.
    first = 2 * middles[:, :1] - ends[:, :1] - LATE
    beyond = 2 * middles.gather(1, last) - ends.gather(1, last - 1) + LATE
    at = torch.cat([first, ends, ends[:, -1:]], dim=1).scatter(1, last + 1, beyond)
    clear = torch.cat([inner[:, :1] & (first >= 0), inner, torch.zeros_like(inner[:, :1])], dim=1)
    clear = clear.scatter(1, last + 1, inner.gather(1, last - 1))
    # A text that fills the image has no room for its seams to move.
    clear &= beyond <= ink.shape[1]
    return Seams(at.round().long().clamp(0, ink.shape[1]), clear)


def _columns(places: Tensor, ink: Tensor) -> Tensor:
    """Places, px, as columns of ink (N, W)."""
    return places.round().long().clamp(0, ink.shape[1] - 1)


def _near(ink: Tensor, places: Tensor, around: Tensor) -> Tensor:
    """(N, P, O) ink (N, W) of the columns so many px (O,) from places (N, P)."""
    columns = _columns(places[..., None] + around, ink)
    return ink.gather(1, columns.flatten(1)).view(columns.shape)


def _thinnest(ink: Tensor, around: Tensor) -> Tensor:
    """Which of O columns has least ink (..., O); of a gap's, that which is the least px away."""
    return (ink + 1e-3 * around.abs()).argmin(dim=-1)
