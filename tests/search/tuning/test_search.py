"""The search on a real Ray, its trials replaced by ones that take milliseconds.

The numbered pitfalls are those of Ray Tune's OptunaSearch that this project works around.
"""

import json
import math
import os
import pickle
import time
import wsgiref.util
from pathlib import Path
from typing import Any, cast

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

import spaces
from captcha_models.errors import InputError, NonFiniteLossError
from search.cluster.address import check_address
from search.cluster.connection import Cluster, Node, Share, current_cluster, share
from search.store.leaderboard import best, counts
from search.store.predictions import read_predictions
from search.store.records import Records, read_run
from search.store.run_folder import RunFolder
from search.store.study import load_studies, write_study
from search.tuning.progress import Progress
from search.tuning.searcher import StudySearcher, rebuild
from search.tuning.settings import Settings
from search.tuning.space_search import SpaceSearch
from search.tuning.stopping import Stopping
from search.tuning.task import Task, Trainable
from search.tuning.tuner import run_trials
from spaces.space import Condition, Space
from tests.search import _fake

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]


def run_of(path: Path, space: Space | None = None, **values: Any) -> SpaceSearch:
    """A new run folder, or an existing one taken up again."""
    space = space or spaces.load("pooled")
    # One worker comes up in half the time of two on a small machine.
    given = {"trials": 3, "epochs": 3, "max_concurrent": 1, **values}
    settings = Settings.parse({"spaces": (space.name,), **given})
    if path.exists():
        folder = RunFolder.open(path)
    else:
        run = {"started": "", "settings": settings.model_dump(mode="json"), "sessions": []}
        folder = RunFolder.create(path, {**run, "spaces": {space.name: {"space": space.to_json()}}})
    folder.update_run(sessions=[*folder.records.run["sessions"], {}])
    return SpaceSearch(folder, space, settings, {"epochs": settings.epochs})


def search(
    path: Path, hook: _fake.Hook, control: Stopping | None = None, space: Space | None = None,
    trains: Trainable | None = None, **values: Any,
) -> tuple[Records, list[FrozenTrial]]:  # fmt: skip
    """Search one space to its end; what the records and the study then say."""
    run = run_of(path, space, **values)
    control = control or Stopping()
    control.start_budget(run.settings.time_budget_s)
    with run.folder as folder, Progress(folder.records, 3, 3) as progress:
        each = share(current_cluster("the tests' Ray"), run.settings)
        run_trials(run, None, each, control, progress, trains or _fake.objective(hook))
    return read_run(path), study_of(path, run.space.name)


def study_of(path: Path, name: str = "pooled") -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=load_studies(path)).trials


def states(records: Records) -> dict[str, str]:
    return {name: row["state"] for name, row in sorted(records.trials.items())}


def agreed(records: Records, trials: list[FrozenTrial]) -> bool:
    """Whether records and study say the same of every trial."""
    words = {"COMPLETE": "completed", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "running"}
    for trial, (name, state) in zip(trials, states(records).items(), strict=True):
        # Without an epoch there is nothing a stopped trial could teach the sampler.
        silent = state == "stopped" and not records.last_epoch(name) and not trial.values
        if words[trial.state.name] != ("failed" if silent else state):
            return False
    return True


