"""What the fault tests share: where the tests' Ray listens, for drivers of their own."""

from types import ModuleType

import pytest


@pytest.fixture
def address(ray: ModuleType) -> str:
    """Where the tests' Ray listens."""
    return str(ray.get_runtime_context().gcs_address)
