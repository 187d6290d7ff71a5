"""Commands called in the tests' own process, as in tests/cli."""

from tests.cli.conftest import called

__all__ = ["called"]
