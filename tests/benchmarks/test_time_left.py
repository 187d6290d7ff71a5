"""The estimate beside the truth: from whole searches alone, and nearer towards their ends."""

from pathlib import Path

import pytest

from benchmarks.time_left import Timed, draw, moments
from captcha_models.errors import InputError
from search.store.estimate import Watched
from search.store.records import read_run

RESULTS = Path(__file__).parents[2] / "results"


def test_what_was_known_of_a_trial_grows_with_its_reports() -> None:
    trial = Timed(4, 10.0, 100.0, (30.0, 50.0, 70.0), is_baseline=False)
    assert trial.at(50.0) == Watched(4, 0, False, since_s=40.0)
    assert trial.at(85.0) == Watched(4, 2, False, 50.0, 30.0, 5.0)
    assert trial.at(100.0) == Watched(4, 3, True, 70.0, 30.0, 0.0, 90.0)


def test_the_truth_falls_to_nothing_and_the_estimate_comes_near(tmp_path: Path) -> None:
    found = moments(read_run(RESULTS / "crnn-real"))
    assert [one.time for one in found] == list(range(60, 60 + 30 * len(found), 30))
    assert 0 < found[-1].true < 30
    late = found[len(found) // 2 :]
    assert sum(one.is_near for one in late) > 0.8 * len(late)
    draw({"crnn-real": found}, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_a_search_of_two_sessions_has_no_true_time_left() -> None:
    with pytest.raises(InputError, match="all-real: a search that ended in its first session"):
        moments(read_run(RESULTS / "all-real"))
