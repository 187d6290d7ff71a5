"""The noise curves: cubic Beziers flattened to straight strokes and drawn anti-aliased, a batch at a time."""

import math

import numpy as np
from numpy.typing import NDArray

FACTORS = ((0.1, 0.1, 0.25, 0.25), (0.1, 0.25, 0.5, 0.9))
STROKES = (3.6, 2.7, 1.8)
_FLATNESS = 2.0


def _distance_sq(
    p: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distance from p to the segment from a to b; all (..., 2)."""
    ab, ap = b - a, p - a
    length = (ab * ab).sum(-1)
    t = np.clip((ap * ab).sum(-1) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    gap = ap - t[..., None] * ab
    return np.asarray((gap * gap).sum(-1))


def flatten(
    heights: NDArray[np.float64], factors: tuple[float, ...], width: int, height: int
) -> list[NDArray[np.int64]]:
    """Straight segments of one curve per image, grouped by their order along the curve.

    Args:
        heights: (N, 4) in [0, 1), the control points' heights as shares of H.
        factors: the control points' places as shares of W.
        width: W, px.
        height: H, px.

    Returns:
        one (M, 5) array per place along the curve, at most one row per image: image, x0, y0, x1, y1 in whole px.
        A curve is halved until both inner control points lie within 2 px of the chord.
    """
    n = len(heights)
    x = np.broadcast_to(np.array(factors) * width, (n, 4))
    nodes = np.stack([x, heights * height], axis=-1)[:, None]  # (N, nodes of this depth, 4, 2)
    depth = max(1, math.ceil(math.log(max(height, 4) / _FLATNESS, 4))) + 1
    ends = np.zeros((n, 2**depth), bool)
    open_ = np.ones((n, 1), bool)
    for level in range(depth + 1):
        p0, p1, p2, p3 = (nodes[:, :, k] for k in range(4))
        flat = np.maximum(_distance_sq(p1, p0, p3), _distance_sq(p2, p0, p3)) < _FLATNESS**2
        step = 2 ** (depth - level)
        ends[:, step - 1 :: step] |= open_ & (flat | (level == depth))
        if level == depth:
            break
        open_ = np.repeat(open_ & ~flat, 2, axis=1)
        a, b, c = (p0 + p1) / 2, (p1 + p2) / 2, (p2 + p3) / 2
        d, e = (a + b) / 2, (b + c) / 2
        m = (d + e) / 2
        halves = np.stack([np.stack([p0, a, d, m], 2), np.stack([m, e, c, p3], 2)], 2)
        nodes = halves.reshape(n, -1, 4, 2)
    image, leaf = np.nonzero(ends)
    end = np.trunc(nodes[image, leaf, 3]).astype(np.int64)
    order = np.cumsum(ends, axis=1)[image, leaf] - 1
    start = np.where(
        (order == 0)[:, None],
        np.trunc(nodes[image, 0, 0]).astype(np.int64),
        np.roll(end, 1, axis=0),
    )
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
    u0, u1, v0, v1 = (np.where(swap, a, b) for a, b in ((u1, u0), (u0, u1), (v1, v0), (v0, v1)))
    du, dv = (u1 - u0).astype(np.float64), (v1 - v0).astype(np.float64)
    length = np.sqrt(du * du + dv * dv)
    cu, cv = (
        np.where(length > 0, du, 1.0) / np.where(length > 0, length, 1.0),
        dv / np.where(length > 0, length, 1.0),
    )
    half = breadth / 2
    soft = np.abs(cu) + np.abs(cv)  # breadth of a pixel seen along the stroke
    reach = math.ceil(half + 0.5)
    counts = u1 - u0 + 2 * reach + 1
    s = np.repeat(np.arange(len(segments)), counts)
    u = np.arange(len(s)) - np.repeat(np.cumsum(counts) - counts, counts) + (u0 - reach)[s]
    centre = v0[s] + (u - u0[s]) * (cv / cu)[s]
    span = math.ceil((half + 0.71) * 1.42)
    v = np.floor(centre + 0.5).astype(np.int64)[:, None] + np.arange(-span, span + 1)
    pu, pv = (u - u0[s]).astype(np.float64)[:, None], (v - v0[s][:, None]).astype(np.float64)
    across = np.abs(pv * cu[s][:, None] - pu * cv[s][:, None])
    along = pu * cu[s][:, None] + pv * cv[s][:, None]
    half_length = length[s][:, None] / 2
    beyond = np.abs(along - half_length) - half_length
    soft_ = soft[s][:, None]
    cover = np.clip((half - across) / soft_ + 0.5, 0, 1) * np.clip(
        (half - beyond) / soft_ + 0.5, 0, 1
    )
    ink = (cover * 255 + 0.5).astype(np.uint16)
    x, y = np.where(steep[s][:, None], v, u[:, None]), np.where(steep[s][:, None], u[:, None], v)
    keep = (ink > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = ((image[s][:, None] * height + y) * width + x)[keep]
    flat = clear.reshape(-1)
    flat[place] = (flat[place] * (255 - ink[keep]) + 127) // 255
