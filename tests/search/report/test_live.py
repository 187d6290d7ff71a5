"""The served page: what it answers while a run grows, what a browser keeps when it is renewed."""

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from captcha_models.errors import InputError
from search import server
from search.report.live import Importances, Live, says
from search.report.parameters import importance
from search.report.report import Report
from search.store.run_folder import RunFolder
from tests.search.report import runs
from tests.search.report.test_page import data_of


def ask(app: Live, path: str) -> tuple[str, dict[str, str], str]:
    """Status, headers and body of an answer."""
    environ: dict[str, Any] = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    found: list[Any] = []
    body = b"".join(app(environ, lambda status, headers: found.extend((status, dict(headers)))))
    return found[0], found[1], body.decode()


def settled(app: Live) -> str:
    """The version once the importances have been computed."""
    before, now = "", version(app)
    while before != now:
        ask(app, "/report")
        time.sleep(0.5)
        before, now = now, version(app)
    return now


def version(app: Live) -> str:
    found: str = json.loads(ask(app, "/state")[2])["version"]
    return found


def add_trial(run: Path, number: int, nll: float) -> None:
    """A trial that ends after an epoch, as a search adds it."""
    with RunFolder.open(run) as folder:
        first, name = next(iter(folder.records.trials.values())), f"crnn-{number:03d}"
        new = {"trial": name, "number": number, "state": "running", "baseline": False}
        folder.add_trial(**{**first, **new})
        last = folder.records.epochs[first["trial"]][1]
        folder.add_epoch(**{**last, "trial": name, "valid_nll": nll})
        folder.end_trial(name, "completed", None, None)


