"""Arithmetic of a training step, beside what the machine can do."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._side_by_side import Stopwatch
from captcha_models.architectures import build
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages

SIZE = {"cpu": 2048, "cuda": 8192}
BATCH = 2


def gflop_per_image(config: Config, images: LabelledImages) -> float:
    """10^9 operations of one image forward and backward, a multiply-add counted as two.

    Convolutions, matrix products and recurrent layers count; what works element by element does
    not.
    """
    model = build(config, images.charset, max(map(len, images.labels)))
    targets = torch.from_numpy(images.charset.encode(images.labels[:BATCH]))
    pixels = torch.from_numpy(images.pixels[:BATCH]) / 255
    # oneDNN's recurrent layer is one opaque operation to the counter; torch's own is not.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
        torch.autograd.backward(model.training_loss(pixels, targets))
    return float(counter.get_total_flops() / BATCH / 1e9)


def matrix_rate(device: torch.device, dtype: torch.dtype, clock: str, repeats: int = 5) -> float:
    """10^9 operations per second of the quickest large product, the best of some.

    A square matrix product; on a CPU a 3 x 3 convolution, too, which is one with the images
    unfolded: with some processors torch's float32 product reaches less than half of its rate.

    Args:
        device: where.
        dtype: of the factors.
        clock: `cpu_s` or `wall_s`, see `clock_of`.
        repeats: how often each is timed.
    """
    n = SIZE[device.type]
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    products: list[tuple[int, Callable[[], Tensor]]] = [(2 * n**3, lambda: a @ b)]
    if device.type == "cpu":
        images, kernel = (
            torch.randn(shape, dtype=dtype).to(memory_format=torch.channels_last)
            for shape in ((8, 256, 32, 64), (256, 256, 3, 3))
        )
        work = 2 * images.numel() * kernel[:, 0].numel()
        products.append((work, lambda: F.conv2d(images, kernel, padding=1)))
    rates = []
    for work, product in products:
        for _ in range(1 + repeats):
            watch = Stopwatch(device)
            product()
            rates.append(work / float(getattr(watch.read(), clock)) / 1e9)
    return max(rates)
