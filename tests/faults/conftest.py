"""What the fault tests share: the Ray of tests/ray, for drivers of their own to connect to."""

from types import ModuleType

import pytest

from tests.ray.conftest import ray

__all__ = ["ray"]


@pytest.fixture
def address(ray: ModuleType) -> str:
    """Where the tests' Ray listens."""
    return str(ray.get_runtime_context().gcs_address)