def test_only_the_served_page_may_ask_for_what_has_changed(tmp_path: Path) -> None:
    app = Live(runs.write(tmp_path / "r"))
    status, headers, text = ask(app, "/")
    assert (status, headers["Content-Type"]) == ("200 OK", "text/html; charset=utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert "connect-src 'self';" in policy[1]
    assert 'id="plotly"' in text
    changed = ask(app, "/report")[2]
    assert 'id="plotly"' not in changed
    assert len(changed) < len(text) / 5
    assert ask(app, "/runs")[0] == "404 Not Found"
    from search.report.page import page

    assert "connect-src" not in page(Report.of(tmp_path / "r"))


def test_a_new_trial_is_a_new_version_and_a_status_is_not(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "r")
    app = Live(run)
    before = settled(app)
    status = {"state": "running", "updated": "2999-01-01T00:00:00+00:00", "left_s": 300.0,
              "trials": {"ended": 1, "wanted": 5},
              "running": [{"trial": "crnn-001", "epoch": 2, "epochs": 4}]}  # fmt: skip
    (run / "status.json").write_text(json.dumps(status))
    told = json.loads(ask(app, "/state")[2])
    assert told == {
        "version": before,
        "says": "The search is running: 1 of 5 trials ended, crnn-001 at epoch 2 of 4, "
        "about 5.0 min to go.",
    }
    add_trial(run, 90, 0.001)
    _, headers, text = ask(app, "/report")
    assert headers["X-Version"] == version(app) != before
    assert data_of(text)["trials"]["crnn-090"]["rank"] == 1
    (run / "status.json").write_text('{"state": "running"')
    assert says(run) == "The page follows the run folder."


def test_whatever_is_half_written_is_no_error(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "r")
    app = Live(run)
    for name in ("trials.jsonl", "epochs.jsonl", "predictions.jsonl", "run.json", "valid.json"):
        whole = (run / name).read_bytes()
        for end in range(0, len(whole), max(1, len(whole) // 12)):
            (run / name).write_bytes(whole[:end])
            status, _, text = ask(app, "/report")
            if name == "run.json":
                # It is written whole or not at all; damaged by hand, it is told in a line.
                assert status.startswith("503")
                assert "\n" not in text
            else:
                assert status == "200 OK", (name, end, text)
                assert "damaged line" not in text
        (run / name).write_bytes(whole)
    assert ask(app, "/report")[0] == "200 OK"


def test_importances_count_ended_trials_alone_and_are_kept_while_few_more_end(
    tmp_path: Path,
) -> None:
    run = runs.write(tmp_path / "r", trials=24, states=("completed", "completed", "running"))
    about = json.loads((run / "run.json").read_text())
    about["sessions"][-1]["ended"] = None
    (run / "run.json").write_text(json.dumps(about))
    report = Report.of(run)
    assert report.importance["crnn"]["num_trials"] == 16
    kept = Importances()

    def of(path: Path) -> dict[str, Any]:
        found = Report.of(path)
        return kept.of(found.run, "crnn", found.boards["crnn"])

    first = of(run)
    assert first["shares"] == {}
    assert "being computed" in first["note"]
    wait_for(lambda: kept.generation == 1)
    assert of(run) == importance(report.run, "crnn", report.boards["crnn"])
    add_trial(run, 90, 0.5)
    assert of(run)["num_trials"] == 16
    add_trial(run, 91, 0.6)
    of(run)
    wait_for(lambda: kept.generation == 2)
    assert of(run)["num_trials"] == 18
    assert of(run)["num_trials"] == 18
    assert kept.generation == 2


def wait_for(done: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_no_run_folder_is_said_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder at"):
        Live(tmp_path / "none")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A run, the address at which it is served, and what its page was asked for."""
    from wsgiref.simple_server import make_server

    run = runs.write(tmp_path / "r", trials=12)
    app, seen = Live(run), list[str]()

    def noting(environ: dict[str, Any], start: Any) -> Any:
        seen.append(environ["PATH_INFO"])
        return app(environ, start)

    with make_server(server.HOST, 0, noting, handler_class=server.Quiet) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield run, f"http://{server.HOST}:{found.server_port}/", seen
        found.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_renewed_page_keeps_its_place(
    chromium: Any, served: tuple[Path, str, list[str]], tmp_path: Path
) -> None:
    run, address, _ = served
    complaints: list[str] = []
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(120_000)  # Others may have the processor.
    tab.on("console", lambda m: m.type == "error" and complaints.append(m.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(address)
    tab.wait_for_selector("html[data-drawn=all]", timeout=120_000)
    tab.wait_for_function("() => !document.body.textContent.includes('being computed')")
    head = tab.locator("#board thead th", has_text="gap")
    head.get_by_role("button").click()
    tab.select_option("#filter-state", "completed")
    tab.fill("#filter-text", "crnn")
    tab.locator("#board tr[data-trial=crnn-006] button").click()
    tab.locator("#figure-curves summary").click()
    tab.locator("#slices-crnn > summary").click()
    tab.wait_for_selector("#figure-curves table tbody tr")
    rows = tab.locator("#figure-curves table tbody tr").count()
    zoom = (
        "() => document.querySelector('#figure-history .plot').layout.xaxis.range.map(Math.round)"
    )
    tab.eval_on_selector(
        "#figure-history .plot", "place => Plotly.relayout(place, {'xaxis.range': [2, 5]})"
    )
    tab.locator("#figure-history").evaluate(
        "figure => figure.scrollIntoView({behavior: 'instant'})"
    )
    tab.evaluate("document.querySelector('#filter-text').focus({preventScroll: true})")
    top = "() => document.querySelector('#figure-history').getBoundingClientRect().top"
    before = tab.evaluate(top)
    add_trial(run, 90, 0.001)
    add_trial(run, 91, 0.9)
    tab.wait_for_selector("#board tr[data-trial=crnn-091]", state="attached")
    assert tab.text_content("#shown").endswith("of 14 trials")
    assert head.get_attribute("aria-sort") == "ascending"
    gaps = tab.eval_on_selector_all(
        "#board tbody tr", "rows => rows.map(row => Number(row.cells[3].dataset.value))"
    )
    assert gaps == sorted(gaps)
    assert tab.input_value("#filter-text") == "crnn"
    assert tab.input_value("#filter-state") == "completed"
    assert tab.evaluate("document.activeElement.id") == "filter-text"
    assert tab.text_content("#trial-heading") == "crnn-006: training and validation"
    assert tab.input_value("#choose") == "crnn-006"
    assert tab.locator("#board tr[aria-current]").get_attribute("data-trial") == "crnn-006"
    assert tab.locator("#figure-curves table tbody tr").count() == rows + 2
    assert tab.get_attribute("#slices-crnn", "open") is None
    assert tab.evaluate(zoom) == [2, 5]
    assert abs(tab.evaluate(top) - before) < 2
    drawn = "() => document.querySelector('#figure-history .plot').data[0].x.length"
    assert tab.evaluate(drawn) == 14
    # What cannot be read is said, and the page stays.
    shutil.move(run, tmp_path / "away")
    tab.wait_for_function("() => document.querySelector('#live').dataset.state === 'off'")
    assert "no run folder" in tab.text_content("#live")
    assert tab.locator("#board tbody tr").count() == 14
    shutil.move(tmp_path / "away", run)
    tab.wait_for_function("() => document.querySelector('#live').dataset.state === 'on'")
    tab.close()
    assert [one for one in complaints if "503" not in one] == []
