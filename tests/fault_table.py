"""The table that a run of the fault tests ends with: a line per fault, as docs/promises.md has it.

A test says which promise it holds by `@pytest.mark.fault("driver killed", "nothing lost")`; what it
counted it may tell by `record_property` of `tried`, `lost` and `outcome`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest


@dataclass
class _Row:
    outcome: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)
    verdicts: set[str] = field(default_factory=set)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fault(what, outcome, lost='nothing'): a promise of docs/promises.md"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fault"):
            what, outcome = mark.args
            item.user_properties.append(
                ("fault", (what, outcome, mark.kwargs.get("lost", "nothing")))
            )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = _rows(terminalreporter)
    # Of a whole run of the tests this is not the point.
    if not rows or "fault" not in terminalreporter.config.option.markexpr:
        return
    lines = [("fault", "tried", "work lost", "outcome")]
    for what, row in sorted(rows.items()):
        verdict = ", ".join(sorted(row.verdicts - {"passed"}))
        lost = "; ".join(dict.fromkeys(row.lost))
        lines.append((what, str(row.tried), lost, verdict.upper() or row.outcome))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    terminalreporter.section("what a search survives")
    for i, line in enumerate(lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        terminalreporter.write_line(f"| {' | '.join(cells)} |")
        if i == 0:
            terminalreporter.write_line(f"| {' | '.join('-' * width for width in widths)} |")
    terminalreporter.write_line(f"{len(rows)} faults, {sum(r.tried for r in rows.values())} tries")


def _rows(reporter: pytest.TerminalReporter) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for verdict in ("passed", "failed", "error", "skipped"):
        for report in _reports(reporter, verdict):
            told = dict(report.user_properties)
            for what, outcome, lost in (v for k, v in report.user_properties if k == "fault"):
                row = rows.setdefault(what, _Row(str(told.get("outcome", outcome))))
                row.tried += int(str(told.get("tried", 1))) if verdict != "skipped" else 0
                row.lost.append(str(told.get("lost", lost)))
                row.verdicts.add(verdict)
    return rows


def _reports(reporter: pytest.TerminalReporter, verdict: str) -> Iterator[pytest.TestReport]:
    for report in reporter.stats.get(verdict, []):
        if isinstance(report, pytest.TestReport):
            yield report
