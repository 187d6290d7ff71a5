"""Whole sessions in this process: what is checked, exit codes, several spaces, resuming."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

import spaces
from captcha_models.errors import InputError
from search.store.leaderboard import summary
from search.store.records import read_run
from search.tuning.search_session import SearchSession
from search.tuning.settings import IN_MEMORY, MOST_PASSES, PASSES, Settings
from search.tuning.task import Task
from tests.labelled import DIGITS, plain, texts
from tests.search import _fake

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]


def quick(task: Task, epoch: int) -> None:
    return None


def session(place: Path, hook: _fake.Hook = quick) -> tuple[SearchSession, list[str]]:
    said: list[str] = []
    return SearchSession(place, said.append, train=_fake.objective(hook)), said


def settings(**values: Any) -> Settings:
    given = {"spaces": ("crnn",), "data": "synthetic:60", "trials": 2, "epochs": 2}
    return Settings.parse({**given, "max_concurrent": 1, **values})


def test_all_spaces_one_after_another_in_one_study_file(tmp_path: Path) -> None:
    import optuna

    place = tmp_path / "runs" / "r"
    now, said = session(place)
    names = ("crnn", "pooled", "spatial")
    assert now.begin(settings(spaces=names, fixed={"aux_weight": "0.3"})) == 0
    fitted = [f"space {name}" for name in names]
    heads = [line.split(":")[0] for line in said]
    assert heads == ["data", "split", "ray", "budget", *fitted, "run"]
    assert "60 images from generator" in said[0]
    assert "are the locked test set" in said[1]
    found = summary(read_run(place))
    json.dumps(found, allow_nan=False)
    for name in names:
        part = found["spaces"][name]
        assert part["trials"]["completed"] + part["trials"]["stopped"] == 2
        assert part["best"]["config"]["epochs"] == 2
        assert ("aux_weight" in part["best"]["config"]) == (name == "crnn")
        assert Path(part["best"]["model"]).read_text() == "model of epoch 2"
    assert found["spaces"]["crnn"]["best"]["config"]["aux_weight"] == 0.3
    run = read_run(place).run
    assert run["data"]["num_images"] == 60
    assert len(run["data"]["digest"]) == 64
    assert run["split"]["num_test"] > 0
    assert {"python", "ray", "optuna", "torch"} <= run["versions"].keys()
    assert run["sessions"][0]["ended"]
    assert set(optuna.get_all_study_names(f"sqlite:///{place / 'study.db'}")) == set(names)


def test_two_spaces_of_one_architecture_are_two_searches_of_one_run(tmp_path: Path) -> None:
    import optuna

    (tmp_path / "own.py").write_text(
        "from optuna.distributions import FloatDistribution\n"
        "from spaces.space import Space\n"
        "SMALL = Space('small', {'lr': FloatDistribution(1e-3, 3e-3)}, {'lr': 2e-3}, arch='pooled')"
    )
    archs = tmp_path / "archs"

    def note(task: Task, epoch: int) -> None:
        with archs.open("a") as file:
            file.write(f"{task.arch} {'head_size' in task.config}\n")

    place = tmp_path / "runs" / "r"
    now, _ = session(place, note)
    two = ("pooled", f"{tmp_path / 'own.py'}:SMALL")
    assert now.begin(settings(spaces=two, fixed={"lr": "1.5e-3..2.5e-3"})) == 0
    records = read_run(place)
    found = summary(records)["spaces"]
    assert list(found) == ["pooled", "small"]
    assert set(archs.read_text().splitlines()) == {"pooled True"}
    for name, part in found.items():
        assert part["trials"]["completed"] + part["trials"]["stopped"] == 2
        assert part["best"]["model"] == str(place / "best" / name / "model.safetensors")
        assert part["best"]["trial"].startswith(f"{name}-00")
        # The architecture's own default where the space does not vary it.
        assert part["best"]["config"]["head_size"] == 512
    # The baseline of one was moved into the range, that of the other lies in it.
    assert records.trials["pooled-000"]["config"]["lr"] == 2.5e-3
    assert records.trials["small-000"]["config"]["lr"] == 2e-3
    assert records.run["spaces"]["small"]["space"]["arch"] == "pooled"
    names = optuna.get_all_study_names(f"sqlite:///{place / 'study.db'}")
    assert set(names) == {"pooled", "small"}
    # The space is recorded: a resumed search does not need its file.
    (tmp_path / "own.py").unlink()
    assert session(place)[0].resume({"trials": 3}) == 0
    assert summary(read_run(place))["spaces"]["small"]["trials"]["unfinished"] == 0
    assert read_run(place).run["settings"]["fixed"] == {"lr": "1.5e-3..2.5e-3"}
    lrs = [row["config"]["lr"] for row in read_run(place).trials.values()]
    assert len(lrs) == 6
    assert all(1.5e-3 <= lr <= 2.5e-3 for lr in lrs)


def test_exit_code_1_when_all_trials_fail(tmp_path: Path) -> None:
    def fails(task: Task, epoch: int) -> None:
        raise ValueError("no")

    now, _ = session(tmp_path / "r", fails)
    assert now.begin(settings()) == 1
    ended = json.loads((tmp_path / "r" / "status.json").read_text())
    assert (ended["state"], ended["last_error"]["error"]) == ("failed", "ValueError: no")
    found = summary(read_run(tmp_path / "r"))["spaces"]["crnn"]
    assert found == {
        "trials": {"completed": 0, "stopped": 0, "failed": 2, "unfinished": 0},
        "best": None,
    }


def test_exit_code_0_when_the_budget_is_spent_and_later_spaces_get_their_part(
    tmp_path: Path,
) -> None:
    def slow(task: Task, epoch: int) -> None:
        time.sleep(0.1)

    now, _ = session(tmp_path / "r", slow)
    names = ("crnn", "pooled")
    assert now.begin(settings(spaces=names, epochs=5000, time_budget_s=14.0)) == 0
    for name in names:
        found = summary(read_run(tmp_path / "r"))["spaces"][name]
        assert found["trials"]["stopped"] >= 1
        assert found["trials"]["unfinished"] == 0
        assert found["best"]["state"] == "stopped"


def test_more_gpus_than_there_are_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    now, _ = session(tmp_path / "runs" / "r")
    with pytest.raises(
        InputError, match=r"each trial asks for 64 GPU on one machine, but .* no GPU"
    ):
        now.begin(settings(gpus_per_trial=64))
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def finished(ray: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "r"
    assert session(place)[0].begin(settings()) == 0
    return place


def test_resuming_a_finished_run_does_nothing_again(finished: Path) -> None:
    before = (finished / "trials.jsonl").read_bytes()
    assert session(finished)[0].resume({}) == 0
    assert (finished / "trials.jsonl").read_bytes() == before


def test_a_resumed_run_may_be_given_more_trials(finished: Path) -> None:
    before = read_run(finished).trials
    assert session(finished)[0].resume({"trials": 3}) == 0
    after = read_run(finished)
    assert after.trials.keys() - before.keys() == {"crnn-002"}
    assert before.items() <= after.trials.items()
    assert after.run["settings"]["trials"] == 3


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"epochs": 5}, "--epochs 5 contradicts the run, which was started with 2"),
        ({"spaces": ("pooled",)}, "contradicts the run"),
        ({"seed": 9}, "--seed 9 contradicts"),
        ({"objective": "accuracy"}, "--objective 'accuracy' contradicts"),
        ({"max_gap": 0.1}, "--at-most gap 0.1 contradicts"),
        ({"target_nll": 0.1}, "--at-most valid_nll=0.1 is for --objective cost, not nll"),
        ({"max_trial_images_seen": 9}, "--at-most images_seen 9 contradicts"),
        ({"warm_start": ("quick",)}, "--warm-start ('quick',) contradicts"),
        ({"fixed": {"cut": "5"}}, "contradicts"),
        ({"trials": 1}, "--trials 1: the run has"),
        ({"data": "synthetic:61"}, "the images differ"),
    ],
)
def test_a_resumed_run_refuses_what_contradicts_it(
    finished: Path, changes: dict[str, Any], text: str
) -> None:
    before = (finished / "run.json").read_bytes()
    with pytest.raises(InputError) as caught:
        session(finished)[0].resume(changes)
    assert text in str(caught.value)
    assert (finished / "run.json").read_bytes() == before


def test_a_search_of_other_images_is_fitted_to_them_and_resumed_with_what_it_was(
    tmp_path: Path,
) -> None:
    """Numbers of mixed length that the generator does not draw, and a space given as an object."""
    images = plain(texts(300, DIGITS, (3, 4, 7)), size=(120, 40))
    crnn = spaces.load("crnn")
    said: list[str] = []

    def new() -> SearchSession:
        train = _fake.objective(quick)
        return SearchSession(tmp_path / "r", said.append, train=train, images=images,
                             spaces=(crnn,))  # fmt: skip

    given = settings(data=IN_MEMORY, trials=3).model_dump(exclude={"epochs"}, exclude_unset=True)
    assert new().begin(Settings.parse(given)) == 0
    records = read_run(tmp_path / "r")
    num_train = records.run["split"]["num_train"]
    epochs = min(round(PASSES / num_train), MOST_PASSES)
    assert epochs > 12
    (budget,) = (line for line in said if line.startswith("budget: "))
    assert budget == (
        f"budget: 3 trials of {epochs} epochs for each space (so many epochs for {num_train} "
        "training images; defaults; change them with --epochs)"
    )
    (note,) = (line for line in said if line.startswith("space crnn: fitted"))
    assert "fixed_length false (labels have 3 to 7 characters)" in note
    assert records.run["settings"]["epochs"] == epochs
    assert any(line.startswith("generated images: printed lines, no captchas") for line in said)
    assert {row["config"]["epochs"] for row in records.trials.values()} == {epochs}
    assert all(row["state"] != "failed" for row in records.trials.values())
    assert new().resume({"trials": 4}) == 0
    assert len(read_run(tmp_path / "r").trials) == 4


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"spaces": ("vit",)}, "no space 'vit': choose crnn, crnn-wide, pooled, "),
        ({"fixed": {"depth": "3"}}, "--set depth: unknown; known are"),
        ({"fixed": {"epochs": "3"}}, "--set epochs: use --epochs"),
        ({"spaces": ("pooled",), "fixed": {"rnn_dropout": "0"}}, "--set rnn_dropout: unknown"),
        ({"fixed": {"lr": "fast"}}, "lr = 'fast'"),
        ({"data": "/no/such/place"}, "/no/such/place"),
    ],
)
def test_wrong_input_is_named_and_leaves_nothing(
    tmp_path: Path, values: dict[str, Any], text: str
) -> None:
    with pytest.raises(InputError) as caught:
        session(tmp_path / "runs" / "r")[0].begin(settings(**values))
    assert text in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.fault(
    "trial that hangs (no time budget)",
    "started again from its last checkpoint after --stall",
    lost="epochs since then (1 of 4)",
)
def test_a_silent_trial_is_said_to_be_and_started_again(tmp_path: Path) -> None:
    """It hangs once after its checkpoint; the second attempt goes on from there."""
    mark = tmp_path / "hung"

    def hangs_once(task: Task, epoch: int) -> None:
        if epoch == 4 and task.seed == 0 and not mark.exists():
            mark.touch()
            time.sleep(600)

    now, said = session(tmp_path / "r", hangs_once)
    assert now.begin(settings(epochs=4, trials=1, stall_s=6.0, prices="3600")) == 0
    assert mark.exists()
    (line,) = (line for line in said if "has not reported" in line)
    # On a busy machine it may be noticed somewhat later.
    assert re.match(r"crnn-000 has not reported for 0\.\d min: it is started again", line)
    records = read_run(tmp_path / "r")
    row = records.trials["crnn-000"]
    assert (row["state"], row["epochs"]) == ("completed", 4)
    assert row["cost"] > 0
    assert row["gpu_seconds"] == 0
    # One machine at one unit a second, from the first look to the last.
    assert 6 < records.run["sessions"][0]["cost"] < 100


def test_a_run_that_has_cost_enough_stops(tmp_path: Path) -> None:
    def slow(task: Task, epoch: int) -> None:
        time.sleep(0.1)

    now, _ = session(tmp_path / "r", slow)
    assert now.begin(settings(epochs=5000, prices="3600", max_cost=8.0)) == 0
    row = read_run(tmp_path / "r").trials["crnn-000"]
    assert (row["state"], row["reason"]) == ("stopped", "the cost limit of the run was reached")
