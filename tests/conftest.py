"""Shared by all tests: one thread, no network but this machine's, small drawn images."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
# As after `source .venv/bin/activate`.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)

pytest_plugins = ["tests.fault_table", "tests.local_ray"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first: one that came last would be waited for alone."""
    long = {item.path for item in items if any(item.get_closest_marker(n) for n in ("ray", "slow"))}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The real images, where CAPTCHA_DATA names them."""
    place = os.environ.get("CAPTCHA_DATA")
    if not place:
        pytest.skip("CAPTCHA_DATA does not name the real images")
    return Path(place)


@pytest.fixture(scope="session")
def drawn():  # type: ignore[no-untyped-def]
    """120 generated images."""
    from captcha_models.data.sources import synthetic

    return synthetic(120, seed=3)


@pytest.fixture(autouse=True)
def keep_random_state() -> Iterator[None]:
    """Training seeds the global generators; no test shall depend on another's."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)
