"""`captcha-search`: every command under one name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from search.__main__ import COMMANDS
from tests.cli.test_run import environment, processor_seconds

ROOT = Path(__file__).parents[2]


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "search", *map(str, arguments)],
        cwd=ROOT, env=environment(), capture_output=True, text=True,
    )  # fmt: skip


def test_help_names_all_commands_and_loads_none() -> None:
    took = []
    for _ in range(3):
        before = processor_seconds()
        done = call("--help")
        took.append(processor_seconds() - before)
        assert done.returncode == 0
    assert min(took) < 0.3
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there(name: str) -> None:
    done = call(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: python -m search {name} ")


def test_errors_are_one_line_and_exit_codes_the_commands_own(tmp_path: Path) -> None:
    done = call("analyse", tmp_path / "none")
    assert (done.returncode, done.stderr) == (2, f"error: no run folder at {tmp_path / 'none'}\n")
    done = call("analyze")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No such command 'analyze'" in done.stderr


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("captcha-search la", ["labels"]),
        ("captcha-search run --space cr", ["crnn", "crnn-wide"]),
        ("captcha-search confirm --no", ["--no-test"]),
        ("captcha-search predict pypro", ["default"]),
        ("captcha-search run --data pypro", ["default"]),
        ("captcha-search none --x", []),
    ],
)
def test_bash_completes_commands_options_spaces_and_files(line: str, wanted: list[str]) -> None:
    # Readline's own part, which only a terminal has, is to complete a file's name by default.
    script = f"""
        source <(captcha-search)
        compopt() {{ COMPREPLY=("$2"); }}
        COMP_WORDS=({line})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _captcha_search_completion captcha-search
        printf "%s\\n" "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True,
        env={**environment(), "PATH": path, "_CAPTCHA_SEARCH_COMPLETE": "bash_source"},
    )  # fmt: skip
    assert done.stdout.split() == wanted, done.stderr


def test_zsh_and_fish_have_their_script() -> None:
    for shell in ("zsh", "fish"):
        found = subprocess.run(
            [sys.executable, "-m", "search"], cwd=ROOT, capture_output=True, text=True,
            env={**environment(), "_CAPTCHA_SEARCH_COMPLETE": f"{shell}_source"}, check=True,
        )  # fmt: skip
        assert f"_CAPTCHA_SEARCH_COMPLETE={shell}_complete" in found.stdout


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_an_architecture_and_a_space_of_ones_own_are_searched_and_resumed(tmp_path: Path) -> None:
    (tmp_path / "narrow.py").write_text(
        "from optuna.distributions import IntDistribution\n"
        "from spaces.space import Space\n"
        "SPACE = Space('narrow', {'channels': IntDistribution(8, 16, step=8)}, {'channels': 8},\n"
        "              arch='tiny')\n"
    )
    run = ("--runs-dir", tmp_path, "--name", "r", "--json")
    own = ("--space", tmp_path / "narrow.py:SPACE", "--arch", "examples/own_architecture.py:Tiny")
    budget = ("--trials", 1, "--epochs", 1, "--max-concurrent", 1)
    aim = ("--objective", "valid_cer", "--at-most", "gap=99", "--set", "lr=1e-3..1e-2")
    done = call("run", *own, "--data", "synthetic:60", *budget, *aim, *run)
    assert done.returncode == 0, done.stderr
    done = call("run", "--resume", "--trials", 2, *run)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])["spaces"]["narrow"]
    assert found["trials"]["completed"] == 2
    assert found["best"]["feasible"]
    settings = json.loads((tmp_path / "r" / "run.json").read_text())["settings"]
    assert settings["architectures"] == [f"{ROOT / 'examples/own_architecture.py'}:Tiny"]
    assert (settings["objective"], settings["max_gap"]) == ("valid_cer", 99)
    assert settings["fixed"] == {"lr": "1e-3..1e-2"}
