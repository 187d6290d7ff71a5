"""Distortion: constant displacement fields, composed into a sparse table of weights."""

import functools
import math
import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# Weights are whole numbers that sum to this. 255 times it stays below 2**24, so sums in float32 are
# exact in any order.
ONE = 4096
Field = tuple[NDArray[np.float64], NDArray[np.float64]]


def _sin(x: NDArray[np.float64]) -> NDArray[np.float64]:
    # The C library's sine: vectorised ones differ in the last bit between processors.
    return np.array([math.sin(value) for value in x.flat]).reshape(x.shape)


def ripple(x: NDArray[np.float64], y: NDArray[np.float64], strength: float) -> Field:
    """Where the ripple samples its source, in px: amplitudes 2.6 and 1.7, wavelengths 15 and 5.

    Its result starts a whole amplitude further to the left and top, to hold what moves out there;
    drawn at the corner, the picture ends up 2 px further to the right and 1 px further down.
    """
    across, down = strength * 2.6, strength * 1.7
    x, y = x - math.floor(across), y - math.floor(down)
    return x + across * _sin(y / 15.0), y + down * _sin(x / 5.0)


def water(
    x: NDArray[np.float64], y: NDArray[np.float64], strength: float, centre: tuple[float, float]
) -> Field:
    """Where the water samples its source, px: rings of wavelength 2 within 50 px of the centre."""
    dx, dy = x - centre[0], y - centre[1]
    d = np.sqrt(dx * dx + dy * dy)
    inside = (d > 0) & (d < 50.0)
    d = np.where(inside, d, 50.0)
    a = strength * 1.5 * _sin(math.pi * d - 10.0) * (50.0 - d) / 50.0 * 2.0 / d
    return x + dx * a, y + dy * a


def fish_eye(
    x: NDArray[np.float64], y: NDArray[np.float64], centre: tuple[float, float], radius: float
) -> Field:
    """Where the lens samples its source, px: the middle is enlarged 1.4 times."""
    dx, dy = x - centre[0], y - centre[1]
    d = np.minimum(np.sqrt(dx * dx + dy * dy) / radius, 1.0)
    zoom = (1.0 + 0.4 * d * d) / 1.4
    return centre[0] + dx * zoom, centre[1] + dy * zoom


def _sampling(field: Field) -> sparse.csr_array:
    """(H * W, H * W) bilinear weights of the pixels that each pixel samples; edges repeat."""
    x, y = (np.round(c, 6) for c in field)  # hides differences between C libraries
    height, width = x.shape
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right_share, low_share = x - left, y - top
    pixel = np.arange(height * width)
    weights, sources = [], []
    for right in (0, 1):
        for low in (0, 1):
            weight = np.abs(1 - right - right_share) * np.abs(1 - low - low_share)
            column = np.clip(left + right, 0, width - 1)
            source = np.clip(top + low, 0, height - 1) * width + column
            weights.append(weight.ravel())
            sources.append(source.ravel())
    place = (np.tile(pixel, 4), np.concatenate(sources))
    return sparse.csr_array((np.concatenate(weights), place), shape=(pixel.size, pixel.size))


def warp(width: int, height: int, strength: float, lens: bool) -> sparse.csr_array:
    """The distortion of a style as a matrix, see `compose`.

    Args:
        width: W, px.
        height: H, px.
        strength: factor on the amplitudes; 0 leaves the text as it is.
        lens: whether a fish-eye comes first.
    """
    centre = (width / 2.0, height / 2.0)
    y, x = (c.astype(np.float64) for c in np.mgrid[:height, :width])
    chain = [ripple(x, y, strength), water(x, y, strength, centre)]
    return compose([*chain, fish_eye(x, y, centre, 0.5 * width)] if lens else chain)


def compose(chain: Sequence[Field]) -> sparse.csr_array:
    """Fields applied one to the result of the other, the last one in the list first.

    Args:
        chain: fields of (H, W) each.

    Returns:
        (H * W, W * H) float32 with whole weights, rows summing to `ONE`. Rows are pixels of the
        image row by row, columns are pixels of the undistorted text column by column.
    """
    height, width = chain[0][0].shape
    matrix = sparse.csr_array(functools.reduce(operator.matmul, map(_sampling, chain)))
    matrix.data = np.round(matrix.data * ONE)
    matrix.eliminate_zeros()
    # What rounding lost or added goes to each row's largest weight.
    missing = ONE - matrix.sum(axis=1)
    for row in np.flatnonzero(missing):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        matrix.data[part][np.argmax(matrix.data[part])] += missing[row]
    source_y, source_x = np.divmod(matrix.indices, width)
    by_column = (matrix.data.astype(np.float32), source_x * height + source_y, matrix.indptr)
    turned = sparse.csr_array(by_column, shape=matrix.shape)
    turned.sort_indices()
    return turned
