"""Layers: what a folder may never import, and what a module may not load when it is imported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "fastai", "ray")
NEVER = {
    "captcha_models": ("ray", "optuna", "pandas", "plotly", "spaces", "search"),
    "captcha_models/inference": ("fastai",),
    "spaces": (*HEAVY, "torchvision", "pandas", "search"),
    "search": ("fastai", "torchvision"),
    "search/report": HEAVY,
    "search/store": ("fastai", "ray"),
    "search/confirmation": ("ray",),
}
"""Folders, and the packages that no file in them imports, not even within a function."""
FORBIDDEN = {
    "captcha_models.config": (*HEAVY, "optuna", "pandas"),
    "captcha_models.training.fit": ("ray", "optuna", "spaces", "search"),
    "captcha_models.data.sources": ("ray", "optuna", "spaces", "search"),
    "captcha_models.train": (*HEAVY, "optuna"),
    "captcha_models.inspect": (*HEAVY, "optuna", "pandas"),
    "captcha_models.predict": (*HEAVY, "optuna", "pandas"),
    "captcha_models.export": (*HEAVY, "onnx"),
    "captcha_models.inference.onnx_export": ("fastai", "onnx", "onnxruntime", "spaces", "search"),
    "captcha_models.inference.predictor": ("fastai", "onnx", "onnxruntime", "spaces", "search"),
    "search.__main__, search": (*HEAVY, "optuna", "pandas", "rich"),
    "search.store.status": (*HEAVY, "optuna", "pandas"),
    "search.dashboard": (*HEAVY, "optuna"),
    "search.tuning.loggers": (*HEAVY, "mlflow", "wandb"),
    "spaces.crnn": (*HEAVY, "captcha_models", "search"),
    "search.store.leaderboard": (*HEAVY, "optuna"),
    "search.analyse": (*HEAVY, "optuna", "pandas", "plotly", "rich"),
    "search.report.report, search.report.compare": (*HEAVY, "optuna", "pandas", "plotly"),
    "search.report.page, search.report.terminal": (*HEAVY, "optuna", "pandas", "plotly"),
    "search.evaluate": (*HEAVY, "optuna"),
    "search.labels": (*HEAVY, "optuna", "pandas", "rich"),
    "search.confirmation.label_errors": (*HEAVY, "optuna", "pandas"),
    "search.run": HEAVY,
    "search.confirm": (*HEAVY, "optuna"),
    "search.confirmation.intervals": (*HEAVY, "optuna", "captcha_models"),
    "search.store.listed": (*HEAVY, "optuna"),
    "search.tuning.task": ("ray",),
    # What a search plans with while Ray starts; torch is as much as it may wait for.
    "captcha_models.architectures.crnn": (
        "fastai",
        "torchvision",
        "ray",
    ),
    "search.tuning.search_session": HEAVY,
}


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("folder", NEVER)
def test_a_folder_never_imports_what_lies_above_it(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    crossed = {str(f.relative_to(ROOT)): imported(f) & set(NEVER[folder]) for f in files}
    assert not {file: names for file, names in crossed.items() if names}


SLOW = (
    "captcha_models.training.fit",
    "captcha_models.architectures.crnn",
)


@pytest.mark.parametrize(
    "module",
    [pytest.param(m, marks=pytest.mark.slow if m in SLOW else ()) for m in FORBIDDEN],
)
def test_a_module_stays_within_its_layer(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{n.partition('.')[0] for n in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert module.partition(".")[0] in done.stdout.split()
    assert not set(FORBIDDEN[module]) & set(done.stdout.split())
