"""The HTML page: complete, small, harmless, and shown by a browser without an error."""

import base64
import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.analyse_speed import write_run
from search.report.figure import whole
from search.report.page import figure_sections, page
from search.report.parameters import parameters, position
from search.report.report import Report
from tests.search.report import runs

ROOT = Path(__file__).parents[3]


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
    assert count > 45


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
    choice = about["spaces"]["crnn"]["space"]["parameters"]["pool_height"]["attributes"]
    choice["choices"] = [True, False]
    (path / "run.json").write_text(json.dumps(about))
    report = Report.of(path)
    one = parameters(report.run, "crnn")["pool_height"]
    assert (position(one, False), position(one, True)) == (0, 1)
    found = {f.name: f for f in figure_sections(report)["slices"]}
    assert found["slice-crnn-pool_height"].layout["xaxis"]["categoryarray"] == ["no", "yes"]


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
