"""Intervals of means over images and trainings that are both drawn by chance.

A figure such as accuracy is a mean over observations, each of one image by one fit. Two sources of
chance remain in it: which images there happen to be, and how the trainings happened to go. Both
are counted, by the variance of a mean that is clustered by image and by fit: an image that is read
by several fits counts once, and so does a fit that reads many images.

For NLL and for differences a t interval: with a handful of fits, resampling them (the bootstrap)
comes out too narrow by (G - 1) / G in variance, and has no way to say that three are few; t has,
by its degrees of freedom. Its weakness, shared by the bootstrap: when nearly all of the NLL comes
from one or two images that were misread with confidence, the interval is too short at its upper
end. For shares Wilson's interval at the effective number of images, because near 100 % a
symmetric interval is wrong and, when all is right, has no width at all.

Folds share most of their training images, so fits of one cross-validation are less independent
than is assumed here; no unbiased estimate of that exists (Bengio and Grandvalet 2004).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
SAME_COST = 1.05
"""Costs that differ by less than this factor count as equal."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Observations:
    """What fits found on images; the three run parallel.

    Attributes:
        values: one per image and fit.
        images: name of each value's image.
        fits: what tells the fits apart, the same for two candidates that are to be paired.
    """

    values: Floats
    images: tuple[str, ...]
    fits: tuple[Any, ...]

    def minus(self, other: "Observations") -> "Observations":
        """The paired differences, where both have the same image and fit.

        Raises:
            ValueError: they have nothing in common.
        """
        theirs = dict(zip(zip(other.images, other.fits, strict=True), other.values, strict=True))
        keys = zip(self.images, self.fits, strict=True)
        kept = [i for i, key in enumerate(keys) if key in theirs]
        if not kept:
            raise ValueError("no image was scored by fits of both")
        images = tuple(self.images[i] for i in kept)
        fits = tuple(self.fits[i] for i in kept)
        before = np.array([theirs[key] for key in zip(images, fits, strict=True)])
        return Observations(self.values[kept] - before, images, fits)


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Attributes:
        mean: over all observations.
        error: standard error, over images and fits.
        error_images: standard error over images alone, each image's fits averaged.
        low: lower end of the 95 % interval.
        high: upper end.
        num_images: different images.
        num_fits: different fits; of a single one nothing is known about the chance of training,
            and the interval is over images alone.
    """

    mean: float
    error: float
    error_images: float
    low: float
    high: float
    num_images: int
    num_fits: int


def estimate(found: Observations, least: float = -math.inf) -> Estimate:
    """Mean with its t interval over images and fits.

    The variance is that of two-way clustering (Cameron, Gelbach and Miller 2011), each term with
    its correction for few clusters, and never below that over images alone; the degrees of
    freedom are Satterthwaite's. With every image read by every fit it is the exact one of the
    two-way random model.

    Args:
        found: at least one observation.
        least: what no mean can be below, such as 0 nats; the interval ends there.
    """
    num_images, num_fits = len(set(found.images)), len(set(found.fits))
    mean = float(found.values.mean())
    by_image, excess, freedom = _variance(found)
    error = math.sqrt(by_image + excess)
    half = error * _t(freedom)
    return Estimate(
        mean, error, math.sqrt(by_image), max(least, mean - half), mean + half, num_images, num_fits
    )


def estimate_share(found: Observations, units: int = 1) -> Estimate:
    """Mean of shares in [0, 1] with Wilson's interval over images and fits.

    Wilson's formula at the number of independent units that has the variance found, and with t
    for the normal quantile; so it stays inside [0, 1] and has a width when all is right.

    Args:
        found: 1 or 0 for right or wrong, or the share of an image's characters that are right.
        units: what an image consists of, such as 5 characters; there cannot be more independent
            units than all images have.
    """
    plain = estimate(found)
    by_image, excess, freedom = _variance(found)
    spread = plain.mean * (1 - plain.mean)
    count = float(plain.num_images * units)
    if by_image + excess > 0:
        count = min(count, spread / (by_image + excess))
    low, high = wilson(plain.mean, count, _t(freedom))
    return Estimate(
        plain.mean, plain.error, plain.error_images, low, high, plain.num_images, plain.num_fits
    )


def wilson(share: float, count: float, quantile: float | None = None) -> tuple[float, float]:
    """Wilson's interval of a share.

    Args:
        share: in [0, 1].
        count: independent observations it was found in, above 0; need not be whole.
        quantile: of the normal distribution, or of t; None is 95 %.

    Source: Wilson 1927.
    """
    z = _t(math.inf) if quantile is None else quantile
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    # The share itself is inside, whatever rounding does at 0 and 1.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def one_standard_error(
    nlls: Sequence[Observations], costs: Sequence[float], gaps: Sequence[float]
) -> tuple[int, list[bool]]:
    """Which candidate to recommend, and which come into question.

    In question are those whose mean paired difference to the best, clustered by image, is within
    one standard error of it. Of them the cheapest is taken; of those that cost the same, within
    5 % (an incomplete last batch more or less is no reason), the one with the smallest gap.

    Args:
        nlls: of each candidate, on the same images.
        costs: of each, above 0, such as images seen.
        gaps: of each, nats per captcha.
    """
    best = min(range(len(nlls)), key=lambda i: float(nlls[i].values.mean()))
    near = []
    for nll in nlls:
        apart = estimate(nll.minus(nlls[best]))
        near.append(apart.mean <= apart.error_images)
    least = min(cost for cost, is_near in zip(costs, near, strict=True) if is_near)
    cheap = [i for i, is_near in enumerate(near) if is_near and costs[i] <= SAME_COST * least]
    return min(cheap, key=lambda i: gaps[i]), near


def _variance(found: Observations) -> tuple[float, float, float]:
    """Variance of the mean by image, what the fits add to it, and the degrees of freedom."""
    off = (found.values - found.values.mean()) / len(found.values)
    by_image, num_images = _clustered(off, found.images)
    by_fit, num_fits = _clustered(off, found.fits)
    alone, _ = _clustered(off, range(len(off)))
    excess = max(0.0, by_fit - alone)
    doubt = by_image**2 / max(num_images - 1, 1)
    if excess:
        doubt += by_fit**2 / (num_fits - 1)
    freedom = (by_image + excess) ** 2 / doubt if doubt else math.inf
    return by_image, excess, freedom


def _clustered(off: Floats, clusters: Sequence[Any]) -> tuple[float, int]:
    """Sum of squares of the clusters' sums, corrected for their number; 0 for a single one."""
    sums: dict[Any, float] = {}
    for value, cluster in zip(off.tolist(), clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value
    count = len(sums)
    if count < 2:
        return 0.0, count
    return count / (count - 1) * sum(value * value for value in sums.values()), count


def _t(freedom: float) -> float:
    from scipy.special import ndtri, stdtrit  # scipy.stats takes half a second to load.

    level = (1 + LEVEL) / 2
    return float(ndtri(level) if math.isinf(freedom) else stdtrit(max(freedom, 1.0), level))
