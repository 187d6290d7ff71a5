"""`python -m search.run` and `search.analyse` as a person starts them."""

import contextlib
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from search.store.records import read_run
from tests.cli.conftest import Done
from tests.labelled import plain
from tests.search import _runs
from tests.search.report import runs as written

ROOT = Path(__file__).parents[2]


def command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"search.{module}", *map(str, arguments)]


def environment(**values: str) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}, **values}


def call(module: str, *arguments: object, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(module, *arguments),
        cwd=ROOT,
        env=environment(**values),
        capture_output=True,
        text=True,
    )


def error_of(done: Done) -> str:
    """The one line of a refused call; nothing else may have been said."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    return done.stderr.strip()


@pytest.mark.parametrize("module", ["run", "analyse", "confirm"])
def test_help_answers_at_once(module: str) -> None:
    took = []
    for _ in range(3):
        before = processor_seconds()
        done = call(module, "--help")
        took.append(processor_seconds() - before)
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: ")
    assert min(took) < 0.5


def processor_seconds() -> float:
    """Of the children that have ended: what they need, however busy the machine is."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


SPACES = "crnn, crnn-wide, pooled, pooled-wide, spatial, spatial-wide or all"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), f"--space is missing: choose {SPACES}"),
        (("--space", "vit"), f"no space 'vit': choose {SPACES}"),
        (("--space", "crnn", "--colour"), "No such option"),
        (("--space", "crnn", "--trials", "0"), "trials = 0"),
        (("--space", "crnn", "--trials", "some"), "'some' is not a valid integer"),
        (("--space", "crnn", "--time-budget", "soon"), "time budget 'soon'"),
        (("--space", "crnn", "--gpus-per-trial", "0.6"), "GPUs per trial '0.6'"),
        (("--space", "crnn", "--objective", "speed"), "objective = 'speed'"),
        (("--space", "crnn", "--objective", "nll:seconds"), "only cost and pareto count a cost"),
        (("--space", "crnn", "--objective", "cost"), "needs --at-most valid_nll=0.05"),
        (("--space", "crnn", "--at-most", "gap"), "--at-most 'gap': write NAME=VALUE"),
        (("--space", "crnn", "--at-most", "valid_cre=1"), "--at-most valid_cre: must be a metric"),
        (("--space", "crnn", "--at-most", "seconds=soon"), "max trial seconds 'soon'"),
        (("--space", "crnn", "--set", "cut"), "write NAME=VALUE"),
        (("--space", "crnn", "--name", "../x"), "--name '../x': a plain name"),
        (("--resume",), "say which run with --name"),
        (("--resume", "--name", "none"), "no run folder at"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], text: str, called: Callable[..., Done]
) -> None:
    done = called("search.run", *arguments, "--runs-dir", tmp_path / "runs")
    assert text in error_of(done)
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--space", "none.py:A"), "none.py: give file.py:NAME"),
        (("--space", "own.py:SPACE"), "space own: unknown architecture 'own'"),
        (("--space", "own.py:SPACE", "--arch", "own.py:SPACE"), "is no Recogniser"),
        (("--space", "crnn", "--set", "lr=1e-3..2"), "lr = '2': must be less than or equal to 1"),
        (("--space", "crnn", "--set", "depth=1,2"), "--set depth: unknown"),
    ],
)
def test_a_wrong_space_or_range_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    (tmp_path / "own.py").write_text(
        "from optuna.distributions import FloatDistribution\n"
        "from spaces.space import Space\n"
        "SPACE = Space('own', {'lr': FloatDistribution(1e-3, 3e-3)}, {'lr': 2e-3})"
    )
    done = subprocess.run(
        command("run", *arguments, "--data", "synthetic:60", "--runs-dir", tmp_path / "runs"),
        cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)), capture_output=True, text=True,
    )  # fmt: skip
    assert text in error_of(done)  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_wrong_input_ends_with_the_object_of_json_and_leaves_nothing(tmp_path: Path) -> None:
    images = repeated_symbols(tmp_path)
    done = call(
        "run", "--space", "crnn", "--set", "cut=8", "--data", images,
        "--runs-dir", tmp_path / "runs", "--json",
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: cut")
    assert json.loads(done.stdout)["error"] in done.stderr
    assert not (tmp_path / "runs").exists()


def repeated_symbols(folder: Path) -> Path:
    """Images whose labels need more steps than a body cut at 8 leaves."""
    from PIL import Image

    place = folder / "images"
    place.mkdir()
    texts = [f"aaab{'abcdefghij'[i % 10]}{i // 10}" for i in range(40)]
    for text, pixels in zip(texts, plain(texts).pixels, strict=True):
        Image.fromarray(pixels[0]).save(place / f"{text}.png")
    return place


@pytest.mark.ray
@pytest.mark.timeout(500)
@pytest.mark.fault("second search on the same run folder", "refused; readers are not")
@pytest.mark.fault(
    "Ctrl-C",
    "models kept, resumable, exit code 130",
    lost="epochs since the last checkpoints",
)
def test_a_search_refuses_a_second_is_interrupted_and_resumed(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """One run through all of it, for starting a real search costs half a minute."""
    runs, run = tmp_path / "runs", tmp_path / "runs" / "r"
    first = ("--space", "crnn", "--data", "synthetic:60", "--trials", 3, "--epochs", 6)
    pins = ("--set", "cut=5", "--set", "batch_size=16", "--max-concurrent", 2)
    again = ("--runs-dir", runs, "--name", "r", "--json")

    driver = start(*first, *pins, *again)
    wait(driver, lambda: len(read_run(run).epochs) > 0)
    second = call("run", "--resume", *again)
    assert second.returncode == 2
    assert f"another process is writing {run}" in second.stderr
    third = call("run", *first, *again)
    assert third.returncode == 2
    assert "exists: choose another --name" in third.stderr
    # As a terminal does: to the driver, to Ray and to its workers.
    os.killpg(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 130, err
    assert "Traceback" not in err
    printed = err.partition("interrupted; go on with:\n  ")[2].splitlines()[0]
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
    found = object_of(out)["spaces"]["crnn"]
    assert found["trials"]["unfinished"] >= 1
    assert found["trials"]["failed"] == 0
    ended = {n: row for n, row in read_run(run).trials.items() if row["state"] != "running"}

    # As it was printed.
    assert printed == f"python -m search.run --runs-dir {runs} --name r --resume"
    driver = start(*shlex.split(printed)[3:], "--json")
    out, err = driver.communicate(timeout=300)
    assert driver.returncode == 0, err
    assert err.splitlines()[0].startswith("data: 60 images")
    assert "are the locked test set" in err.splitlines()[1]
    assert err.splitlines()[2].startswith("ray: a private local Ray has")
    found = object_of(out)["spaces"]["crnn"]
    assert found["trials"]["completed"] + found["trials"]["stopped"] == 3
    assert found["trials"]["failed"] == found["trials"]["unfinished"] == 0
    best = found["best"]
    assert Path(best["model"]).is_file()
    assert best["config"]["cut"] == 5
    assert best["gap"] == pytest.approx(best["valid_nll"] - best["train_nll"])
    records = read_run(run)
    for name, row in ended.items():
        assert records.trials[name] == row
    assert records.trials["crnn-000"]["config"]["lr"] == 0.002
    assert len(records.run["sessions"]) == 2
    assert json.loads((run / "status.json").read_text())["state"] == "finished"

    shown = call("analyse", run)
    assert shown.returncode == 0
    assert "crnn-000 is the baseline" in shown.stdout
    assert "train nll" in shown.stdout
    told = json.loads(call("analyse", run, "--json").stdout)
    assert len(told.pop("analysis")["calibration"]["crnn"]["bins"]) > 0
    assert told == object_of(out)
    assert list((run / "thumbnails").glob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--force", "--no-test"), "--force evaluates on the test set and --no-test does not"),
        (("--seeds", "1"), "Invalid value for '--seeds'"),
        (("--space", "vit"), "--space vit: the run has crnn"),
    ],
)
def test_a_confirmation_that_cannot_be_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    from search.store.run_folder import RunFolder

    RunFolder.create(tmp_path / "run", _runs.run_json()).close()
    assert text in error_of(call("confirm", tmp_path / "run", *arguments))


class TestAnalyse:
    def test_shows_train_and_valid_side_by_side_for_the_newest_run(
        self, tmp_path: Path, called: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tests.search.store.test_leaderboard import write

        write(tmp_path / "old").close()
        monkeypatch.setenv("COLUMNS", "80")
        done = called("search.analyse", "--runs-dir", tmp_path)
        assert done.returncode == 0, done.stderr
        heads = next(line for line in done.stdout.splitlines() if "train nll" in line).split()
        assert heads[3:8] == ["train", "nll", "valid", "nll", "gap"]
        rows = [line.split() for line in done.stdout.splitlines() if line.startswith("crnn-00")]
        assert rows[0][:6] == ["crnn-002", "completed", "2", "0.2500", "0.5000", "0.2500"]
        assert "crnn-003 failed: ValueError: no" in done.stdout

    @pytest.mark.parametrize(
        ("prepare", "text"),
        [
            (lambda p: None, "no run folder at"),
            (lambda p: p.mkdir(), "is not a run folder: it holds no run.json"),
            (lambda p: (p.mkdir(), (p / "run.json").write_text("{}")), "version"),
        ],
    )
    def test_what_is_no_run_is_one_line(
        self,
        tmp_path: Path,
        prepare: Callable[[Path], object],
        text: str,
        called: Callable[..., Done],
    ) -> None:
        prepare(tmp_path / "run")
        assert text in error_of(called("search.analyse", tmp_path / "run"))

    def test_all_parts_are_shown_without_ray_or_torch(self, tmp_path: Path) -> None:
        path = written.write(tmp_path / "run", trials=9, error="ValueError: <b>lr</b> is [red]")
        files = "--html", tmp_path / "a.html", "--csv", tmp_path / "a.csv"
        code = (
            "import sys; from click.testing import CliRunner; from search.analyse import analyse;"
            "done = CliRunner().invoke(analyse, sys.argv[1:]); print(done.output);"
            "assert done.exit_code == 0, done.exception;"
            "heavy = {'ray', 'torch', 'fastai'} & set(sys.modules);"
            "assert not heavy, heavy"
        )
        arguments = [sys.executable, "-c", code, str(path), *map(str, files)]
        done = subprocess.run(
            arguments, cwd=ROOT, env=environment(COLUMNS="80"), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "crnn-003 failed: ValueError: <b>lr</b> is [red]" in done.stdout
        assert "importance: 7 trials cannot tell which parameter matters: " in done.stdout
        assert "13.0 min of trials, 5.0 min of GPU time, 1.25 in money" in done.stdout
        assert "next: Nothing is confirmed" in done.stdout
        assert len((tmp_path / "a.csv").read_text().splitlines()) == 10
        assert 1e6 < (tmp_path / "a.html").stat().st_size < 5e6

    def test_two_runs_beside_each_other(
        self, tmp_path: Path, called: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "120")
        one, two = written.write(tmp_path / "one"), written.write(tmp_path / "two", seed=3)
        done = called("search.analyse", one, "--compare", two)
        assert done.returncode == 0, done.stderr
        assert "images: the same; split: the same" in done.stdout
        assert "no significant difference" in done.stdout
        done = called("search.analyse", one, "--compare", two, "--json")
        assert json.loads(done.stdout)["compare"]["settings"] == {"seed": [0, 3]}

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (("--html", "none/a.html"), "none/a.html cannot be written: there is no folder none"),
            (("--compare", "none"), "no run folder at none"),
            (("--compare", "none", "--csv", "a.csv"), "--csv is of one run, --compare shows two"),
            (("--top", "0"), "Invalid value for '--top'"),
        ],
    )
    def test_wrong_options_are_one_line(
        self, tmp_path: Path, arguments: tuple[str, ...], text: str, called: Callable[..., Done]
    ) -> None:
        path = written.write(tmp_path / "run", trials=1)
        assert text in error_of(called("search.analyse", path, *arguments))

    def test_what_can_be_read_of_a_damaged_run_is_shown(
        self, tmp_path: Path, called: Callable[..., Done]
    ) -> None:
        path = written.write(tmp_path / "run")
        (path / "epochs.jsonl").unlink()
        done = called("search.analyse", path)
        assert done.returncode == 0, done.stderr
        assert "note: epochs.jsonl cannot be read" in done.stdout
        assert "crnn: 5 trials" in done.stdout

    def test_a_run_of_which_all_trials_failed(
        self, tmp_path: Path, called: Callable[..., Done]
    ) -> None:
        path = written.write(tmp_path / "run", states=("failed",))
        done = called("search.analyse", path)
        assert done.returncode == 0, done.stderr
        assert "next: All 5 trials that ended failed" in done.stdout

    def test_no_run_at_all(self, tmp_path: Path, called: Callable[..., Done]) -> None:
        assert "no run in" in error_of(called("search.analyse", "--runs-dir", tmp_path))

    def test_a_run_without_a_trial(self, tmp_path: Path, called: Callable[..., Done]) -> None:
        from search.store.run_folder import RunFolder

        RunFolder.create(tmp_path / "run", _runs.run_json()).close()
        done = called("search.analyse", tmp_path / "run")
        assert (done.returncode, done.stderr) == (0, "")
        assert "crnn: 0 trials" in done.stdout


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts searches that a failed test does not leave behind."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(_started(*arguments))


@contextlib.contextmanager
def _started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    driver = subprocess.Popen(
        command("run", *arguments),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with driver:
        try:
            yield driver
        finally:
            if driver.poll() is None:
                driver.send_signal(signal.SIGINT)
                driver.communicate(timeout=60)


def wait(driver: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 150
    while True:
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        try:
            if until():
                return
        except ValueError:
            pass  # No run folder yet.
        time.sleep(0.1)


def object_of(text: str) -> Mapping[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found: Mapping[str, Any] = json.loads(text.splitlines()[-1], parse_constant=refuse)
    return found
