"""The constant displacement fields, composed into one table of source pixels."""

import math

import numpy as np
from numpy.typing import NDArray

Field = tuple[NDArray[np.float64], NDArray[np.float64]]


def _sin(x: NDArray[np.float64]) -> NDArray[np.float64]:
    # The C library's sine, rounded: vectorised sines differ in the last bit between processors.
    return np.round(np.vectorize(math.sin, otypes=[np.float64])(x), 12)


def ripple(x: NDArray[np.float64], y: NDArray[np.float64], strength: float) -> Field:
    """Where the ripple samples its source, in px: amplitudes 2.6 and 1.7, wavelengths 15 and 5."""
    return x + strength * 2.6 * _sin(y / 15.0), y + strength * 1.7 * _sin(x / 5.0)


def water(
    x: NDArray[np.float64], y: NDArray[np.float64], strength: float, centre: tuple[float, float]
) -> Field:
    """Where the water samples its source: rings of wavelength 2 px within 50 px of the centre."""
    dx, dy = x - centre[0], y - centre[1]
    d = np.sqrt(dx * dx + dy * dy)
    safe = np.where(d > 0, d, 1.0)
    a = strength * 1.5 * _sin(d / 2.0 * (2.0 * math.pi) - 10.0) * (50.0 - d) / 50.0
    a = np.where((d > 0) & (d < 50.0), a * 2.0 / safe, 0.0)
    return x + dx * a, y + dy * a


def fish_eye(
    x: NDArray[np.float64], y: NDArray[np.float64], centre: tuple[float, float], radius: float
) -> Field:
    """Where the lens samples its source: pixels within `radius` of the centre are drawn larger."""
    dx, dy = x - centre[0], y - centre[1]
    d = np.sqrt(dx * dx + dy * dy) / radius
    zoom = np.where(d < 1.0, 0.6 + 0.4 * d * d, 1.0)
    return centre[0] + dx * zoom, centre[1] + dy * zoom


def source_pixels(width: int, height: int, strength: float, lens: bool) -> NDArray[np.intp]:
    """For each pixel of the image, the pixel of the undistorted text that it shows.

    Args:
        width: W, px.
        height: H, px.
        strength: factor on both amplitudes; 0 leaves the text as it is.
        lens: whether a fish-eye follows.

    Returns:
        (H * W,) places in a text layer that is stored column by column: source x * H + source y.
    """
    centre = (width / 2.0, height / 2.0)

    def nearest(field: Field) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        x, y = (np.floor(np.round(c, 6) + 0.5).astype(np.intp) for c in field)
        return np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)

    gy, gx = (c.astype(np.float64) for c in np.mgrid[:height, :width])
    sx, sy = nearest(ripple(gx, gy, strength))
    wx, wy = nearest(water(gx, gy, strength, centre))
    sx, sy = wx[sy, sx], wy[sy, sx]
    if lens:
        lx, ly = nearest(fish_eye(gx, gy, centre, 0.5 * width))
        sx, sy = sx[ly, lx], sy[ly, lx]
    return (sx * height + sy).ravel()
