"""Hosts in namespaces for the launcher, where this machine can make them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster._hosts import Hosts, hosts, why_not


@pytest.fixture
def three_hosts() -> Iterator[Hosts]:
    if reason := why_not():
        pytest.skip(reason)
    # Below /tmp, which every host has to itself: what it shall see is put there.
    with (
        tempfile.TemporaryDirectory(prefix="cs", dir="/tmp") as folder,
        hosts(Path(folder), 3) as made,
    ):
        yield made
