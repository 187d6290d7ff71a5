"""Devices and seeds: where a training runs, and where its randomness comes from."""

import random

import numpy as np
import torch

from captcha_models.errors import InputError


def seed_everything(seed: int, epoch: int) -> None:
    """Set every global generator from the training's seed and the epoch's number."""
    mixed = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
    torch.manual_seed(mixed)
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002  (fastai's transforms draw from all three)


def pick_device(name: str | None) -> torch.device:
    """The device of that name, or the GPU if there is one, else the CPU.

    Raises:
        InputError: no such device on this machine.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        # Reading back tells real devices from those that only know shapes.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used: {reason}") from None
    return device


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively; elsewhere it would be slower, not faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_tile"))


def device_name(device: torch.device) -> str:
    """What the records call it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
