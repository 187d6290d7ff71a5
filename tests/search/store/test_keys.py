"""Runs in a storage whose address holds keys: printed commands run and show none of them."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from captcha_models.commands import typed, without_secrets
from captcha_models.errors import InputError
from search.report.closing import closing
from search.report.report import Report
from search.store.records import read_run, resume_command
from search.store.run_folder import assert_not_kept
from search.store.storage import Storage
from search.tuning.search_session import SearchSession
from search.tuning.settings import Settings
from tests.search import _fake

ROOT = Path(__file__).parents[3]
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMIsecret"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--storage", f"s3://{KEY}:{SECRET}@b/runs", "--epochs", "3"], ["--epochs", "3"]),
        ([f"--storage=s3://{KEY}:{SECRET}@b/runs", "--json"], ["--json"]),
        (["--storage", "s3://***@b/runs", "x"], ["x"]),
        (["--storage", "s3://b/runs", "x"], ["--storage", "s3://b/runs", "x"]),
    ],
)
def test_an_option_with_a_secret_is_left_out_of_what_is_printed(
    words: list[str], kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert without_secrets(words) == kept
    monkeypatch.setattr(sys, "argv", ["/x/search/confirm.py", "r", *words])
    assert shlex.split(typed("search.confirm"))[2:] == ["search.confirm", "r", *kept]


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
@pytest.mark.timeout(300)
def test_the_printed_command_goes_on_and_asks_for_the_keys(bucket: str, tmp_path: Path) -> None:
    storage = bucket.replace("s3://", f"s3://{KEY}:{SECRET}@")
    place = tmp_path / "runs" / "r"
    settings = Settings.parse(
        {"spaces": ("pooled",), "data": "synthetic:60", "trials": 1, "epochs": 1}
    )
    quick = _fake.objective(lambda task, epoch: None)
    session = SearchSession(place, lambda line: None, storage=storage, train=quick)
    assert session.begin(settings) == 0
    assert "***@" in read_run(place).run["storage"]

    lines = list(closing(place, interrupted=True))
    command = resume_command(place)
    assert lines[-1] == f"  {command}"
    assert "asks for it" in lines[-2]
    with pytest.raises(InputError, match="put --storage into CAPTCHA_STORAGE") as refused:
        assert_not_kept(Storage(storage).child("r"), place)
    assert str(refused.value).endswith(f": {command}")
    assert SECRET not in "".join([*lines, Report.of(place).advice, command])

    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, *shlex.split(command)[1:]]

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, cwd=tmp_path, env=environment | more,
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip

    told = run()
    assert told.returncode == 2
    assert "put what --storage was into CAPTCHA_STORAGE, then the same command" in told.stderr
    driver, terminal = pty.openpty()
    asked = subprocess.Popen(
        words, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, cwd=tmp_path,
        env=environment, start_new_session=True,
    )  # fmt: skip
    assert asked.stderr
    shown = ""
    while not shown.endswith("(not shown): "):
        character = asked.stderr.read(1).decode()
        assert character, shown
        shown += character
    os.write(driver, f"{storage}\n".encode())
    with asked.stderr:
        shown += asked.stderr.read().decode()
    assert asked.wait(timeout=100) == 0, shown
    os.close(terminal)
    shown += os.read(driver, 65536).decode()
    os.close(driver)
    from_variable = run(CAPTCHA_STORAGE=storage)
    assert from_variable.returncode == 0, from_variable.stderr
    for one in (shown, told.stderr, from_variable.stderr, from_variable.stdout):
        assert SECRET not in one
        assert KEY not in one
    assert len(read_run(place).run["sessions"]) == 3
