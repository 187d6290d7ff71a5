"""The HTML page in a browser: at a desk, on a phone, in print, without an error or a request."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.report.page import page
from search.report.report import Report
from tests.search.report.runs import EVIL

ROOT = Path(__file__).parents[3]


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
def test_no_column_of_three_spaces_is_cut_off_at_a_desk(chromium: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(Report.of(ROOT / "results" / "real")), encoding="utf-8")
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(file.as_uri())
    tab.wait_for_selector("html[data-drawn=all]", timeout=60_000)
    wide, seen = tab.eval_on_selector(
        "#leaderboard .scroll", "place => [place.scrollWidth, place.clientWidth]"
    )
    tab.close()
    assert wide <= seen


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
    step = "#figure-slice-crnn-rnn_hidden_1 .plot"
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