def test_baseline_is_trial_0_and_every_epoch_reaches_study_and_records(tmp_path: Path) -> None:
    """Pitfalls 8 and 10: points come through whole; the last report is not lost."""
    records, trials = search(tmp_path / "run", lambda task, epoch: 1.0)
    space = spaces.load("pooled")
    start = space.active(space.baseline)
    assert {k: records.trials["pooled-000"]["config"][k] for k in start} == start
    assert trials[0].params == start
    assert states(records) == dict.fromkeys(["pooled-000", "pooled-001", "pooled-002"], "completed")
    assert agreed(records, trials)
    for trial in trials:
        assert sorted(trial.intermediate_values) == [1, 2, 3]
        assert trial.user_attrs["gap"] == 0.5
        row = records.trials[f"pooled-{trial.number:03d}"]
        space.assert_contains({k: row["config"][k] for k in (*space.fixed, *trial.params)})
        assert row["config"].items() >= trial.params.items()
        assert row["seed"] == trial.number
    assert not (records.path / "ray").exists()
    found = best(records, "pooled")
    assert found
    assert Path(found["model"]).read_text() == "model of epoch 3"
    read = read_predictions(records.path).trials
    assert {name: row["epoch"] for name, row in read.items()} == dict.fromkeys(states(records), 3)
    assert read["pooled-000"]["wrong"] == {"0": "x"}
    assert dashboard(records.path)["study_summaries"][0]["study_name"] == "pooled"


def dashboard(run: Path) -> dict[str, Any]:
    """What optuna-dashboard says of the studies in a run folder."""
    import optuna_dashboard

    write_study(run)
    app = optuna_dashboard.wsgi(f"sqlite:///{run / 'study.db'}")
    status: list[str] = []
    environment: dict[str, Any] = {"QUERY_STRING": ""}
    wsgiref.util.setup_testing_defaults(environment)
    environment["PATH_INFO"] = "/api/studies"
    body = app(environment, lambda code, headers, trace=None: status.append(code))
    assert status == ["200 OK"]
    return cast(dict[str, Any], json.loads(b"".join(body)))


def test_stopped_trials_are_pruned_in_the_study(tmp_path: Path) -> None:
    """Pitfall 1: a low-budget value never counts as a complete trial."""

    def worse_and_worse(task: Task, epoch: int) -> float:
        return {0: 9.0, 1: 1.0, 2: 8.0, 3: 8.5}[task.seed]

    records, trials = search(
        tmp_path / "run", worse_and_worse, trials=4, epochs=8, max_concurrent=1
    )
    assert list(states(records).values()) == ["completed", "completed", "stopped", "stopped"]
    assert agreed(records, trials)
    assert [max(t.intermediate_values) for t in trials] == [8, 8, 4, 4]
    assert [records.last_epoch(name) for name in sorted(records.trials)] == [8, 8, 4, 4]
    assert trials[2].user_attrs["valid_nll"] == 8.0
    assert best(records, "pooled") is not None
    assert best(records, "pooled")["trial"] == "pooled-001"


@pytest.mark.fault(
    "exception in one trial",
    "failed once with its reason; the search goes on",
    lost="that trial",
)
@pytest.mark.fault(
    "loss that is infinite or not a number",
    "failed once with its reason; the search goes on",
    lost="that trial",
)
def test_an_error_and_a_nan_fail_their_trial_once_and_the_search_goes_on(tmp_path: Path) -> None:
    """Pitfall 3: a metric that is not a number would leave its trial running for ever."""
    log = tmp_path / "log"

    def trouble(task: Task, epoch: int) -> float | None:
        with log.open("a") as file:
            file.write(f"{task.seed} {epoch}\n")
        if task.seed == 1 and epoch == 2:
            raise ValueError("first line\nno such thing")
        if task.seed == 2:
            return float("nan")
        if task.seed == 3:
            raise NonFiniteLossError("the loss is inf")
        return None

    records, trials = search(tmp_path / "run", trouble, trials=5)
    assert list(states(records).values())[1:4] == ["failed"] * 3
    assert states(records)["pooled-004"] in ("completed", "stopped")
    assert agreed(records, trials)
    errors = [records.trials[f"pooled-00{i}"]["error"] for i in (1, 2, 3)]
    assert errors[0] == "ValueError: no such thing"
    assert errors[1] == "NonFiniteLossError: valid_nll is nan after epoch 1"
    assert errors[2] == "NonFiniteLossError: the loss is inf"
    assert records.last_epoch("pooled-001") == 1
    begun = [line for line in log.read_text().splitlines() if line in ("1 1", "2 1", "3 1")]
    assert sorted(begun) == ["1 1", "2 1", "3 1"]


