"""The Python interface: experiments on a real Ray, most with trials that take milliseconds."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler

import search
from captcha_models.data.images import LabelledImages
from search.tuning.task import Task
from tests.search import _fake

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "python.md"

on_ray = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]


def small(**values: Any) -> search.Space:
    return search.Space(
        name="small", arch="pooled", parameters={"lr": FloatDistribution(1e-3, 1e-2, log=True)},
        baseline={"lr": 3e-3}, **values,
    )  # fmt: skip


def quick(task: Task, epoch: int) -> None:
    return None


class TestOnRay:
    pytestmark = on_ray

    def experiment(self, place: Path, images: LabelledImages, **given: Any) -> search.Experiment:
        return search.Experiment(
            images, small(), name="r", runs_dir=place, train=_fake.objective(quick),
            **{"trials": 3, "epochs": 2, "max_concurrent": 1, **given},
        )  # fmt: skip

    def test_a_space_of_ones_own_and_its_leaderboard(
        self, tmp_path: Path, drawn: LabelledImages
    ) -> None:
        run = self.experiment(tmp_path, drawn).run()
        board = run.leaderboard()
        assert len(board) == 3
        assert set(board["space"]) == {"small"}
        assert board["valid_nll"].iloc[0] == board["valid_nll"].min()
        assert len(run.epochs()) == board["epochs"].sum()
        assert search.open_run(tmp_path / "r").leaderboard().equals(board)
        assert run.records.run["spaces"]["small"]["space"]["arch"] == "pooled"

    def test_the_sampler_proposes(self, tmp_path: Path, drawn: LabelledImages) -> None:
        class Always(RandomSampler):
            def sample_independent(self, *given: Any) -> float:
                return 0.00725

        run = self.experiment(tmp_path, drawn, sampler=Always()).run()
        tried = [row["config"]["lr"] for row in run.records.trials.values()]
        assert tried == [3e-3, 0.00725, 0.00725]

    def test_the_scheduler_stops_and_callbacks_hear_of_it(
        self, tmp_path: Path, drawn: LabelledImages
    ) -> None:
        from ray.tune import Callback
        from ray.tune.schedulers import FIFOScheduler, TrialScheduler

        class First(FIFOScheduler):
            def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
                stop = result["epoch"] == 1 and trial.config["number"] > 0
                return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

        heard = tmp_path / "heard"

        class Note(Callback):
            def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **i: Any) -> None:
                with heard.open("a") as file:
                    file.write(f"{trial}\n")

        run = self.experiment(tmp_path, drawn, scheduler=First(), callbacks=[Note()]).run()
        states = [row["state"] for row in run.records.trials.values()]
        assert states == ["completed", "stopped", "stopped"]
        assert heard.read_text().split() == list(run.records.trials)

    def test_an_interrupted_experiment_goes_on(self, tmp_path: Path, drawn: LabelledImages) -> None:
        first = self.experiment(tmp_path, drawn, trials=1).run()
        again = self.experiment(tmp_path, drawn, trials=2).resume()
        assert list(first.records.trials) == ["small-000", "small-001"]
        assert len(again.leaderboard()) == 2

    def test_an_own_objective_and_sampler_go_on(
        self, tmp_path: Path, drawn: LabelledImages
    ) -> None:
        given: dict[str, Any] = {
            "objective": search.Objective(function=lambda m: m.valid_nll, name="own"),
            "sampler": RandomSampler(seed=1),
        }
        self.experiment(tmp_path, drawn, trials=2, **given).run()
        run = self.experiment(tmp_path, drawn, trials=4, **given).resume()
        tried = [row["config"]["lr"] for row in run.records.trials.values()]
        assert len(set(tried)) == 4  # Its seed does not make it draw the same point again.
        assert run.leaderboard()["own"].notna().all()
        with pytest.raises(search.InputError, match="space small differs from that of the run"):
            other = search.Space(
                name="small", arch="pooled", parameters={"lr": FloatDistribution(1e-5, 1e-4)},
                baseline={"lr": 1e-4},
            )  # fmt: skip
            search.Experiment(drawn, other, name="r", runs_dir=tmp_path, **given, trials=5).resume()

    def test_two_spaces_share_no_scheduler(self, tmp_path: Path, drawn: LabelledImages) -> None:
        from ray.tune.schedulers import ASHAScheduler

        other = search.Space(
            name="other", arch="pooled", parameters={"lr": FloatDistribution(1e-3, 1e-2, log=True)},
            baseline={"lr": 1e-2},
        )  # fmt: skip
        scheduler = ASHAScheduler(time_attr="epoch", grace_period=1, max_t=4, reduction_factor=2)
        experiment = search.Experiment(
            drawn, [small(), other], name="r", runs_dir=tmp_path, trials=1, epochs=4,
            scheduler=scheduler, train=_fake.objective(quick), max_concurrent=1,
        )  # fmt: skip
        # The second's only trial is far worse than the first's, and the first of its own rungs.
        assert set(experiment.run().leaderboard()["state"]) == {"completed"}

    def test_failures_are_told_as_errors(self, tmp_path: Path, drawn: LabelledImages) -> None:
        def broken(task: Task, epoch: int) -> float:
            raise ValueError("no such thing")

        experiment = self.experiment(tmp_path, drawn)
        experiment.train = _fake.objective(broken)
        with pytest.raises(RuntimeError, match="every trial failed: ValueError: no such thing"):
            experiment.run()
        with pytest.raises(search.InputError, match="exists: choose another"):
            experiment.run()

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    def test_the_document_runs_as_it_stands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        text = DOCUMENT.read_text(encoding="utf-8")
        blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, flags=re.M)
        code = "\n".join(re.sub(r"^    ", "", block, flags=re.M) for block in blocks)
        exec(compile(code, str(DOCUMENT), "exec"), {"__name__": "document"})
        printed = capfd.readouterr().out
        assert {"first", "second"} <= {path.name for path in (tmp_path / "runs").iterdir()}
        assert "valid_cer" in printed
        assert printed.count("ended: small-") == 3


def test_the_document_is_short() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 80
    assert max(map(len, lines)) <= 100


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, search; search.Space, search.InputError; "
        "print({'torch', 'ray', 'fastai', 'pandas'} & {n.partition('.')[0] for n in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_every_name_is_there() -> None:
    for name in search.__all__:
        assert getattr(search, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = search.nothing


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trial": 3}, "unknown option 'trial'"),
        ({"objective": "valid_speed"}, "must be nll, accuracy, cost, pareto"),
        ({"epochs": 0}, "epochs = 0"),
        ({"name": "../out"}, "a plain name"),
        ({"data": "elsewhere"}, "as the first argument"),
    ],
)
def test_a_wrong_setting_is_told(
    drawn: LabelledImages, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(search.InputError, match=message):
        search.Experiment(drawn, small(), **given)


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_cannot_be_is_told(drawn: LabelledImages) -> None:
    from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining

    for scheduler, message in [
        (ASHAScheduler(metric="valid_nll", mode="min"), "leave metric and mode out"),
        (PopulationBasedTraining(hyperparam_mutations={"lr": [1, 2]}), "takes? one that only"),
    ]:
        with pytest.raises(search.InputError, match=message.replace("takes?", "take")):
            search.Experiment(drawn, small(), scheduler=scheduler)


def test_images_given_as_an_object_are_asked_for_again(
    tmp_path: Path, drawn: LabelledImages
) -> None:
    from search.tuning.plan import load_data
    from search.tuning.settings import Settings

    with pytest.raises(search.InputError, match="were given as an object"):
        load_data(Settings(spaces=("crnn",), data="memory"))


def test_a_place_of_images_is_read_by_the_settings() -> None:
    five, zero = (
        search.Experiment("synthetic:40", small(), synthetic_seed=seed).images.digest
        for seed in (5, 0)
    )
    assert five != zero


def test_a_place_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(search.InputError, match="no run folder"):
        search.open_run(tmp_path / "none")
