"""Character-level CutMix: symbols of one captcha in the place of as many symbols of another.

Few real images hold few sequences of symbols, which a recogniser learns by heart instead of its
symbols, and some symbols never at some places. So a run of one to all symbols, cut out where they
meet, is put in the place of a run of another captcha; what follows moves. By chance a label that is
put together may be one that validates or tests; no pixel of such an image is ever seen.

Source: ours; mixing images as in Yun et al. 2019 (arXiv:1905.04899), but at seams, so that the
label of what comes out is known as surely as they are.
"""

import torch
from torch import Tensor

from captcha_models.charset import BLANK
from captcha_models.ctc.loss import min_steps
from captcha_models.data.segmentation import Seams, find_seams

REACH = 25
"""Px that a run may move; further away backgrounds and distortions look different."""


def splice(
    images: Tensor, targets: Tensor, log_probs: Tensor, stride: float, share: float
) -> tuple[Tensor, Tensor]:
    """Put a run of another captcha's symbols into some captchas of a batch.

    Chance is torch's own, on the images' device; nothing waits for the device.

    Args:
        images: (N, C, H, W).
        targets: (N, L) class ids, padded with 0.
        log_probs: (T, N, K) float32, what CTC makes of the images; T columns from left to right.
        stride: px from the middle of one column to that of the next; the first lies at 0.
        share: of the images that are tried, 0 to 1; those where nothing fits stay as they are.

    Returns:
        Images and targets, as many as there were; labels keep their lengths, and T columns can
        spell them.
    """
    count, length = targets.shape
    if length < 2:
        return images, targets
    seams = find_seams(images, targets, log_probs, stride)
    own = torch.arange(count, device=images.device)
    # Captchas that are not read have no clear seam.
    other = seams.clear.any(dim=1) & (own != own[:, None])
    chance = torch.rand(count, count, device=images.device)
    partner = chance.where(other, -1.0).argmax(dim=1)

    clear, widths = _runs(seams)
    theirs = seams.at[partner]
    apart = (seams.at[:, :-1, None] - theirs[:, None, :-1]).abs()
    grows = widths[partner][:, None] - widths[:, :, None]
    lengths = (targets != BLANK).sum(dim=1, keepdim=True)
    room = images.shape[3] - seams.at.gather(1, lengths)
    # (N, L, L, L) by own first symbol, the partner's, and the length of the runs less one.
    fits = clear[:, :, None] & clear[partner][:, None] & (apart <= REACH)[..., None]
    fits &= grows <= room[:, :, None, None]
    tried = other[own, partner] & (torch.rand(count, device=images.device) < share)
    fits &= tried[:, None, None, None]
    # One of those that fit, by chance; the least of numbers below 0 is none.
    drawn = torch.rand(fits.shape, device=fits.device).where(fits, -1.0).flatten(1)
    value, choice = drawn.max(dim=1)
    place, source, symbols = (
        part[:, None]
        for part in (choice // length**2, choice // length % length, choice % length + 1)
    )
    k = torch.arange(length, device=images.device)
    replaced = (k >= place) & (k < place + symbols)
    labels = targets[partner].gather(1, (k + source - place).clamp(0, length - 1))
    labels = torch.where(replaced, labels, targets)
    # Two equal neighbours that meet may need one column more than there are.
    found = ((value >= 0) & (min_steps(labels, lengths[:, 0]) <= len(log_probs)))[:, None]

    begin, end = seams.at.gather(1, place), seams.at.gather(1, place + symbols)
    taken, until = theirs.gather(1, source), theirs.gather(1, source + symbols)
    x = torch.arange(images.shape[3], device=images.device)
    seam = begin + until - taken  # Where the run ends now.
    inside = found & (x >= begin) & (x < seam)
    after = found & (x >= seam)
    column = x + torch.where(inside, taken - begin, 0) + torch.where(after, end - seam, 0)
    column = column.clamp(0, images.shape[3] - 1)[:, None, None].expand(images.shape)
    spliced = torch.where(
        inside[:, None, None], images[partner].gather(3, column), images.gather(3, column)
    )
    return spliced, torch.where(found, labels, targets)


def _runs(seams: Seams) -> tuple[Tensor, Tensor]:
    """Whether symbols k..k + n lie between clear seams, and their px: (N, L, L) each."""
    length = seams.at.shape[1] - 1
    k = torch.arange(length, device=seams.at.device)
    after = k[:, None] + k + 1
    clear = torch.nn.functional.pad(seams.clear, (0, length))[:, after]
    until = seams.at[:, after.clamp_max(length)]
    return seams.clear[:, :-1, None] & clear, until - seams.at[:, :-1, None]
