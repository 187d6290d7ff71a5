"""Nobody is let in: no secret in records or logs, nothing unpickled, no server for others."""

import ast
import json
import sys
from pathlib import Path

import pytest

from captcha_models.secrets import hide
from search.tuning.search_session import SearchSession
from search.tuning.settings import Settings
from search.tuning.task import Task
from tests.search import _fake

ROOT = Path(__file__).parents[2]
SECRETS = ("wJalrXUtnFEMI/K7MDENG", "AKIAIOSFODNN7EXAMPLE", "hunter2hunter2", "t0ken-of-ray")


def test_what_is_a_secret_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", 'wJalr"XUtn\\FEMI')
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    shown = {
        "s3://AKIAIOSFODNN7EXAMPLE:x%2Fy@bucket/runs": "s3://***@bucket/runs",
        "https://host/a?b=c&X-Amz-Signature=abc&d=e": "https://host/a?b=c&X-Amz-Signature=***&d=e",
        "key AKIAIOSFODNN7EXAMPLE is wrong": "key *** is wrong",
        "--token=abcdef --trials 3": "--token=*** --trials 3",
        "password: abc": "password: ***",
        'it was wJalr"XUtn\\FEMI': "it was ***",
        "0123456789abcdef": "***",
        # And what is none stays.
        "s3://bucket/runs": "s3://bucket/runs",
        "symbols = 2345678bcdefgmnpwxy, lr = 0.003": "symbols = 2345678bcdefgmnpwxy, lr = 0.003",
        "KeyError: 'lr'": "KeyError: 'lr'",
    }
    assert {text: hide(text) for text in shown} == shown
    row = {"error": 'wJalr"XUtn\\FEMI', "address": "ray://me:hunter2@host:1", "token": "abc"}
    assert json.loads(hide(json.dumps(row))) == {
        "error": "***", "address": "ray://***@host:1", "token": "***"
    }  # fmt: skip


def leaking(task: Task, epoch: int) -> None:
    """What an error of a storage or a network may say."""
    if task.seed == 1:
        raise RuntimeError(
            "403 for https://me:hunter2hunter2@host/?token=t0ken-of-ray, AKIAIOSFODNN7EXAMPLE, "
            "wJalrXUtnFEMI/K7MDENG"
        )


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
@pytest.mark.fault("secrets in environment, command line and errors", "in no record and no log")
def test_no_secret_reaches_records_or_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS[0])
    monkeypatch.setenv("RAY_AUTH_TOKEN", SECRETS[3])
    address = "s3://AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG@bucket"
    typed = ["run", "--storage", address, "--address", "ray://me:hunter2hunter2@host:1"]
    monkeypatch.setattr(sys, "argv", typed)
    given = {"spaces": ("crnn",), "data": "synthetic:60", "trials": 2, "epochs": 1}
    said: list[str] = []
    session = SearchSession(tmp_path / "r", said.append, train=_fake.objective(leaking))
    assert session.begin(Settings.parse({**given, "max_concurrent": 1})) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("403 for" in path.read_text(errors="replace") for path in files)
    shown = [*said, *capfd.readouterr(), *(path.read_bytes().decode("latin-1") for path in files)]
    for secret in SECRETS:
        assert not any(secret in text for text in shown)


LOADERS = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}


@pytest.mark.fault("run folder, model or cache from a stranger", "nothing in it is unpickled")
def test_the_program_has_no_way_to_unpickle() -> None:
    """Neither modules that unpickle are imported, nor torch.load, numpy's pickles or a restore."""
    files = [
        f for part in ("captcha_models", "search", "spaces") for f in (ROOT / part).rglob("*.py")
    ]
    assert len(files) > 80
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            where = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert LOADERS.isdisjoint(a.name.partition(".")[0] for a in node.names), where
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in LOADERS, where
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "load_learner"), where
                # It runs no pickle of Python's; and is for a file that was just written.
                assert called != "torch.jit.load" or file.name == "onnx_export.py", where
                assert not called.startswith(("tune.Tuner.restore", "Tuner.restore")), where
                loose = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert loose.get("allow_pickle", "False") == "False", where
                assert loose.get("weights_only", "True") == "True", where


class Bomb:
    """Unpickled it would write a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.file,)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
@pytest.mark.fault("run folder, model or cache from a stranger", "nothing in it is unpickled")
def test_a_resumed_run_unpickles_nothing(tmp_path: Path) -> None:
    import pickle

    from search.report.report import Report
    from tests.search.tuning.test_search import search, states

    records, _ = search(tmp_path / "run", lambda task, epoch: None, trials=1, epochs=1)
    bomb = pickle.dumps(Bomb(tmp_path / "gone-off"))
    for name in ("tuner.pkl", "trainable.pkl", "searcher-state-x.pkl", "search_gen_state-x.json"):
        for place in ("ray", "ray/pooled-1", "ray/pooled-1/pooled-000", "best/pooled"):
            (records.path / place).mkdir(parents=True, exist_ok=True)
            (records.path / place / name).write_bytes(bomb)
    (records.path / "ray/pooled-1/pooled-000/error.pkl").write_bytes(bomb)
    Report.of(records.path).to_json()
    records, _ = search(tmp_path / "run", lambda task, epoch: None, trials=2, epochs=1)
    assert set(states(records).values()) == {"completed"}
    assert not (tmp_path / "gone-off").exists()
