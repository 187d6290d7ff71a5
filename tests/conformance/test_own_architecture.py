"""Architectures from outside: conforming, broken, and none at all."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import spaces
from captcha_models.architectures import (
    build,
    config_class,
    model_class,
    names,
    register,
    resolve,
)
from captcha_models.charset import Charset
from captcha_models.conformance import Case, run
from tests.cli.conftest import Done

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_architecture.py"
DERIVED = """
from captcha_models.architectures import resolve
Tiny = resolve("{example}:Tiny").model_class

class Config(Tiny.config_class):
    arch = "derived"

class Derived(Tiny):
    config_class = Config
"""
LOOKS_ASIDE = """
    def forward(self, images):
        logits = super().forward(images)
        return logits - logits.mean(dim=1, keepdim=True)
"""
BLIND = """
    def forward(self, images):
        return super().forward(images * 0)
"""
LATE = """
    @classmethod
    def num_steps(cls, config, size):
        return 50
"""


def derived(folder: Path, code: str) -> str:
    file = folder / "derived.py"
    file.write_text(DERIVED.format(example=EXAMPLE) + code)
    return f"{file}:Derived"


def failures(ref: str) -> dict[str, str]:
    results = run(Case(resolve(ref)), quick=True)
    return {result.name: result.failure for result in results if result.failure}


def test_the_example_conforms() -> None:
    assert failures(f"{EXAMPLE}:Tiny") == {}


@pytest.mark.slow
def test_the_example_passes_every_check(called: Callable[..., Done]) -> None:
    done = called("captcha_models.conformance", f"{EXAMPLE}:Tiny")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 11
    assert all(line.startswith("pass ") for line in lines)


def test_rows_that_depend_on_their_neighbours_fail(
    tmp_path: Path, called: Callable[..., Done]
) -> None:
    ref = derived(tmp_path, LOOKS_ASIDE)
    found = failures(ref)
    assert list(found) == ["rows_independent"]
    assert "with the others in its batch" in found["rows_independent"]
    done = called("captcha_models.conformance", ref, "--quick")
    assert done.returncode == 1
    assert [line[:4] for line in done.stdout.splitlines()].count("FAIL") == 1


def test_steps_that_are_not_there_and_gradients_that_do_not_arrive_fail(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert "not (50, 4, 20)" in failures(derived(tmp_path / "a", LATE))["shapes"]
    assert "body.0.0.weight" in failures(derived(tmp_path, BLIND))["gradients_everywhere"]


FAULTS = {
    "no file": ("gone.py:Tiny", "", "no file"),
    "no name": ("own.py", "", "write file.py:NAME"),
    "not there": ("own.py:Tiny", "class Other: pass", "has no 'Tiny'"),
    "syntax": ("own.py:Tiny", "class Tiny(:", "cannot be loaded: SyntaxError"),
    "fails": ("own.py:Tiny", "1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
    "no class": ("own.py:Tiny", "class Tiny: pass", "is no Recogniser: derive it from"),
    "an object": ("own.py:Tiny", "Tiny = 3", "is no Recogniser: derive it from"),
    "no module": ("nowhere_at_all:Tiny", "", "No module named 'nowhere_at_all'"),
    "unknown": ("tinny", "", "unknown architecture 'tinny': choose one of crnn, pooled, spatial"),
    "abstract": (
        "own.py:Tiny",
        "from captcha_models.architectures.heads import CTCRecogniser as R\n"
        "class Tiny(R):\n    def forward(self, images): return images",
        "cannot be built: it lacks num_steps",
    ),
    "no config": (
        "own.py:Tiny",
        "from captcha_models.architectures.heads import PositionalRecogniser as R\n"
        "class Tiny(R): pass",
        "has no Config: set config_class",
    ),
    "no arch": (
        "own.py:Tiny",
        "from captcha_models.architectures.heads import PositionalConfig, PositionalRecogniser\n"
        "class Tiny(PositionalRecogniser): config_class = PositionalConfig",
        "its Config needs a name",
    ),
    "built in": (
        "own.py:Tiny",
        "from captcha_models.architectures import crnn\n"
        "class Tiny(crnn.Model): pass",
        "arch = 'crnn' is a built-in architecture's name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: Callable[..., Done]
) -> None:
    ref, code, message = FAULTS[fault]
    if code:
        (tmp_path / "own.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    done = called("captcha_models.conformance", ref)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_registering_again_is_no_error_and_the_last_class_counts(tmp_path: Path) -> None:
    first = resolve(derived(tmp_path, ""))
    assert register(first.model_class) == first
    assert "derived" in names()
    assert config_class("derived") is first.config_class
    other = type("Other", (first.model_class,), {})
    register(other)
    config = first.config_class.parse({"channels": 8})
    assert model_class(config) is other
    assert isinstance(build(config, Charset("abc"), 5), other)
    assert resolve("crnn") == register(resolve("crnn").model_class)


@pytest.mark.slow
def test_commands_take_an_architecture_of_ones_own(
    tmp_path: Path, called: Callable[..., Done]
) -> None:
    ref, out = derived(tmp_path, ""), tmp_path / "out"
    done = called("captcha_models.train", "--arch", ref, "--data", "synthetic:80", "--epochs", 1,
                  "--set", "channels=8", "--out", out, "--device", "cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "a.png"
    Image.new("L", (200, 50), 255).save(picture)
    calls = {
        "captcha_models.predict": [out, picture],
        "captcha_models.export": [out, "--format", "safetensors"],
        "search.evaluate": [out, "--data", "synthetic:30"],
    }
    for module, arguments in calls.items():
        assert called(module, *arguments, "--arch", ref).returncode == 0
    wrong = called("captcha_models.predict", out, picture, "--arch", "crnn")
    assert "is a model of architecture 'derived', not 'crnn'" in wrong.stderr
    # A process that has not been given the code says what to do, and runs none.
    for module, arguments in calls.items():
        alone = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)],
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert alone.returncode == 2
        assert "which is not known here: name its code, --arch file.py:NAME" in alone.stderr
        assert alone.stderr.count("\n") == 1


def test_the_example_of_a_space_is_one_of_the_example_of_an_architecture() -> None:
    space = spaces.load(f"{EXAMPLE.with_name('own_space.py')}:SPACE")
    config = config_class(space.arch)
    assert space.arch == "tiny"
    for name, value in space.baseline.items():
        assert getattr(config(), name) == value
