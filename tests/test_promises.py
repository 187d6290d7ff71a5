"""docs/promises.md names tests that are there, and carries a line for each fault."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/promises.md").read_text(encoding="utf-8")


def marked() -> set[str]:
    """What the fault markers of all tests say, first words first."""
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                found.add(ast.literal_eval(node.args[0]))
    return found


def test_each_promise_names_tests_that_are_there() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(lines) >= 15
    for line in lines:
        named = re.findall(r"`(tests/[^`]+)`", line)
        assert named, line
        for name in named:
            file, _, test = name.partition("::")
            assert (ROOT / file).exists(), name
            assert not test or re.search(rf"(def|class) {test}\b", (ROOT / file).read_text()), name


def test_the_table_has_a_line_for_each_fault() -> None:
    faults = marked()
    assert len(faults) >= 15
    missing = [fault for fault in faults if f"| {fault} " not in PAGE]
    assert not missing
