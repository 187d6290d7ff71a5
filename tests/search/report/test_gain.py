"""Gain of a search: over its starting points, on paired images, or nothing at all."""

import json
from pathlib import Path

import pytest

from search.report.gain import gain, lines
from search.report.loader import load
from search.store.jsonl import Table
from search.store.run_folder import RunFolder
from tests.search._runs import epoch, run_json, start

FIRST = "2026-01-01T00:00:{:02d}.000+00:00"


def a_run(
    place: Path, nlls: list[float], known: int = 1, kept: dict[int, list[float]] | None = None,
    **settings: object,
) -> Path:  # fmt: skip
    """A run of so many trials, one ended every ten seconds; one and `known` starting points."""
    about = run_json()
    about["settings"] |= settings
    about["spaces"]["crnn"]["space"]["known"] = [{"lr": 0.1}] * known
    about["sessions"] = [{"started": FIRST.format(0), "ended": None}]
    with RunFolder.create(place, about) as folder:
        for number, nll in enumerate(nlls):
            name = start(folder, number)
            epoch(folder, name, 1, nll)
            folder.end_trial(name, "completed")
            row = folder.records.trials[name]
            row |= {"started": FIRST.format(0), "ended": FIRST.format(10 * (number + 1))}
            folder.add_trial(**row)
    if kept:
        with Table(place / "predictions.jsonl") as table:
            for number, own in kept.items():
                beams = {"greedy": 1.0}
                table.append(
                    {
                        "trial": f"crnn-{number:03d}", "epoch": 1, "wrong": {}, "beams": beams,
                        "confidences": [1.0] * len(own), "nlls": own,
                    }
                )  # fmt: skip
    return place


def test_a_better_trial_is_told_with_its_interval_on_paired_images(tmp_path: Path) -> None:
    kept = {1: [0.3, 0.5, 0.4, 0.6], 2: [0.2, 0.4, 0.3, 0.5]}
    run = load(a_run(tmp_path / "run", [0.9, 0.45, 0.35], kept=kept))
    found = gain(run, "crnn")
    assert found.better
    assert (found.start_s, found.found_s) == (20.0, 30.0)
    assert found.lower is not None
    # The images differ much, and by the same in both: paired, the difference is certain.
    assert (found.lower.low, found.lower.high) == pytest.approx((0.1, 0.1))
    line = found.describe("crnn")
    assert line is not None
    assert line.startswith("crnn: crnn-002 (valid_nll 0.3500, after 0.5 min) is better than ")
    assert "0.1000 nats lower, 95 % 0.1000 to 0.1000 over 4 images" in line
    assert "does not tell" not in line


def test_nothing_is_decided_while_a_trial_is_unfinished(tmp_path: Path) -> None:
    place = a_run(tmp_path / "run", [0.9, 0.45])
    with RunFolder.open(place) as folder:
        epoch(folder, start(folder, 2), 1, 0.3)
    line = str(gain(load(place), "crnn").describe("crnn"))
    assert line.startswith("crnn: not decided while trials are unfinished: the best starting point")
    assert line.endswith(
        "the best other trial crnn-002 (valid_nll 0.3000, unfinished after 1 epoch)"
    )


def test_a_difference_that_may_be_chance_is_called_so(tmp_path: Path) -> None:
    kept = {1: [0.3, 0.5, 0.4, 0.6], 2: [0.9, 0.1, 0.1, 0.3]}
    found = gain(load(a_run(tmp_path / "run", [0.9, 0.45, 0.35], kept=kept)), "crnn")
    assert found.better
    assert "which does not tell them apart" in str(found.describe("crnn"))


@pytest.mark.parametrize("last", [0.45, 0.5])
def test_nothing_better_than_a_starting_point_is_said(tmp_path: Path, last: float) -> None:
    """An equal figure is no gain: the starting point was there before."""
    run = load(a_run(tmp_path / "run", [0.9, 0.45, last]))
    assert not gain(run, "crnn").better
    assert lines(run, ["crnn"]) == [
        "crnn: the search found nothing better than the starting point crnn-001 (valid_nll 0.4500, "
        f"after 0.3 min); its best other trial is crnn-002 (valid_nll {last:.4f}, after 0.5 min)"
    ]


def test_starting_points_alone_and_no_trial_at_all(tmp_path: Path) -> None:
    run = load(a_run(tmp_path / "starts", [0.9, 0.45]))
    assert gain(run, "crnn").found is None
    assert "no trial beyond the starting points; the best of these is crnn-001" in lines(
        run, ["crnn"]
    )[0]  # fmt: skip
    assert lines(load(a_run(tmp_path / "none", [])), ["crnn"]) == []


def test_pauses_between_sessions_do_not_count(tmp_path: Path) -> None:
    place = a_run(tmp_path / "run", [0.9, 0.45, 0.35])
    run = load(place)
    run.about["sessions"] = [
        {"started": FIRST.format(0), "ended": FIRST.format(12)},
        {"started": FIRST.format(25), "ended": None},
    ]
    found = gain(run, "crnn")
    assert (found.start_s, found.found_s) == (12.0, 17.0)


def test_trials_beyond_the_known_points_count_as_found(tmp_path: Path) -> None:
    run = load(a_run(tmp_path / "run", [0.9, 0.5, 0.1, 0.3], known=2))
    found = gain(run, "crnn")
    assert found.start is not None
    assert found.found is not None
    assert (found.start["trial"], found.found["trial"]) == ("crnn-002", "crnn-003")
    assert found.to_json() == {
        "start": {"trial": "crnn-002", "valid_nll": 0.1, "after_s": 30.0},
        "found": {"trial": "crnn-003", "valid_nll": 0.3, "after_s": 40.0},
        "better": False,
        "lower": None,
    }


def test_a_search_for_the_cheapest_compares_costs(tmp_path: Path) -> None:
    run = load(a_run(tmp_path / "run", [0.1, 0.1, 0.1], objective="cost", target_nll=0.2))
    found = gain(run, "crnn")
    assert (found.metric, found.lower) == ("images_seen", None)


def test_of_a_front_no_trial_is_the_best(tmp_path: Path) -> None:
    run = load(a_run(tmp_path / "run", [0.9, 0.45, 0.35], objective="pareto"))
    assert gain(run, "crnn").describe("crnn") is None
    assert lines(run, ["crnn"]) == []


def test_a_trial_that_alone_keeps_to_a_limit_is_better_for_that(tmp_path: Path) -> None:
    """Its NLL may be worse: then no difference of NLL is told."""
    place = a_run(tmp_path / "run", [0.9, 0.2, 0.3], max_gap=0.3)
    lines_of = (place / "epochs.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines_of]
    for row in rows[1:3]:
        row["gap"] = 0.4
    (place / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = gain(load(place), "crnn")
    assert (found.better, found.lower) == (True, None)
    assert str(found.describe("crnn")).endswith(": only the first has gap at most 0.3")
