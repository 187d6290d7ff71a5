"""A browser for the tests of pages, and a run of three spaces to be shown."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.search.report import runs


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    place = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if not place:
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail("REQUIRE_CHROMIUM is set, but there is no chromium and CHROMIUM names none")
        pytest.skip("no chromium, and CHROMIUM names none")
    from playwright.sync_api import sync_playwright

    # Chromium refuses to run as root with its sandbox, and containers have no other user.
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=place, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "three"
    names = ("crnn", "pooled", "spatial")
    labels = (*runs.LABELS[:2], runs.EVIL, *runs.LABELS[3:])
    return runs.write(path, names=names, trials=10, error=runs.EVIL, labels=labels, max_gap=0.5)
