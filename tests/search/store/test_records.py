"""The run folder: append-only tables, repair, versions, the lock, atomic writes."""

import json
from pathlib import Path

import pytest

from captcha_models.errors import InputError
from search.store.jsonl import Table, read_table, write_json
from search.store.records import newest_run, read_run
from search.store.run_folder import RunFolder
from tests.search import _runs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run folder with one finished and one running trial."""
    with RunFolder.create(tmp_path / "run", _runs.run_json()) as folder:
        first = _runs.start(folder, 0)
        _runs.epoch(folder, first, 1, 3.0)
        _runs.epoch(folder, first, 2, 2.0, checkpoint=True)
        folder.end_trial(first, "completed")
        second = _runs.start(folder, 1)
        _runs.epoch(folder, second, 1, 4.0, checkpoint=True)
    return tmp_path / "run"


def test_what_was_written_is_read(path: Path) -> None:
    records = read_run(path)
    assert {name: row["state"] for name, row in records.trials.items()} == {
        "crnn-000": "completed",
        "crnn-001": "running",
    }
    assert records.trials["crnn-000"]["epochs"] == records.last_epoch("crnn-000") == 2
    assert records.last_epoch("crnn-001") == 1
    assert records.last_epoch("none") == 0
    assert records.epochs["crnn-000"][1]["valid_nll"] == 3.0
    with RunFolder.open(path) as folder:
        assert folder.checkpoint("crnn-001") == (1, "ray/crnn-001/checkpoint_000001")


@pytest.mark.parametrize("table", ["trials.jsonl", "epochs.jsonl"])
@pytest.mark.fault(
    "table torn in the middle of a line",
    "cut off at the last whole row, written on",
    lost="that row",
)
def test_a_kill_in_the_middle_of_a_line_loses_that_line_alone(path: Path, table: str) -> None:
    whole = (path / table).read_bytes()
    lines = whole.splitlines(keepends=True)
    before = [json.loads(line) for line in lines[1:-1]]
    for cut in range(len(whole) - len(lines[-1]) + 1, len(whole)):
        (path / table).write_bytes(whole[:cut])
        assert read_table(path / table) == before
    with RunFolder.open(path) as folder:
        _runs.start(folder, 2)
        _runs.epoch(folder, "crnn-002", 1, 1.0)
    assert read_table(path / table)[:-1] == before
    assert read_run(path).last_epoch("crnn-002") == 1


@pytest.mark.fault(
    "table torn in the middle of a line",
    "cut off at the last whole row, written on",
    lost="that row",
)
def test_a_kill_within_the_header_is_repaired(tmp_path: Path) -> None:
    file = tmp_path / "trials.jsonl"
    file.write_bytes(b'{"table": "tri')
    with Table(file) as table:
        table.append({"a": 1})
    assert read_table(file) == [{"a": 1}]


def test_a_damaged_line_within_a_table_is_named(path: Path) -> None:
    lines = (path / "epochs.jsonl").read_bytes().splitlines(keepends=True)
    lines[2] = b"\x00\xff nonsense\n"
    (path / "epochs.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(InputError, match=r"epochs.jsonl, line 3: not a row"):
        read_run(path)


def test_an_epoch_repeated_after_a_retry_counts_once(path: Path) -> None:
    with RunFolder.open(path) as folder:
        _runs.epoch(folder, "crnn-001", 2, 4.0)
        _runs.epoch(folder, "crnn-001", 2, 3.5)
    records = read_run(path)
    assert records.epochs["crnn-001"].keys() == {1, 2}
    assert records.epochs["crnn-001"][2]["valid_nll"] == 3.5


def test_figures_that_are_not_finite_become_null(path: Path) -> None:
    with RunFolder.open(path) as folder:
        _runs.epoch(folder, "crnn-001", 2, float("inf"))
    assert read_run(path).epochs["crnn-001"][2]["valid_nll"] is None
    assert "Infinity" not in (path / "epochs.jsonl").read_text()
    with Table(path / "trials.jsonl") as table, pytest.raises(ValueError, match="JSON compliant"):
        table.append({"x": float("nan")})


@pytest.mark.fault(
    "disk full while a table's row is written",
    "the table is as it was, one clear error",
    lost="that row",
)
def test_a_row_that_does_not_fit_the_disk_leaves_the_table_whole(tmp_path: Path) -> None:
    import resource
    import signal

    file = tmp_path / "epochs.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Table(file) as table:
        table.append({"epoch": 1})
        before = file.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
        try:
            with pytest.raises(OSError, match=r"bytes written|File too large"):
                table.append({"epoch": 2, "filler": "x" * 100})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        assert file.read_bytes() == before
        table.append({"epoch": 2})
    assert read_table(file) == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.fault("second search on the same run folder", "refused; readers are not")
def test_two_writers_are_refused_and_readers_are_not(path: Path) -> None:
    with RunFolder.open(path):
        with pytest.raises(InputError, match="another process is writing"):
            RunFolder.open(path)
        assert len(read_run(path).trials) == 2
    RunFolder.open(path).close()


def test_create_refuses_a_folder_that_exists(path: Path) -> None:
    with pytest.raises(InputError, match=r"exists: choose another --name, or continue it"):
        RunFolder.create(path, _runs.run_json())
    assert len(read_run(path).trials) == 2


def test_create_refuses_a_place_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        RunFolder.create(tmp_path / "file" / "run", _runs.run_json())


@pytest.mark.parametrize(
    ("break_it", "text"),
    [
        (lambda p: (p / "run.json").unlink(), "is not a run folder: it holds no run.json"),
        (lambda p: (p / "run.json").write_text("{"), "run.json cannot be read"),
        (lambda p: (p / "run.json").write_text("[]"), "not the record of a run"),
        (lambda p: (p / "run.json").write_text('{"version": 1}'), "is damaged"),
        (lambda p: (p / "run.json").write_text('{"version": 0}'), "is of version 0; this program"),
        (lambda p: (p / "epochs.jsonl").unlink(), "epochs.jsonl cannot be read"),
        (lambda p: (p / "trials.jsonl").write_text('{"version": 9}\n'), "is of version 9"),
        (lambda p: (p / "trials.jsonl").write_text('{"version": 1}\n{}\n'), "is damaged"),
    ],
)
@pytest.mark.fault("run folder damaged or of another version", "refused in one line")
def test_what_is_no_run_folder_is_told_in_one_line(path: Path, break_it, text: str) -> None:  # type: ignore[no-untyped-def]
    break_it(path)
    with pytest.raises(InputError) as caught:
        read_run(path)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder at"):
        read_run(tmp_path / "none")
    with pytest.raises(InputError, match="no run in"):
        newest_run(tmp_path)


def test_newest_run_is_the_one_started_last(tmp_path: Path) -> None:
    for name, year in [("b", 2027), ("a", 2026)]:
        run = {**_runs.run_json(), "started": f"{year}-01-01"}
        RunFolder.create(tmp_path / name, run).close()
    (tmp_path / "c").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "run.json").write_text("not yet")
    assert newest_run(tmp_path) == tmp_path / "b"


def test_write_json_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_json(file, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(file, {"a": float("nan")})
    assert json.loads(file.read_text()) == {"a": 1}


def test_the_best_model_is_known_only_when_both_files_are_there(path: Path) -> None:
    with RunFolder.open(path) as folder:
        assert folder.records.best_on_disk("crnn") is None
        _, checkpoint = folder.checkpoint("crnn-000") or (0, "")
        folder.keep_model("crnn", "crnn-000", 2, checkpoint)
        assert folder.records.best_on_disk("crnn") == ("crnn-000", 2)
        assert (path / "best/crnn/model.safetensors").read_text() == "crnn-000 2"
        (path / "best/crnn/trial.json").write_text('{"trial": "crnn-000", "epoch": 99}')
        assert folder.records.best_on_disk("crnn") is None


def test_a_run_of_before_read_images_by_their_stems_at_one_size(path: Path) -> None:
    run = json.loads((path / "run.json").read_text(encoding="utf-8"))
    settings = run["settings"]
    run["settings"] = {k: v for k, v in settings.items() if k not in ("size", "labels")}
    (path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert read_run(path).run["settings"] == {**settings, "size": "50x200", "labels": "stem"}
    run["settings"] |= {"size": "48", "labels": "auto"}
    (path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert read_run(path).run["settings"]["size"] == "48"
