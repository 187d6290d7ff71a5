"""Who is confirmed and who wins, from records written by hand."""

from pathlib import Path
from typing import Any

import spaces
from captcha_models.architectures import config_class
from search.confirmation.candidates import FRESH, Candidate, Plan, candidates, confirm
from search.confirmation.terminal import gained
from search.store.records import Records
from search.store.run_folder import RunFolder
from tests.search import _runs
from tests.search.confirmation.test_summary import row

PLAN = Plan(top=2, seeds=2, test_seeds=1, baseline_epochs=None, seed=3)


def write(path: Path) -> Records:
    """Trials 0 (baseline) to 4: 4 failed, 3 is 1 again, 2 was stopped."""
    run = _runs.run_json()
    base = config_class("crnn").parse({"epochs": 2}).model_dump()
    run["spaces"]["crnn"] = {"base": base, "space": spaces.load("crnn-wide").to_json()}
    with RunFolder.create(path, run) as folder:
        for number, lr, nll, state in (
            (0, 3e-3, 0.9, "completed"), (1, 1e-3, 0.5, "completed"), (2, 2e-3, 0.1, "stopped"),
            (3, 1e-3, 0.6, "completed"), (4, 5e-3, 0.2, "failed"),
        ):  # fmt: skip
            name = _runs.start(folder, number)
            folder.add_trial(**{**folder.records.trials[name], "config": {**base, "lr": lr}})
            _runs.epoch(folder, name, 1, nll)
            folder.end_trial(name, state)  # type: ignore[arg-type]
        return folder.records


def test_the_best_different_ones_and_the_baseline(tmp_path: Path) -> None:
    records = write(tmp_path / "run")
    found = candidates(records, "crnn", PLAN)
    assert [(one.name, one.baseline, one.search_nll) for one in found] == [
        ("crnn-001", False, 0.5),
        ("crnn-000", True, 0.9),
    ]
    longer = candidates(records, "crnn", Plan(2, 2, 1, 60, 3))
    assert [one.name for one in longer] == ["crnn-001", "crnn-000", "baseline"]
    assert longer[-1].config["epochs"] == 60
    assert longer[-1].search_nll is None
    more = candidates(records, "crnn", Plan(9, 2, 1, None, 3))
    assert [one.name for one in more] == ["crnn-001", "crnn-000", "crnn-002"]


def test_each_image_is_scored_once_by_fresh_seeds_on_fresh_folds(drawn: Any) -> None:
    one = Candidate("c", "crnn", config_class("crnn")().model_dump(), False, 0.5)
    fits = one.fits(PLAN)
    held = [i for fit in fits for i in fit.split(drawn).valid.tolist()]
    every = fits[0].split(drawn)
    assert sorted(held) == sorted([*every.train.tolist(), *every.valid.tolist()])
    assert all(fit.seed >= FRESH and fit.split_seed >= FRESH for fit in fits)
    judging = one.test_fits(PLAN, 1.23456)
    assert [fit.fold for fit in judging] == [None]
    assert judging[0].config["temperature"] == 1.2346
    assert not {fit.seed for fit in fits} & {fit.seed for fit in judging}


def test_the_choice() -> None:
    base = config_class("crnn")().model_dump()
    cheap, dear, broken = (Candidate(n, "crnn", base, False, 0.2) for n in ("cheap", "dear", "b"))

    def own(shift: float, passes: int) -> list[dict[str, Any]]:
        nlls = {"ab": 1.0 + shift, "cd": 2.0 - 2 * shift, "ef": 0.5, "gh": 0.1}
        return [{**row(0, 0, nlls, {}), "images_seen": passes}]

    found = confirm([cheap, dear, broken], [own(0.0, 100), own(0.4, 900), [None]], None)
    assert found["best"] == "dear"
    assert found["chosen"] == "cheap"
    assert found["failed"] == ["b"]
    assert [line["name"] for line in found["candidates"]] == ["dear", "cheap"]
    assert [line["within_one_standard_error"] for line in found["candidates"]] == [True, True]
    sure = confirm([cheap, dear], [own(0.0, 100), own(0.0, 900)], target_nll=0.1)
    assert sure["chosen"] == "cheap"
    none = confirm([broken], [[None]], None)
    assert (none["chosen"], none["candidates"]) == (None, [])


