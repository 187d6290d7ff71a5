"""Points to begin with, from an earlier run or a file."""

from pathlib import Path

import pytest

from captcha_models.config import read_values
from captcha_models.errors import InputError
from search.store.run_folder import RunFolder
from search.tuning.plan import SpacePlan, plan_spaces
from search.tuning.settings import Settings
from search.tuning.warm_start import warm_start
from tests.search import _runs


def plans(*names: str, **values: object) -> dict[str, SpacePlan]:
    return plan_spaces(Settings.parse({"spaces": names or ("crnn",), **values}))


def toml(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_file_becomes_the_nearest_point_and_it_is_said(tmp_path: Path) -> None:
    values = 'arch = "crnn"\nlr = 0.5\nbatch_size = 19\ntemperature = 2.0\n'
    source = toml(tmp_path / "a.toml", values)
    before = plans()["crnn"]
    plan = warm_start({"crnn": before}, (source,))["crnn"]
    assert plan.space.known[:-1] == before.space.known
    point = plan.space.known[-1]
    assert (point["lr"], point["batch_size"]) == (0.01, 16)
    assert plan.space.contains(plan.space.start(point))
    assert point.keys() <= plan.space.parameters.keys()
    [note] = plan.notes
    assert note.startswith(f"warm start: {source} with ")
    for change in ("lr 0.5 -> 0.01", "batch_size 19 -> 16", "temperature 2.0 -> 1.0"):
        assert change in note


def test_a_choice_the_space_lacks_leaves_the_point_out() -> None:
    from optuna.distributions import CategoricalDistribution

    from spaces.space import Space

    space = Space(
        name="crnn",
        parameters={"normalize": CategoricalDistribution([False])},
        baseline={"normalize": False},
    )
    plan = SpacePlan(space, plans()["crnn"].base)
    warm = warm_start({"crnn": plan}, ("quick",))["crnn"]
    assert warm.space == space
    assert warm.notes == ("warm start: quick is left out: normalize = True: must be one of False",)


def test_what_is_tried_anyway_is_not_tried_twice() -> None:
    warm = warm_start(plans(), ("quick", "zero-shot"))["crnn"]
    assert "is among the first points already" not in warm.notes[1]
    again = warm_start({"crnn": warm}, ("zero-shot",))["crnn"]
    assert again.space == warm.space
    assert "is among the first points already" in again.notes[-1]


def test_pins_stay_and_epochs_follow_only_where_they_vary(tmp_path: Path) -> None:
    source = toml(tmp_path / "a.toml", "epochs = 30\nlr = 0.004\ncut = 6\n")
    point = warm_start(plans(fixed={"cut": "5"}), (source,))["crnn"].space.known[-1]
    assert point["lr"] == 0.004
    assert not {"cut", "epochs"} & point.keys()
    cost = plans(objective="cost", target_nll=0.1, epochs=20)
    assert cost["crnn"].space.baseline["epochs"] == 20
    assert warm_start(cost, (source,))["crnn"].space.known[-1]["epochs"] == 20


def run(path: Path) -> None:
    """Five completed trials, crnn-003 the best, and one that failed."""
    with RunFolder.create(path, _runs.run_json()) as folder:
        for number, nll in enumerate([0.9, 0.5, 0.6, 0.1, 0.7], start=1):
            name = _runs.start(folder, number)
            _runs.epoch(folder, name, 1, nll)
            folder.end_trial(name, "completed")
        folder.end_trial(_runs.start(folder, 9), "failed", "no")


def test_a_run_gives_its_best_trials_best_first(tmp_path: Path) -> None:
    run(tmp_path / "r")
    before = plans("crnn", "pooled")
    after = warm_start(before, (str(tmp_path / "r"),))
    known = after["crnn"].space.known[len(before["crnn"].space.known) :]
    # All three lie beyond the space, and so on the same nearest point.
    assert [point["lr"] for point in known] == [0.01]
    assert [note.split()[3] for note in after["crnn"].notes] == ["crnn-004", "crnn-002", "crnn-003"]
    assert after["pooled"] == before["pooled"]


def test_a_confirmed_configuration_goes_before_the_trials(tmp_path: Path) -> None:
    run(tmp_path / "r")
    toml(tmp_path / "r" / "confirmed" / "crnn.toml", 'arch = "crnn"\nlr = 0.0042\n')
    after = warm_start(plans(), (str(tmp_path / "r"),))["crnn"]
    assert after.space.known[-1]["lr"] == 0.0042
    assert len(after.notes) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('arch = "pooled"\n', "is written for arch 'pooled', not 'crnn'"),
        ("lr = [\n", "is not a TOML configuration"),
        ("lr = -1\n", "lr = -1"),
        ("speed = 3\n", "unknown option 'speed'"),
    ],
)
def test_a_file_for_none_of_the_spaces_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        warm_start(plans(), (toml(tmp_path / "a.toml", text),))
    assert words in str(caught.value)


def test_a_run_without_a_trial_of_the_space_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "r")
    with pytest.raises(InputError, match="the run has no trial of pooled to begin with"):
        warm_start(plans("pooled"), (str(tmp_path / "r"),))
    with pytest.raises(InputError, match="no configuration 'nowhere'"):
        warm_start(plans(), ("nowhere",))


def test_a_shipped_configuration_is_found_by_its_name() -> None:
    assert read_values("quick", "crnn")
    both = warm_start(plans("crnn", "pooled"), ("quick",))
    assert both["crnn"].notes
    assert not both["pooled"].notes
