"""Provenance of a run: the program and the machine that made it."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ray", "optuna", "torch", "torchvision", "fastai", "numpy", "captcha-search")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide an outcome."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision() -> str | None:
    """Commit of the program, with `+changes` if files differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return commit + "+changes" * bool(_git(here, "status", "--porcelain", "-uno"))
    except (OSError, subprocess.SubprocessError):
        return None


def hardware(any_gpu: bool) -> dict[str, Any]:
    """The driver's machine: its system, processor count and GPUs.

    Args:
        any_gpu: False spares the seconds torch needs to look for them.
    """
    gpus = []
    if any_gpu:
        import torch

        gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"system": platform.platform(), "cpus": os.cpu_count(), "gpus": gpus}


def command() -> list[str]:
    """The command line as it was typed."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return [*(("python", "-m", spec.name) if spec else sys.argv[:1]), *sys.argv[1:]]


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
