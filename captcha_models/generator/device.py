"""Renderer on a device: the same images drawn by torch, whole batches at a time.

    press = Press(PRESETS["default"], torch.device("cuda"))
    images = press.draw(*press.choices(texts, seed=0))  # float32 (N, 1, 50, 200) in [0, 1]

Up to the JPEG step the images are those of `draw`, but for the odd pixel that differs by a few grey
values. The lossy step itself rounds in floating point where `draw`'s rounds in whole numbers: about
1 pixel in 12 differs, by 2 grey values
of 255 on average and by no more than 40; over all pixels that is a mean difference below 0.3.
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from captcha_models.generator import distort, noise, render
from captcha_models.generator.style import Style


class Press:
    """A style's tables on a device.

    Args:
        style: how the images look.
        device: where they are drawn.
    """

    def __init__(self, style: Style, device: torch.device | None = None) -> None:
        def put(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(device)

        self.style, self.device = style, device
        table, warp = style.table, style.warp
        self._columns = put(table.columns)
        self._start, self._left = put(table.start), put(table.left)
        self._width, self._advance = put(table.width), put(table.advance)
        self._pens = put(np.array([style.pen(n) for n in range(style.width + 1)], np.int32))
        indices = put(warp.indptr.astype(np.int64)), put(warp.indices.astype(np.int64))
        with warnings.catch_warnings():
            # torch calls its CSR support beta; the product of one is all that is used.
            warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
            warnings.filterwarnings("ignore", "Sparse invariant checks", UserWarning)
            self._warp = torch.sparse_csr_tensor(*indices, put(warp.data), size=warp.shape)
        self._background = put(style.background.astype(np.float32))
        self._steps = put(_jpeg_steps(style.jpeg)) if style.jpeg else None
        self._waves = put(_waves())

    def choices(
        self, texts: Sequence[str], seed: int, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The glyphs and noise heights that `draw` would use for these texts; see there.

        Returns:
            (N, L) int32 glyph ids, padded with the empty glyph; (N, curves, 4) float64 heights in
            [0, 1).
        """
        numbers = np.arange(len(texts)) if indices is None else np.asarray(indices, np.int64)
        ids, heights = render.choices(self.style, texts, seed, numbers)
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(heights).to(self.device)

    def draw(self, ids: Tensor, heights: Tensor) -> Tensor:
        """Draw a batch.

        Args:
            ids: (N, L) int32 glyphs, face * number of symbols + place in `style.symbols`; the
                last one is empty.
            heights: (N, curves, 4) float64 in [0, 1), the noise curves' control points as
                shares of H.

        Returns:
            (N, 1, H, W) float32 in [0, 1], multiples of 1 / 255.
        """
        n, shape = len(ids), (self.style.height, self.style.width)
        ink = self._columns[self._set_type(ids)].amax(dim=0)  # (N, W, H)
        seen = self._warp @ ink.reshape(n, -1).T.float().contiguous()  # (H * W, N)
        clear = 255 - (seen.T.contiguous() / distort.ONE).floor().reshape(n, *shape)
        if self.style.noise > 0:
            for curve in range(self.style.curves):
                for place, segments in enumerate(flatten(heights[:, curve], curve, *shape)):
                    stroke(clear, segments, self.style.noise * noise.breadth(place))
        grey = ((self._background * clear + 127) / 255).floor()
        return (grey if self._steps is None else self._compress(grey, self._steps))[:, None] / 255

    def _set_type(self, ids: Tensor) -> Tensor:
        """(2, N, W) rows of the table of columns, as `text.set_type`."""
        advance = self._advance[ids]
        first = self._pens[(ids < len(self._start) - 1).sum(dim=1)]
        pens = first[:, None] + advance.cumsum(dim=1) - advance
        x = torch.arange(self.style.width, device=ids.device)
        column = x - (pens + self._left[ids])[..., None]  # (N, L, W)
        covered = (column >= 0) & (column < self._width[ids][..., None])
        rows = torch.where(covered, column + self._start[ids][..., None], 0)
        odd = rows[:, 1::2].amax(dim=1) if ids.shape[1] > 1 else torch.zeros_like(rows[:, 0])
        return torch.stack([rows[:, ::2].amax(dim=1), odd])

    def _compress(self, grey: Tensor, steps: Tensor) -> Tensor:
        """(N, H, W) through the lossy step of JPEG and back."""
        n, height, width = grey.shape
        down, right = -height % 8, -width % 8
        padded = functional.pad(grey[:, None] - 128, (0, right, 0, down), mode="replicate")
        high, wide = (height + down) // 8, (width + right) // 8
        blocks = padded.reshape(n, high, 8, wide, 8).permute(0, 1, 3, 2, 4).reshape(-1, 64)
        coefficients = torch.round(blocks @ self._waves.T / steps) * steps
        back = torch.round(coefficients @ self._waves + 128).clamp(0, 255)
        whole = back.reshape(n, high, wide, 8, 8).permute(0, 1, 3, 2, 4)
        return whole.reshape(n, high * 8, wide * 8)[:, :height, :width]


