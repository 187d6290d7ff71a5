"""Noise curves: cubic Beziers, flattened to straight strokes and drawn anti-aliased."""

import math

import torch
from torch import Tensor

_FACTORS = ((0.1, 0.1, 0.25, 0.25), (0.1, 0.25, 0.5, 0.9))
_STROKES = (3.6, 2.7, 1.8)
FLATNESS = 2.0  # px


def _distance_sq(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Squared distance from p to the segment from a to b; all (..., 2)."""
    ab, ap = b - a, p - a
    length = (ab * ab).sum(-1)
    t = ((ap * ab).sum(-1) / torch.where(length > 0, length, 1.0)).clamp(0, 1)
    gap = ap - t[..., None] * ab
    return (gap * gap).sum(-1)


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


def flatten(heights: Tensor, curve: int, height: int, width: int) -> list[Tensor]:
    """Straight segments of one curve per image, grouped by their place along the curve.

    Args:
        heights: (N, 4) float64 in [0, 1), the control points' heights as shares of H.
        curve: number of the curve; it gives the control points' places across the image.
        height: H, px.
        width: W, px.

    Returns:
        one (M, 5) tensor per place along the curve, at most one row per image: image, x0, y0, x1,
        y1 in whole px. A curve is halved until both inner control points lie within 2 px of the
        chord.
    """
    n = len(heights)
    x = torch.tensor(places(curve), dtype=heights.dtype, device=heights.device) * width
    nodes = torch.stack([x.expand(n, 4), heights * height], dim=-1)[:, None]
    depth = deepest(height)
    ends = torch.zeros(n, 2**depth, dtype=torch.bool, device=heights.device)
    uncut = torch.ones(n, 1, dtype=torch.bool, device=heights.device)
    for level in range(depth + 1):
        p0, p1, p2, p3 = nodes.unbind(dim=2)
        gap = torch.maximum(_distance_sq(p1, p0, p3), _distance_sq(p2, p0, p3))
        flat = (gap < FLATNESS**2) | (level == depth)
        step = 2 ** (depth - level)
        ends[:, step - 1 :: step] |= uncut & flat
        if level == depth:
            break
        uncut = (uncut & ~flat).repeat_interleave(2, dim=1)
        a, b, c = (p0 + p1) / 2, (p1 + p2) / 2, (p2 + p3) / 2
        d, e = (a + b) / 2, (b + c) / 2
        m = (d + e) / 2
        halves = torch.stack([p0, a, d, m, m, e, c, p3], dim=2)
        nodes = halves.reshape(n, -1, 4, 2)
    image, leaf = ends.nonzero(as_tuple=True)
    end = nodes[image, leaf, 3].long()
    order = ends.long().cumsum(dim=1)[image, leaf] - 1
    start = torch.where((order == 0)[:, None], nodes[image, 0, 0].long(), end.roll(1, dims=0))
    rows = torch.cat([image[:, None], start, end], dim=1)
    return [rows[order == place] for place in range(int(order.max()) + 1 if n else 0)]


def stroke(clear: Tensor, segments: Tensor, breadth: float) -> None:
    """Draw black segments with square ends, in place.

    Args:
        clear: (N, H, W) how much of the background shows, 0 to 255, in any kind of number.
        segments: (M, 5) image, x0, y0, x1, y1; each image at most once.
        breadth: px across the stroke.
    """
    _, height, width = clear.shape
    device = clear.device
    image, x0, y0, x1, y1 = segments.T
    # Walk along the longer axis: u, with v across it.
    steep = (y1 - y0).abs() > (x1 - x0).abs()
    u0, u1 = torch.where(steep, y0, x0), torch.where(steep, y1, x1)
    v0, v1 = torch.where(steep, x0, y0), torch.where(steep, x1, y1)
    swap = u1 < u0
    u0, u1 = torch.where(swap, u1, u0), torch.where(swap, u0, u1)
    v0, v1 = torch.where(swap, v1, v0), torch.where(swap, v0, v1)
    du, dv = (u1 - u0).double(), (v1 - v0).double()
    length = (du * du + dv * dv).sqrt()
    safe = torch.where(length > 0, length, 1.0)
    cu, cv = torch.where(length > 0, du, 1.0) / safe, dv / safe
    half, (reach, span) = breadth / 2, margins(breadth)
    counts = u1 - u0 + 2 * reach + 1
    s = torch.arange(len(segments), device=device).repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    pu = torch.arange(len(s), device=device) - first[s] - reach  # from the segment's start
    u = pu + u0[s]
    centre = v0[s] + pu * (cv / cu)[s]
    v = (centre + 0.5).floor().long()[:, None] + torch.arange(-span, span + 1, device=device)
    cu, cv, length = cu[s][:, None], cv[s][:, None], length[s][:, None]
    along_u, along_v = pu[:, None].double(), (v - v0[s][:, None]).double()
    across = along_v * cu - along_u * cv
    along = along_u * cu + along_v * cv - length / 2
    cover = _strip(across, half, cu, cv) * _strip(along, half + length / 2, cu, cv)
    ink = (cover * 255 + 0.5).int()
    tall = steep[s][:, None]
    x, y = torch.where(tall, v, u[:, None]), torch.where(tall, u[:, None], v)
    keep = (ink > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    kept = keep.flatten().nonzero()[:, 0]
    place = ((image[s][:, None] * height + y) * width + x).flatten()[kept]
    flat, ink = clear.view(-1), ink.flatten()[kept]
    # In whole numbers, for the same bytes on every machine.
    left = (flat[place].int() * (255 - ink) + 127).div(255, rounding_mode="floor")
    flat.scatter_(0, place, left.to(clear.dtype))


def _strip(middle: Tensor, half: Tensor | float, cu: Tensor, cv: Tensor) -> Tensor:
    """How much of a pixel lies in a strip of direction or normal (cu, cv); exact.

    Args:
        middle: how far the pixel's middle lies from the strip's, px.
        half: half of the strip's breadth, px.
        cu: cosine of the angle between strip and pixels.
        cv: its sine.
    """
    wide = torch.maximum(cu.abs(), cv.abs())
    narrow = torch.minimum(cu.abs(), cv.abs()).clamp(min=1e-3)  # 0 would divide by 0
    total = torch.zeros_like(middle)
    for edge, sign in ((half - middle, 1.0), (-half - middle, -1.0)):
        # Seen along the strip a pixel is a trapezoid; this is its integral up to the edge.
        for offset, part in (
            (wide + narrow, 1.0),
            (wide - narrow, -1.0),
            (narrow - wide, -1.0),
            (-wide - narrow, 1.0),
        ):
            beyond = (edge + offset / 2).clamp(min=0)
            total = total + sign * part * beyond * beyond
    return (total / (2 * wide * narrow)).clamp(0, 1)
