"""Public names only: nothing that begins with an underscore is taken from another package.

Such names change without notice, so each of them breaks at some upgrade of Ray, Optuna, fastai or
torch. The code is parsed, so that comments and texts do not count. Within one of our own folders
modules may share what is private to the folder.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("captcha_models", "search", "spaces")
BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""File and name, and why no public name does the same."""


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def defined(tree: ast.AST) -> set[str]:
    """Names that a file makes itself: functions, classes, variables, attributes it assigns."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value) in ("self", "cls")
        ):
            names.add(node.attr)
    return names


def taken(code: str, folder: str) -> Iterator[str]:
    """Private names in a file of this folder that belong to another package.

    Args:
        code: The file's text.
        folder: Its package, with dots: "search.tuning".
    """
    tree = ast.parse(code)
    own = defined(tree)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    used |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in own:
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level or module == folder or module.rpartition(".")[0] == folder:
                continue
            yield from filter(private, [*module.split("."), *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.rpartition(".")[0] != folder:
                    yield from filter(private, alias.name.split("."))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            for text in (t for t in texts if isinstance(t, str)):
                by_name = called in BY_NAME and private(text) and text not in own
                if by_name or (called == "import_module" and re.search(r"(^|\.)_[a-z]", text)):
                    yield text
        elif isinstance(node, ast.ClassDef):
            # One that nobody here calls is called by the base class: its private hook, overridden.
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.decorator_list:
                    yield from filter(private, {method.name} - used)


def hits() -> set[tuple[str, str]]:
    found = set()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT)
            folder = ".".join(path.parent.parts)
            found |= {(str(path), n) for n in taken(file.read_text(encoding="utf-8"), folder)}
    return found


def test_only_public_names_of_other_packages() -> None:
    found = hits()
    new = found - set(EXCEPTIONS)
    assert not new, "private names of other packages: use a public one"
    gone = set(EXCEPTIONS) - found
    assert not gone, "these exceptions are needed no longer: delete them"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("study._storage", ["_storage"]),
        ("from optuna.storages._rdb import models", ["_rdb"]),
        ("from torch import _foreach_lerp_", ["_foreach_lerp_"]),
        ("import optuna._callbacks", ["_callbacks"]),
        ("from captcha_models.architectures._heads import Head", ["_heads"]),
        ("getattr(learner, '_do_epoch')()", ["_do_epoch"]),
        ("importlib.import_module('optuna_dashboard._cli')", ["optuna_dashboard._cli"]),
        ("class Mine(Learner):\n    def _do_one_batch(self): ...", ["_do_one_batch"]),
        # What is one's own.
        ("class Mine:\n    def run(self): self._own = 1\n    def look(self): return self._own", []),
        ("def _mine(): ...\n_mine()", []),
        ("from search.tuning._rows import _row", []),
        ("_, x = divmod(7, 2); x.__class__", []),
    ],
)
def test_what_counts_as_private_to_another(code: str, names: list[str]) -> None:
    assert list(taken(code, "search.tuning")) == names
