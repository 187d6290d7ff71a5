"""Tells at the end how many inputs were tried."""

import pytest

from tests.fuzz._inputs import TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TRIED:
        return
    failures = sum("tests/fuzz" in r.nodeid for r in terminalreporter.stats.get("failed", ()))
    terminalreporter.section("fuzz")
    for kind, number in sorted(TRIED.items()):
        terminalreporter.write_line(f"{kind}: {number:,}")
    terminalreporter.write_line(f"{sum(TRIED.values()):,} inputs tried, {failures} failures")
