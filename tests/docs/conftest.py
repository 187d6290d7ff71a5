"""The images that the commands of the pages are tried on."""

from pathlib import Path

import pytest

from tests.docs._tried import draw


@pytest.fixture
def meters(tmp_path: Path) -> Path:
    """A folder of 60 images; one of images that came later lies beside it."""
    draw(tmp_path / "later", count=12, seed=4)
    return draw(tmp_path / "meters", count=60, seed=3)