def test_two_trainings_confirm_nothing_and_three_tell() -> None:
    base = config_class("crnn")().model_dump()
    good, plain = (Candidate(n, "crnn", base, n == "plain", 0.2) for n in ("good", "plain"))

    def own(nll: float, count: int) -> list[dict[str, Any]]:
        labels = [f"{chr(97 + i)}{chr(97 + j)}" for i in range(12) for j in range(12)]
        noise = [{name: nll + 0.01 * (i % 3) for i, name in enumerate(labels)} for _ in range(1)]
        return [{**row(i, i, noise[0], {}), "images_seen": 100} for i in range(count)]

    for count, confirmed in ((2, False), (3, True)):
        found = confirm([good, plain], [own(0.1, count), own(0.9, count)], None)
        assert found["chosen"] == "good"
        assert found["verdict"]["confirmed"] is confirmed
    lost = confirm([good, plain], [own(0.1, 3), [None]], None)
    assert lost["verdict"] == {
        "confirmed": False, "num_fits": 3,
        "says": "the baseline has lost a training, so there is nothing to compare",
    }  # fmt: skip


def gain_of(found: float, start: float) -> dict[str, Any] | None:
    """Of a candidate that was found, beside a starting point and a worse one."""
    base = config_class("crnn")().model_dump()
    # The second that was found did worse in the search, and is luckier now.
    kinds = {"c": (False, found), "d": (False, found - 0.05), "s": (True, start),
             "baseline": (True, start + 1)}  # fmt: skip
    rows = []
    for _, shift in kinds.values():
        rows.append([row(0, 0, {f"i{n}": 1.0 + shift + n % 3 * 0.01 for n in range(30)}, {})])
    them = [Candidate(n, "crnn", base, n == "baseline", 0.2, s) for n, (s, _) in kinds.items()]
    gain: dict[str, Any] | None = confirm(them, rows, None)["gain"]
    return gain


def test_what_was_found_is_compared_with_the_best_starting_point() -> None:
    better, worse, alike = gain_of(0.1, 0.3), gain_of(0.4, 0.3), gain_of(0.3, 0.3)
    assert better
    assert worse
    assert alike
    assert (better["found"], better["start"]) == ("c", "s")
    assert abs(better["nll"]["mean"] + 0.2) < 1e-9
    assert gained(better).startswith("the search found c, which is better than the starting point")
    assert "0.2000 nats lower" in gained(better)
    assert gained(worse).startswith("the search found nothing better than the starting point s")
    assert "0.1000 nats higher" in gained(worse)
    assert "cannot be told apart" in gained(alike)
    assert "and the baseline cannot" in gained({**alike, "start": "baseline"})


def test_one_of_either_kind_is_retrained_where_it_had_its_full_budget(tmp_path: Path) -> None:
    run = _runs.run_json()
    base = config_class("crnn").parse({"epochs": 2}).model_dump()
    table = spaces.load("crnn-wide")
    run["spaces"]["crnn"] = {"base": base, "space": table.to_json()}
    first = len(table.known) + 1
    with RunFolder.create(tmp_path / "run", run) as folder:
        for number, nll, state in (
            (1, 0.5, "completed"), (first, 0.3, "stopped"), (first + 1, 0.7, "completed"),
            (first + 2, 0.8, "completed"),
        ):  # fmt: skip
            name = _runs.start(folder, number)
            config = {**base, "lr": 1e-3 + number * 1e-4}
            folder.add_trial(**{**folder.records.trials[name], "config": config})
            _runs.epoch(folder, name, 1, nll)
            folder.end_trial(name, state)  # type: ignore[arg-type]
        found = candidates(folder.records, "crnn", Plan(1, 2, 1, None, 3))
    # The best proposal was stopped early: the best of those that were not stands for them.
    assert [(one.name, one.start) for one in found] == [
        ("crnn-001", True), (f"crnn-{first + 1:03d}", False), ("baseline", True),
    ]  # fmt: skip
