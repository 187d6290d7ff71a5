"""A connection to Ray within another."""

from types import ModuleType

import pytest

from search.cluster.connection import connect

pytestmark = pytest.mark.ray


def test_a_connection_within_another_is_that_one_and_does_not_end_it(ray: ModuleType) -> None:
    job = ray.get_runtime_context().get_job_id()
    with connect("local", num_cpus=7) as cluster:
        assert cluster.description == "a private local Ray has 2 CPUs and no GPU"
        assert cluster.private
    assert ray.is_initialized()
    assert ray.get_runtime_context().get_job_id() == job
