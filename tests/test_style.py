"""House style that no linter knows: docstrings that begin with a noun, short files."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("captcha_models", "search", "spaces", "benchmarks", "research", "examples", "docs")
MOST_LINES = 300
OPENINGS = {
    "What", "Who", "Whom", "Whose", "How", "Where", "Which", "When", "Whether", "Why", "From",
    "Before", "After", "Keeps", "Says", "Tells", "Makes", "Reads", "Writes", "Does", "Is",
    "Are", "Has", "Have", "Can", "May", "Must", "This", "That", "These", "Those", "It", "Our",
    "Confirm", "Train", "Draw",
}  # fmt: skip
"""Words that no module docstring begins with: it begins with the noun it is about."""

LONG_LEFT: set[str] = set()
"""To be split."""


def files() -> list[Path]:
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def first_word(file: Path) -> str | None:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return text.split()[0].rstrip(",:.") if text else None


def test_every_module_says_with_a_noun_what_it_holds() -> None:
    others = set()
    for file in files():
        word = first_word(file)
        empty = file.name == "__init__.py" and not file.read_text(encoding="utf-8").strip()
        if not empty and (word is None or word in OPENINGS):
            others.add(str(file.relative_to(ROOT)))
    assert not others


def test_no_file_is_long() -> None:
    counted = {f: len(f.read_text(encoding="utf-8").splitlines()) for f in files()}
    long = {str(f.relative_to(ROOT)) for f, lines in counted.items() if lines > MOST_LINES}
    assert not long - LONG_LEFT
