"""New captchas out of old ones: the left part of one image and the right part of another.

Few real images hold few sequences of symbols, which a recogniser learns by heart instead of its
symbols. Where it has learned to see the symbols of two images, and both have a symbol end at about
the same column, the images are cut there and the right parts exchanged. Symbols keep their places,
and with them whatever distorts the image; what changes is their company. By chance a label that is
put together may be one that validates or tests; no pixel of such an image is ever seen.

Source: ours; mixing images as in Yun et al. 2019 (arXiv:1905.04899), but at boundaries that CTC
itself finds, so that the label of what comes out is known exactly.
"""

import torch
from torch import Tensor

from captcha_models.charset import BLANK
from captcha_models.ctc_path import align

TRUSTED = 2.0
"""Nats that an image's path may cost at most for its boundaries to be believed."""
WITHIN = 3.0
"""Pixels that two boundaries may lie apart."""


def splice(
    images: Tensor, targets: Tensor, log_probs: Tensor, stride: float, share: float
) -> tuple[Tensor, Tensor]:
    """Give some images of a batch the right part of another one, and its label's end.

    Chance is torch's own, on the images' device; nothing waits for the device.

    Args:
        images: (N, C, H, W).
        targets: (N, L) class ids, padded with 0.
        log_probs: (T, N, K) float32, what CTC makes of the images; T columns from left to right.
        stride: px from the middle of one column to that of the next; the first lies at 0.
        share: of the images that are tried, 0 to 1; those without a partner stay as they are.

    Returns:
        Images and targets, as many as there were.
    """
    if targets.shape[1] < 2:
        return images, targets
    lengths = (targets != BLANK).sum(dim=1)
    middles, cost = align(log_probs, targets, lengths)
    # (N, L - 1) px where a symbol ends and the next one begins.
    ends = (middles[:, 1:] + middles[:, :-1]) / 2 * stride
    place = torch.arange(ends.shape[1], device=ends.device)
    known = (cost <= TRUSTED)[:, None] & (place + 1 < lengths[:, None])
    apart = (ends[:, None] - ends[None]).abs()  # (N, N, L - 1) of image i, of its partner j
    fits = (apart <= WITHIN) & known[:, None] & known[None]
    fits &= ~torch.eye(len(images), dtype=torch.bool, device=fits.device)[..., None]
    fits &= torch.rand(len(images), 1, 1, device=fits.device) < share
    # One of the partners and places that fit, by chance; the least of numbers below 0 is none.
    drawn = torch.rand(fits.shape, device=fits.device).where(fits, -1.0).flatten(1)
    value, choice = drawn.max(dim=1)
    found, partner, after = value >= 0, choice // len(place), choice % len(place)
    own = torch.arange(len(images), device=images.device)
    cut = (ends[own, after] + ends[partner, after]) / 2
    column = torch.arange(images.shape[3], device=images.device)
    from_partner = found[:, None] & (column >= cut[:, None])
    label = torch.arange(targets.shape[1], device=targets.device)
    end_of_partner = found[:, None] & (label > after[:, None])
    return (
        torch.where(from_partner[:, None, None], images[partner], images),
        torch.where(end_of_partner, targets[partner], targets),
    )