@pytest.mark.fault(
    "worker process lost",
    "goes on from its last checkpoint",
    lost="epochs since then (2 of 4)",
)
def test_a_lost_worker_is_tried_again_from_its_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def dies_once(task: Task, epoch: int) -> None:
        with log.open("a") as file:
            file.write(f"{epoch}\n")
        if epoch == 3 and log.read_text().split().count("3") == 1:
            os._exit(1)

    records, trials = search(tmp_path / "run", dies_once, trials=1, epochs=4)
    assert log.read_text().split() == ["1", "2", "3", "3", "4"]  # The rung is at epoch 2.
    assert states(records) == {"pooled-000": "completed"}
    assert agreed(records, trials)
    assert sorted(trials[0].intermediate_values) == [1, 2, 3, 4]


@pytest.mark.fault(
    "worker process lost each time",
    "tried three times, then failed; the search goes on",
    lost="that trial",
)
def test_a_worker_that_is_always_lost_fails_its_trial(tmp_path: Path) -> None:
    def dies(task: Task, epoch: int) -> None:
        if task.seed == 1:
            os._exit(1)

    records, trials = search(tmp_path / "run", dies, trials=2)
    assert states(records) == {"pooled-000": "completed", "pooled-001": "failed"}
    assert records.trials["pooled-001"]["error"]
    assert agreed(records, trials)


def test_a_spent_time_budget_leaves_nothing_running_and_a_model(tmp_path: Path) -> None:
    """Pitfall 4: a budget, or any stopper, would leave trials running in the study."""

    def slow(task: Task, epoch: int) -> None:
        time.sleep(0.2)

    begin = time.monotonic()
    records, trials = search(
        tmp_path / "run", slow, trials=50, epochs=200, time_budget_s=6.0, max_concurrent=2
    )
    assert time.monotonic() - begin < 6 + 10 + 10
    assert 1 <= len(trials) < 50
    assert not any(t.state == TrialState.RUNNING for t in trials)
    assert agreed(records, trials)
    assert set(states(records).values()) == {"stopped"}
    found = best(records, "pooled")
    assert found
    assert found["state"] == "stopped"
    assert 1 <= found["epochs"] < 200
    assert Path(found["model"]).read_text() == f"model of epoch {found['epochs']}"
    assert not (records.path / "ray").exists()


@pytest.mark.fault(
    "trial that hangs past the time budget",
    "cut off, stopped with its epochs so far",
    lost="the epoch that hung",
)
def test_what_hangs_past_the_budget_is_cut_off_and_recorded(tmp_path: Path) -> None:
    def hangs(task: Task, epoch: int) -> None:
        if epoch == 2:
            time.sleep(60)

    class Impatient(Stopping):
        def start_budget(self, budget_s: float | None) -> None:
            # From here on, and not before the worker has come up.
            self._deadline = time.monotonic() + 15
            self._grace = 2.0

    begin = time.monotonic()
    records, trials = search(tmp_path / "run", hangs, Impatient(), trials=2, epochs=4)
    assert time.monotonic() - begin < 50
    assert states(records)["pooled-000"] == "stopped"
    assert agreed(records, trials)
    assert records.trials["pooled-000"]["epochs"] == 1


def test_trials_run_side_by_side(tmp_path: Path) -> None:
    """Pitfall 7: without a limit on concurrency trials would start one by one."""

    def waits_for_the_other(task: Task, epoch: int) -> None:
        (tmp_path / f"{task.seed}").touch()
        until = time.monotonic() + 30
        while not (tmp_path / f"{1 - task.seed}").exists():
            assert time.monotonic() < until, "alone"
            time.sleep(0.02)

    records, _ = search(tmp_path / "run", waits_for_the_other, trials=2, epochs=1, max_concurrent=2)
    assert set(states(records).values()) == {"completed"}


