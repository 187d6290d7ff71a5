"""Counter-based random numbers: those of image i depend on (seed, i) alone."""

import numpy as np
from numpy.typing import NDArray

_STEP = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniforms(seed: int, indices: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Independent uniform numbers for each image.

    Args:
        seed: any integer; taken modulo 2**64.
        indices: (N,) the images' own numbers.
        count: how many numbers each image gets; the first ones do not depend on it.

    Returns:
        (N, count) in [0, 1), multiples of 2**-53.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied to seed, image and
        position in turn.
    Integer arithmetic only, so every machine gives the same numbers.
    """
    key = _mix(np.array([(seed + 1) * _STEP & _MASK], dtype=np.uint64))
    image = _mix(key ^ _mix((indices.astype(np.uint64) + np.uint64(1)) * np.uint64(_STEP)))
    position = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
    bits = _mix(image[:, None] + position[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
