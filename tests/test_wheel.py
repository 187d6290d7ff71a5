"""The wheel carries all packages and the files they read, and no tests."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("captcha_models", "search", "spaces")


@pytest.mark.slow
def test_the_wheel_carries_all_that_the_packages_hold(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (*PACKAGES, "tests", "benchmarks"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."),
        ],
        cwd=tmp_path,
        check=True,
        timeout=100,
    )
    (wheel,) = (tmp_path / "dist").glob("captcha_search-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entries,) = (n for n in archive.namelist() if n.endswith("/entry_points.txt"))
        commands = archive.read(entries).decode()
    held = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert carried == held
    assert "captcha-search = search.__main__:main" in commands