def test_one_worker_and_one_seed_make_the_same_search(tmp_path: Path) -> None:
    """Pitfall 12: reproducible, with one trial at a time."""
    drawn = 1 + len(spaces.load("pooled").known)  # The baseline and known points come first.
    runs = [
        search(tmp_path / name, lambda task, epoch: None, trials=number, epochs=2,
               max_concurrent=1, seed=seed)[0]
        for name, seed, number in [("a", 1, 13), ("b", 1, 13), ("c", 2, drawn + 1)]
    ]  # fmt: skip
    configs = [[row["config"] for row in records.trials.values()] for records in runs]
    assert configs[0] == configs[1]
    assert configs[0][0] == configs[2][0]
    assert configs[0][drawn] != configs[2][drawn]
    assert states(runs[0]) == states(runs[1])


def test_conditional_and_pinned_parameters_reach_the_trial(tmp_path: Path) -> None:
    whole = Space(
        name="crnn",
        parameters={
            "lr": FloatDistribution(1e-4, 1e-2, log=True),
            "cut": IntDistribution(5, 7),
            "rnn_hidden_2": CategoricalDistribution([0, 128]),
            "rnn_dropout": FloatDistribution(0.0, 0.5),
        },
        conditions={"rnn_dropout": Condition("rnn_hidden_2", (128,))},
        baseline={"lr": 3e-3, "cut": 7, "rnn_hidden_2": 128, "rnn_dropout": 0.0},
    )
    space = whole.changed({"cut": 5})
    records, trials = search(tmp_path / "run", lambda t, e: None, space=space, trials=12, epochs=1)
    for trial in trials:
        config = records.trials[f"crnn-{trial.number:03d}"]["config"]
        assert config["cut"] == 5
        assert "cut" not in trial.params
        assert ("rnn_dropout" in trial.params) == (config["rnn_hidden_2"] > 0)
    assert len({t.params["rnn_hidden_2"] > 0 for t in trials}) == 2


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path) -> None:
    """What an interrupt cuts off stays open in study and records, then ends once."""
    control, log = Stopping(), tmp_path / "log"
    holder: dict[str, Any] = {}

    def slow(task: Task, epoch: int) -> None:
        with log.open("a") as file:
            file.write(f"{task.seed} {epoch}\n")
        time.sleep(0.3)

    class Interrupting(Progress):
        def tick(self) -> None:
            if self._records.epochs.get("pooled-001", {}).keys() >= {3}:
                control.interrupted = True

    run = run_of(tmp_path / "run", trials=3, epochs=6, max_concurrent=1)
    control.start_budget(None)
    with run.folder as folder, Interrupting(folder.records, 3, 6) as progress:
        each = share(current_cluster("the tests' Ray"), run.settings)
        run_trials(run, None, each, control, progress, _fake.objective(slow))
    holder["before"] = states(read_run(tmp_path / "run"))
    assert holder["before"] == {"pooled-000": "completed", "pooled-001": "running"}
    assert [t.state.name for t in study_of(tmp_path / "run")] == ["COMPLETE", "RUNNING"]
    assert best(read_run(tmp_path / "run"), "pooled")["trial"] == "pooled-000"
    assert counts(read_run(tmp_path / "run"), "pooled")["unfinished"] == 1

    records, trials = search(
        tmp_path / "run", lambda t, e: slow(t, e), trials=3, epochs=6, max_concurrent=1
    )
    assert len(trials) == 3
    assert agreed(records, trials)
    assert "running" not in states(records).values()
    done = log.read_text().splitlines()
    assert done.count("0 1") == 1
    # The rung at epoch 3 left a checkpoint.
    assert [done.count(f"1 {epoch}") for epoch in (1, 2, 3)] == [1, 1, 1]
    assert trials[1].params.items() <= records.trials["pooled-001"]["config"].items()


