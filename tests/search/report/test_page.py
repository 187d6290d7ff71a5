"""The HTML page: complete, small, harmless, and shown by a browser without an error."""

import base64
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.analyse_speed import write_run
from search.report.figure import whole
from search.report.page import figure_sections, page
from search.report.parameters import parameters, position
from search.report.report import Report
from tests.search.report import runs

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)> \" ' {{ 7 * 7 }}"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "three"
    names = ("crnn", "pooled", "spatial")
    labels = (*runs.LABELS[:2], EVIL, *runs.LABELS[3:])
    return runs.write(path, names=names, trials=10, error=EVIL, labels=labels, max_gap=0.5)


def data_of(text: str) -> dict[str, Any]:
    packed = re.search(r'id="data">([^<]*)<', text)
    assert packed
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return found


def test_what_the_run_folder_says_is_text_and_never_markup(run: Path) -> None:
    text = page(Report.of(run))
    assert text.count("<script") == 3
    assert "alert('x')" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(" in text
    assert "{{ 7 * 7 }}" in text


def test_the_page_asks_for_nothing_and_runs_only_its_own_scripts(run: Path) -> None:
    text = page(Report.of(run))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'nonce-")
    assert "http" not in policy[1]
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(src|href)=\"(?!#|data:)", markup)
    assert page(Report.of(run)) != text  # The nonce is drawn anew.


def test_pictures_are_in_it_unless_they_are_left_out(run: Path) -> None:
    found = Report.of(run)
    assert page(found).count('src="data:image/png;base64,') == 2
    text = page(found, images=False)
    assert "data:image/png;base64,i" not in text
    assert data_of(text)["pictures"] == {}
    assert "Pictures were left out" in text


def test_every_figure_is_one_that_plotly_accepts_and_has_its_table(run: Path) -> None:
    import plotly.graph_objects as go

    count = 0
    for figures in figure_sections(Report.of(run)).values():
        for figure in figures:
            go.Figure(data=figure.traces, layout=figure.layout)
            assert all(len(row) == len(figure.columns) for row in figure.rows)
            assert figure.small or not figure.traces or figure.rows, figure.name
            count += 1
    assert count > 60


def whole_axes(figures: Iterable[Any]) -> dict[str, int | None]:
    """Step between the ticks of each axis that counts."""
    return {
        f.name: f.layout["xaxis"].get("dtick") if f.layout["xaxis"].get("tick0") == 0 else None
        for f in figures
        if f.layout.get("xaxis", {}).get("type") not in ("log", "category")
    }


def test_what_is_counted_has_ticks_at_whole_numbers_alone(tmp_path: Path) -> None:
    few = figure_sections(Report.of(runs.write(tmp_path / "few", trials=2, epochs=2)))
    found = whole_axes(f for figures in few.values() for f in figures)
    assert {name: found[name] for name in ("stages", "history", "curves", "cost")} == {
        "stages": 1, "history": 1, "curves": 1, "cost": 1,
    }  # fmt: skip
    assert found["slice-crnn-cut"] == 1
    many = figure_sections(Report.of(runs.write(tmp_path / "many", trials=70, epochs=24)))
    found = whole_axes(f for figures in many.values() for f in figures)
    assert (found["stages"], found["history"], found["curves"]) == (10, 10, 5)
    assert [whole(span)["dtick"] for span in (0, 10, 11, 20, 21, 51, 100, 101)] == [
        1, 1, 2, 2, 5, 10, 10, 20,
    ]  # fmt: skip


def test_no_stands_before_yes_however_a_space_names_them(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "r")
    about = json.loads((path / "run.json").read_text())
    choice = about["spaces"]["crnn"]["space"]["parameters"]["normalize"]["attributes"]
    choice["choices"] = [True, False]
    (path / "run.json").write_text(json.dumps(about))
    report = Report.of(path)
    one = parameters(report.run, "crnn")["normalize"]
    assert (position(one, False), position(one, True)) == (0, 1)
    found = {f.name: f for f in figure_sections(report)["slices"]}
    assert found["slice-crnn-normalize"].layout["xaxis"]["categoryarray"] == ["no", "yes"]