def _jpeg_steps(quality: int) -> np.ndarray:
    """(64,) the quantisation steps of grey images at this quality."""
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
    tables = Image.open(stream).quantization  # type: ignore[attr-defined]
    return np.array(tables[0], np.float32)


def _waves() -> np.ndarray:
    """(64, 64) the orthonormal cosine waves of an 8 x 8 block, one per row."""
    k, x = np.mgrid[:8, :8]
    one = np.cos((2 * x + 1) * k * np.pi / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    return np.kron(one, one).astype(np.float32)


def flatten(heights: Tensor, curve: int, height: int, width: int) -> list[Tensor]:
    """As `noise.flatten`, on a device."""
    n = len(heights)
    x = torch.tensor(noise.places(curve), dtype=heights.dtype, device=heights.device) * width
    nodes = torch.stack([x.expand(n, 4), heights * height], dim=-1)[:, None]
    depth = noise.deepest(height)
    ends = torch.zeros(n, 2**depth, dtype=torch.bool, device=heights.device)
    uncut = torch.ones(n, 1, dtype=torch.bool, device=heights.device)
    for level in range(depth + 1):
        p0, p1, p2, p3 = nodes.unbind(dim=2)
        gap = torch.maximum(_distance_sq(p1, p0, p3), _distance_sq(p2, p0, p3))
        flat = (gap < noise.FLATNESS**2) | (level == depth)
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


def _distance_sq(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    ab, ap = b - a, p - a
    length = (ab * ab).sum(-1)
    t = ((ap * ab).sum(-1) / torch.where(length > 0, length, 1.0)).clamp(0, 1)
    gap = ap - t[..., None] * ab
    return (gap * gap).sum(-1)


def stroke(clear: Tensor, segments: Tensor, breadth: float) -> None:
    """As `noise.stroke`, on a device."""
    _, height, width = clear.shape
    device = clear.device
    image, x0, y0, x1, y1 = segments.T
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
    half, (reach, span) = breadth / 2, noise.margins(breadth)
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
    ink = (cover * 255 + 0.5).floor().float()
    tall = steep[s][:, None]
    x, y = torch.where(tall, v, u[:, None]), torch.where(tall, u[:, None], v)
    keep = (ink > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = ((image[s][:, None] * height + y) * width + x)[keep]
    flat = clear.view(-1)
    flat[place] = ((flat[place] * (255 - ink[keep]) + 127) / 255).floor()


def _strip(middle: Tensor, half: Tensor | float, cu: Tensor, cv: Tensor) -> Tensor:
    wide = torch.maximum(cu.abs(), cv.abs())
    narrow = torch.minimum(cu.abs(), cv.abs()).clamp(min=1e-3)
    total = torch.zeros_like(middle)
    for edge, sign in ((half - middle, 1.0), (-half - middle, -1.0)):
        for offset, part in (
            (wide + narrow, 1.0),
            (wide - narrow, -1.0),
            (narrow - wide, -1.0),
            (-wide - narrow, 1.0),
        ):
            beyond = (edge + offset / 2).clamp(min=0)
            total = total + sign * part * beyond * beyond
    return (total / (2 * wide * narrow)).clamp(0, 1)