class TestAfterAKill:
    """Pitfall 5: a kill falls between two rows; what the tables say is what goes on."""

    def prepare(self, path: Path) -> SpaceSearch:
        records, trials = search(path, lambda t, e: 1.0, trials=3, max_concurrent=1)
        assert agreed(records, trials)
        return run_of(path, trials=4)

    def goes_on(self, path: Path, **values: Any) -> tuple[Records, list[FrozenTrial], list[int]]:
        begun = path.parent / "begun"
        begun.touch()

        def note(task: Task, epoch: int) -> float:
            with begun.open("a") as file:
                file.write(f"{task.seed}\n")
            return 1.0

        given = {"trials": 4, "max_concurrent": 1, **values}
        records, trials = search(path, note, **given)
        assert agreed(records, trials)
        assert len(trials) == given["trials"]
        seeds = [int(line) for line in begun.read_text().split()]
        return records, trials, sorted(set(seeds))

    def drop_last_row(self, file: Path, rows: int = 1) -> None:
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[:-rows]))

    @pytest.mark.fault("kill between two rows of a trial", "the tables alone say what goes on")
    def test_the_row_that_ends_a_whole_trial_is_lost(self, tmp_path: Path) -> None:
        path = tmp_path / "run"
        self.prepare(path).folder.close()
        self.drop_last_row(path / "trials.jsonl")
        assert read_run(path).trials["pooled-002"]["state"] == "running"
        records, _, begun = self.goes_on(path)
        assert begun == [3]
        assert states(records)["pooled-002"] == "completed"

    @pytest.mark.fault("kill between two rows of a trial", "the tables alone say what goes on")
    def test_the_row_that_ends_a_stopped_trial_is_lost(self, tmp_path: Path) -> None:
        """The scheduler decides once more on the same reports, in the same order."""
        path, given = tmp_path / "run", {"trials": 3, "epochs": 8, "max_concurrent": 1}
        values = [1.0, 2.0, 9.0]
        before, _ = search(path, lambda task, epoch: values[task.seed], **given)
        assert states(before)["pooled-002"] == "stopped"
        self.drop_last_row(path / "trials.jsonl")
        records, _, begun = self.goes_on(path, **given)
        assert begun == []
        for key in ("state", "epochs", "reason"):
            assert records.trials["pooled-002"][key] == before.trials["pooled-002"][key]

    @pytest.mark.fault("kill between two rows of a trial", "the tables alone say what goes on")
    def test_all_epochs_but_no_end(self, tmp_path: Path) -> None:
        path = tmp_path / "run"
        run = self.prepare(path)
        run.start_point(3, run.space.active(run.space.baseline))
        for epoch in (1, 2, 3):
            row = _fake.metrics(epoch, 0.25).as_dict()
            run.folder.add_epoch(trial="pooled-003", checkpoint=None, **row)
        run.folder.close()
        records, trials, begun = self.goes_on(path)
        assert begun == []
        assert trials[3].value == 0.25
        assert states(records)["pooled-003"] == "completed"

    @pytest.mark.fault("kill between two rows of a trial", "the tables alone say what goes on")
    def test_suggested_but_not_begun(self, tmp_path: Path) -> None:
        path = tmp_path / "run"
        run = self.prepare(path)
        point = run.space.active({**run.space.baseline, "lr": 0.00123})
        run.start_point(3, point)
        run.folder.close()
        records, trials, begun = self.goes_on(path)
        assert begun == [3]
        assert trials[3].params == point
        assert records.trials["pooled-003"]["config"]["lr"] == 0.00123

    @pytest.mark.fault("kill between two rows of a trial", "the tables alone say what goes on")
    def test_a_number_without_a_row_is_drawn_again(self, tmp_path: Path) -> None:
        """Earlier versions wrote a trial's row when it began, later ones when it is suggested."""
        path = tmp_path / "run"
        run = self.prepare(path)
        run.start_point(4, run.space.active(run.space.baseline))
        run.folder.close()
        records, _, begun = self.goes_on(path, trials=5)
        assert begun == [3, 4]
        assert set(states(records).values()) == {"completed"}