def test_commands_and_settings_are_shown_as_they_are_typed(tmp_path: Path) -> None:
    path = runs.write(tmp_path / "r", skip_bad=False, fixed={"clip": "5"}, warm_start=["a", "b"])
    about = json.loads((path / "run.json").read_text())
    about["sessions"][0]["command"] = ["python", "--data", "my images.zip"]
    (path / "run.json").write_text(json.dumps(about))
    text = page(Report.of(path))
    assert ">python --data &#39;my images.zip&#39;</code>" in text
    for value in ("no", "clip=5", "a, b"):
        assert f"<td><code>{value}</code></td>" in text


def test_a_page_without_a_trial_says_so(tmp_path: Path) -> None:
    text = page(Report.of(runs.write(tmp_path / "none", trials=0)))
    assert "No trial has begun" in text
    assert text.count("No trial has a finished epoch yet.") == 2
    assert "No trial has ended with an epoch yet." in text
    assert ">0 trials</output>" in text


@pytest.mark.slow
def test_the_page_of_500_trials_stays_below_5_mb(tmp_path: Path) -> None:
    write_run(tmp_path / "run", trials=500, epochs=24, images=168)
    found = Report.of(tmp_path / "run")
    assert sum(map(len, found.boards.values())) == 500
    assert found.run.notes == ()
    assert len(page(found).encode()) < 5e6


# In Chromium: the system's, or what CHROMIUM names.


@pytest.fixture
def opened(chromium: Any, run: Path, tmp_path: Path) -> Iterator[Any]:
    """Opens the page; at the end nothing may have been complained of or asked for."""
    file = tmp_path / "report.html"
    file.write_text(page(Report.of(run)), encoding="utf-8")
    contexts, complaints = [], []

    def note(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def open_page(**options: Any) -> Any:
        context = chromium.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", note)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        tab.on(
            "request",
            lambda r: r.url[:5] in ("file:", "data:", "blob:") or complaints.append(r.url),
        )
        tab.goto(file.as_uri())
        tab.wait_for_selector("html[data-drawn=all]", timeout=60_000)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def first_trials(tab: Any, count: int = 3) -> list[str]:
    names: list[str] = tab.eval_on_selector_all(
        "#board tbody tr:not([hidden])", "rows => rows.map(row => row.dataset.trial)"
    )
    return names[:count]


@pytest.mark.slow
def test_sort_filter_and_a_trial_at_a_desk(opened: Any, tmp_path: Path) -> None:
    tab = opened(viewport={"width": 1280, "height": 900})
    assert first_trials(tab, 1)[0].endswith("-009")
    head = tab.locator("#board thead th", has_text="validation NLL")
    head.get_by_role("button").click()
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    values = tab.eval_on_selector_all(
        "#board tbody tr", "rows => rows.map(row => row.cells[1].dataset.value)"
    )
    numbers = [float(value) for value in values if value]
    assert numbers == sorted(numbers, reverse=True)
    tab.fill("#filter-text", "lr=0.004")
    tab.select_option("#filter-space", "pooled")
    assert tab.text_content("#shown") == "1 of 30 trials"
    assert first_trials(tab) == ["pooled-003"]
    tab.locator("#board tr[data-trial=pooled-003] button").click()
    assert tab.text_content("#trial-heading") == "pooled-003: training and validation"
    assert EVIL in tab.text_content("#trial-body .error")
    tab.fill("#filter-text", "")
    tab.select_option("#filter-state", "completed")
    tab.locator("#board tr[data-trial=pooled-009] button").click()
    assert tab.locator("#trial-body .scatterlayer .js-line").count() == 4
    assert tab.locator("#trial-body .gallery img").count() == 1
    tab.locator("#figure-gap summary").click()
    assert tab.locator("#figure-gap table tbody tr").count() == 18
    tab.screenshot(path=tmp_path / "desk.png", full_page=True)


