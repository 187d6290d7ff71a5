"""One Ray for all tests that need one: two CPUs, private to them."""

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from search.cluster.connection import connect
from tests.search import _fake


@pytest.fixture(scope="session")
def ray() -> Iterator[ModuleType]:
    """A connected Ray that workers of the test modules' functions can run on."""
    with connect("local", num_cpus=2):
        import ray

        # Workers cannot import test modules.
        for name, module in list(sys.modules.items()):
            if name.startswith("tests.") and name != __name__:
                ray.cloudpickle.register_pickle_by_value(module)
        ray.cloudpickle.register_pickle_by_value(_fake)
        yield ray
