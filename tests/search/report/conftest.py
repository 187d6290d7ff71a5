"""A browser for the tests of pages."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest


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