@pytest.mark.slow
def test_a_logarithmic_axis_has_ticks_for_what_is_seen(opened: Any) -> None:
    tab = opened(viewport={"width": 1280, "height": 900})
    ticks = tab.locator("#figure-gap .xtick text")
    assert ticks.count() >= 2
    tab.eval_on_selector(
        "#figure-gap .plot", "place => Plotly.relayout(place, {'xaxis.range': [-0.5, -0.4]})"
    )
    tab.wait_for_function("() => document.querySelectorAll('#figure-gap .xtick text').length >= 2")
    # One that counts has whole numbers, few in a small figure, also when it is zoomed.
    tab.eval_on_selector(
        "#figure-history .plot", "place => Plotly.relayout(place, {'xaxis.range': [0.6, 2.4]})"
    )
    tab.wait_for_function(
        "() => document.querySelector('#figure-history .plot').layout.xaxis.dtick === 1"
    )
    step = "#figure-slice-crnn-map_to_seq_hidden .plot"
    tab.eval_on_selector(step, "place => Plotly.relayout(place, {'xaxis.range': [0, 100]})")
    tab.wait_for_function(f"() => document.querySelector('{step}').layout.xaxis.dtick === 50")
    slices = tab.eval_on_selector_all(
        "#parameters .small .plot",
        "all => all.map(one => one.querySelectorAll('.xtick text, .ytick text').length)",
    )
    assert slices
    assert min(slices) >= 2


@pytest.mark.slow
def test_all_of_it_by_keyboard(opened: Any) -> None:
    tab = opened(viewport={"width": 1280, "height": 900})
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.focus("#board thead th:nth-child(4) button")
    tab.keyboard.press("Enter")
    assert tab.get_attribute("#board thead th:nth-child(4)", "aria-sort") == "ascending"
    tab.focus("#filter-text")
    tab.keyboard.type("spatial stopped")
    assert tab.text_content("#shown") == "2 of 30 trials"
    tab.focus("#board tr:not([hidden]) button.trial")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "trial-heading"
    assert "spatial-" in tab.text_content("#trial-heading")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_it(opened: Any, tmp_path: Path, scheme: str) -> None:
    tab = opened(
        viewport={"width": 390, "height": 800}, is_mobile=True, has_touch=True, color_scheme=scheme
    )
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.screenshot(path=tmp_path / f"phone-{scheme}.png", full_page=True)
    fold = tab.locator("#slices-crnn")
    assert fold.get_attribute("open") is None
    assert fold.locator(".main-svg").count() == 0
    fold.locator("summary").click()
    tab.wait_for_selector("#slices-crnn .plot .main-svg")


@pytest.mark.slow
def test_it_prints(opened: Any) -> None:
    tab = opened(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    assert len(tab.pdf(format="A4")) > 50_000


@pytest.mark.slow
def test_a_program_that_prints_when_the_page_has_loaded_prints_figures(
    chromium: Any, run: Path, tmp_path: Path
) -> None:
    """Such as `chromium --print-to-pdf`: the load event waits until figures can be drawn."""
    file = tmp_path / "report.html"
    file.write_text(page(Report.of(run)), encoding="utf-8")
    tab = chromium.new_page()
    tab.add_init_script(
        "addEventListener('load', () => { window.ready = Boolean(window.Plotly); })"
    )
    tab.goto(file.as_uri(), wait_until="load")
    assert tab.evaluate("window.ready")
    tab.close()


@pytest.mark.slow
def test_a_command_is_copied_whole(chromium: Any, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(Report.of(run)), encoding="utf-8")
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    tab.goto(file.as_uri())
    button = tab.locator("header button.copy")
    button.click()
    tab.wait_for_function("() => document.querySelector('header .copy').textContent === 'Copied'")
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied == tab.text_content("header .command code")
    assert "python -m search.confirm " in copied
    context.close()