def test_the_study_that_learns_is_the_one_the_tables_give(tmp_path: Path) -> None:
    """While a search runs its study is told trial by trial; a resumed one is rebuilt."""
    values = {0: 9.0, 1: 1.0, 2: 8.0, 3: 8.5, 4: 0.5, 5: math.nan}
    run = run_of(tmp_path / "run", trials=6, epochs=8, max_gap=0.1)
    learnt: list[Study] = []

    class Seen(SpaceSearch):
        def searcher(self, stopping: Stopping) -> Any:
            found = super().searcher(stopping)
            assert found and isinstance(found[0], StudySearcher)
            learnt.append(found[0].study)
            return found

    seen = Seen(run.folder, run.space, run.settings, run.base)
    stopping = Stopping()
    with run.folder as folder, Progress(folder.records, 6, 8) as progress:
        each = share(current_cluster("the tests' Ray"), run.settings)
        hook = _fake.objective(lambda task, epoch: values[task.seed])
        run_trials(seen, None, each, stopping, progress, hook)
    own = SpaceSearch(run.folder, run.space, run.settings, run.base)
    rebuilt = rebuild(own, [])[0].trials[: len(values)]
    live = [t for t in learnt[0].trials if t.state != TrialState.WAITING]
    assert {t.state.name for t in live} == {"COMPLETE", "PRUNED"}
    assert [t.state.name for t in study_of(tmp_path / "run")].count("FAIL") == 1
    for one, other in zip(live, rebuilt, strict=True):
        for part in ("number", "state", "values", "params", "distributions", "constraints"):
            assert getattr(one, part) == getattr(other, part), part
        assert one.intermediate_values == other.intermediate_values
        assert one.user_attrs == other.user_attrs


def test_the_searcher_pickles_nothing_of_ours(tmp_path: Path) -> None:
    """Pitfall 6: a space that cannot be pickled would kill the run at Ray's first snapshot."""
    run = run_of(tmp_path / "run")
    with run.folder:
        found = run.searcher(Stopping())
        assert found
        assert type(pickle.loads(pickle.dumps(found[0]))) is object
        found[0].save(str(tmp_path / "snapshot"))
        assert (tmp_path / "snapshot").read_bytes() == b""


def test_a_request_that_never_fits_is_refused_and_says_what_is_missing() -> None:
    def asked(cluster: Cluster, **values: Any) -> Share:
        return share(cluster, Settings.parse({"spaces": ("crnn",), "trials": 20, **values}))

    here = current_cluster("the tests' Ray")
    assert here.nodes == (Node(2.0, 0.0),)
    with pytest.raises(InputError, match=r"asks for 4 GPU on one machine, but the tests' Ray has"):
        asked(here, gpus_per_trial=4)
    with pytest.raises(InputError, match="asks for 3 CPUs"):
        asked(here, cpus_per_trial=3)
    apart = Cluster("two machines", (Node(1, 1), Node(4, 0)))
    with pytest.raises(InputError, match="1 GPU together with 2 CPUs"):
        asked(apart, gpus_per_trial=1, cpus_per_trial=2)
    many = Cluster("a machine", (Node(16, 2),))
    assert asked(many) == Share(cpus=4, gpus=1.0, concurrent=2)
    assert asked(many, gpus_per_trial="1/3") == Share(cpus=2, gpus=0.3333, concurrent=6)
    assert asked(many, gpus_per_trial=0) == Share(cpus=1, gpus=0.0, concurrent=16)


def test_nothing_answers_at_the_address() -> None:
    with pytest.raises(InputError, match=r"no Ray answers at 127\.0\.0\.1:1"):
        check_address("127.0.0.1:1")
