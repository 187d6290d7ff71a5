"""README: short, the two commands first, with pictures and ten lines of Python."""

import re
import tomllib

from tests.docs._shown import ROOT, python, typed

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
LINES = TEXT.splitlines()


def test_it_is_read_in_two_minutes() -> None:
    assert len(LINES) <= 120
    # Tables, too: they are read as text by some.
    assert not [line for line in LINES if len(line) > 100]


def test_search_and_test_come_first() -> None:
    assert [command.split("#")[0].strip() for command in typed(README)[:2]] == [
        "make search",
        "make test",
    ]


def test_it_shows_the_page_and_the_terminal() -> None:
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)
    assert {"docs/report.png", "docs/terminal.svg"} <= set(shown)
    assert all((ROOT / file).stat().st_size < 100_000 for file in shown)


def test_its_python_is_ten_lines() -> None:
    code = python(README)
    compile(code, str(README), "exec")
    assert 5 <= len([line for line in code.splitlines() if line.strip()]) <= 10


def test_it_cites_the_version_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [version] = re.findall(r"version\s+(\d+\.\d+\.\d+)", TEXT)
    assert version == project["version"]


def test_it_says_what_every_folder_is_for() -> None:
    named = set(re.findall(r"`(\w+)/`", TEXT[TEXT.index("## Where things are") :]))
    made = {"runs", "build", "dist", "tests"}  # Some by programs; tests need no word.
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name.isidentifier()}
    assert not there - named - made
