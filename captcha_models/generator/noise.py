"""Noise curves: cubic Beziers, flattened to straight strokes and drawn anti-aliased."""

import math

import numpy as np
from numpy.typing import NDArray

_FACTORS = ((0.1, 0.1, 0.25, 0.25), (0.1, 0.25, 0.5, 0.9))
_STROKES = (3.6, 2.7, 1.8)
FLATNESS = 2.0  # px


def _distance_sq(
    p: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distance from p to the segment from a to b; all (..., 2)."""
    ab, ap = b - a, p - a
    length = (ab * ab).sum(-1)
    t = np.clip((ap * ab).sum(-1) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    gap = ap - t[..., None] * ab
    return np.asarray((gap * gap).sum(-1))


def breadth(place: int) -> float:
    """Breadth of a curve's stroke number `place`, px: the first ones are bolder."""
    return _STROKES[min(place, len(_STROKES) - 1)]


def places(curve: int) -> tuple[float, float, float, float]:
    """Where the control points of curve number `curve` lie, as shares of W."""
    return _FACTORS[curve % len(_FACTORS)]


def deepest(height: int) -> int:
    """How often a curve is halved at most: each time brings it four times nearer to its chord."""
    return max(1, math.ceil(math.log(max(height, 4) / FLATNESS, 4))) + 1


def margins(breadth: float) -> tuple[int, int]:
    """How many px a stroke reaches beyond its ends, and to either side of its middle line."""
    return math.ceil(breadth / 2 + 0.5), math.ceil((breadth / 2 + 0.71) * 1.42)


def flatten(
    heights: NDArray[np.float64], curve: int, height: int, width: int
) -> list[NDArray[np.int64]]:
    """Straight segments of one curve per image, grouped by their place along the curve.

    Args:
        heights: (N, 4) in [0, 1), the control points' heights as shares of H.
        curve: number of the curve; it gives the control points' places across the image.
        height: H, px.
        width: W, px.

    Returns:
        one (M, 5) array per place along the curve, at most one row per image: image, x0, y0, x1, y1
        in whole px. A curve is halved until both inner control points lie within 2 px of the chord.
    """
    n = len(heights)
    x = np.broadcast_to(np.array(places(curve)) * width, (n, 4))
    nodes = np.stack([x, heights * height], axis=-1)[:, None]  # (N, nodes of this depth, 4, 2)
    depth = deepest(height)
    ends = np.zeros((n, 2**depth), bool)
    uncut = np.ones((n, 1), bool)
    for level in range(depth + 1):
        p0, p1, p2, p3 = (nodes[:, :, k] for k in range(4))
        gap = np.maximum(_distance_sq(p1, p0, p3), _distance_sq(p2, p0, p3))
        flat = (gap < FLATNESS**2) | (level == depth)
        step = 2 ** (depth - level)
        ends[:, step - 1 :: step] |= uncut & flat
        if level == depth:
            break
        uncut = np.repeat(uncut & ~flat, 2, axis=1)
        a, b, c = (p0 + p1) / 2, (p1 + p2) / 2, (p2 + p3) / 2
        d, e = (a + b) / 2, (b + c) / 2
        m = (d + e) / 2
        halves = np.stack([p0, a, d, m, m, e, c, p3], axis=2)
        nodes = halves.reshape(n, -1, 4, 2)
    image, leaf = np.nonzero(ends)
    end = np.trunc(nodes[image, leaf, 3]).astype(np.int64)
    order = np.cumsum(ends, axis=1)[image, leaf] - 1
    begin = np.trunc(nodes[image, 0, 0]).astype(np.int64)
    start = np.where((order == 0)[:, None], begin, np.roll(end, 1, axis=0))
    rows = np.concatenate([image[:, None], start, end], axis=1)
    return [rows[order == place] for place in range(int(order.max(initial=-1)) + 1)]


def stroke(clear: NDArray[np.uint8], segments: NDArray[np.int64], breadth: float) -> None:
    """Draw black segments with square ends, in place.

    Args:
        clear: (N, H, W) how much of the background shows, 0 to 255.
        segments: (M, 5) image, x0, y0, x1, y1; each image at most once.
        breadth: px across the stroke.
    """
    _, height, width = clear.shape
    image, x0, y0, x1, y1 = segments.T
    # Walk along the longer axis: u, with v across it.
    steep = np.abs(y1 - y0) > np.abs(x1 - x0)
    u0, u1 = np.where(steep, y0, x0), np.where(steep, y1, x1)
    v0, v1 = np.where(steep, x0, y0), np.where(steep, x1, y1)
    swap = u1 < u0
    u0, u1 = np.where(swap, u1, u0), np.where(swap, u0, u1)
    v0, v1 = np.where(swap, v1, v0), np.where(swap, v0, v1)
    du, dv = (u1 - u0).astype(np.float64), (v1 - v0).astype(np.float64)
    length = np.sqrt(du * du + dv * dv)
    safe = np.where(length > 0, length, 1.0)
    cu, cv = np.where(length > 0, du, 1.0) / safe, dv / safe  # direction
    half, (reach, span) = breadth / 2, margins(breadth)
    counts = u1 - u0 + 2 * reach + 1
    s = np.repeat(np.arange(len(segments)), counts)
    first = np.cumsum(counts) - counts
    pu = np.arange(len(s)) - first[s] - reach  # from the segment's start
    u = pu + u0[s]
    centre = v0[s] + pu * (cv / cu)[s]
    v = np.floor(centre + 0.5).astype(np.int64)[:, None] + np.arange(-span, span + 1)
    cu, cv, length = cu[s][:, None], cv[s][:, None], length[s][:, None]
    along_u, along_v = pu[:, None].astype(np.float64), (v - v0[s][:, None]).astype(np.float64)
    across = along_v * cu - along_u * cv
    along = along_u * cu + along_v * cv - length / 2
    cover = _strip(across, half, cu, cv) * _strip(along, half + length / 2, cu, cv)
    ink = (cover * 255 + 0.5).astype(np.uint16)
    tall = steep[s][:, None]
    x, y = np.where(tall, v, u[:, None]), np.where(tall, u[:, None], v)
    keep = (ink > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = ((image[s][:, None] * height + y) * width + x)[keep]
    flat = clear.reshape(-1)
    flat[place] = (flat[place] * (255 - ink[keep]) + 127) // 255


def _strip(
    middle: NDArray[np.float64],
    half: NDArray[np.float64] | float,
    cu: NDArray[np.float64],
    cv: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How much of a pixel lies in a strip of direction or normal (cu, cv); exact.

    Args:
        middle: how far the pixel's middle lies from the strip's, px.
        half: half of the strip's breadth, px.
        cu: cosine of the angle between strip and pixels.
        cv: its sine.
    """
    wide = np.maximum(np.abs(cu), np.abs(cv))
    narrow = np.maximum(np.minimum(np.abs(cu), np.abs(cv)), 1e-3)  # 0 would divide by 0
    total = np.zeros_like(middle)
    for edge, sign in ((half - middle, 1.0), (-half - middle, -1.0)):
        # Seen along the strip a pixel is a trapezoid; this is its integral up to the edge.
        for offset, part in (
            (wide + narrow, 1.0),
            (wide - narrow, -1.0),
            (narrow - wide, -1.0),
            (-wide - narrow, 1.0),
        ):
            beyond = np.maximum(edge + offset / 2, 0.0)
            total = total + sign * part * beyond * beyond
    cover: NDArray[np.float64] = np.clip(total / (2 * wide * narrow), 0.0, 1.0)
    return cover
