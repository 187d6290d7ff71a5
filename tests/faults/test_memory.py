"""Memory used up by one trial, the machine's or a GPU's, and workers killed from outside."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from captcha_models.architectures import build, config_class
from captcha_models.data.images import LabelledImages
from captcha_models.training import evaluation
from search.store.records import read_run
from search.tuning.task import Task
from tests.search.tuning.test_search import agreed, search, states

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


@pytest.mark.usefixtures("ray")
@pytest.mark.fault(
    "machine's memory used up by one trial (MemoryError under a limit)",
    "tried three times, then failed with its reason; the search goes on",
    lost="that trial",
)
def test_memory_used_up_fails_its_trial_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def greedy(task: Task, epoch: int) -> None:
        if task.seed == 1 and epoch == 2:
            with log.open("a") as file:
                file.write("tried\n")
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
            np.ones(2**27)

    records, trials = search(tmp_path / "run", greedy, trials=3)
    assert states(records)["pooled-001"] == "failed"
    assert "Unable to allocate 1.00 GiB" in records.trials["pooled-001"]["error"]
    assert log.read_text().count("tried") == 3
    assert states(records)["pooled-000"] == "completed"
    # Whether the third is stopped at a rung lies with the point that was drawn for it.
    assert states(records)["pooled-002"] in ("completed", "stopped")
    assert agreed(records, trials)


@pytest.mark.usefixtures("ray")
@pytest.mark.fault(
    "worker process lost", "goes on from its last checkpoint", lost="epochs since then (2 of 4)"
)
def test_a_worker_killed_hard_as_the_kernel_does_without_memory(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def killed_once(task: Task, epoch: int) -> None:
        with log.open("a") as file:
            file.write(f"{epoch}\n")
        if epoch == 3 and log.read_text().split().count("3") == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    records, trials = search(tmp_path / "run", killed_once, trials=1, epochs=4)
    assert log.read_text().split() == ["1", "2", "3", "3", "4"]
    assert states(records) == {"pooled-000": "completed"}
    assert trials[0].state.name == "COMPLETE"
    assert sorted(trials[0].intermediate_values) == [1, 2, 3, 4]


@pytest.mark.usefixtures("ray")
@pytest.mark.fault(
    "GPU out of memory in training",
    "tried again with twice the share of the GPU, then failed with its reason",
    lost="that trial",
)
def test_a_gpu_without_memory_fails_its_trial_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def greedy(task: Task, epoch: int) -> None:
        if task.seed == 1:
            with log.open("a") as file:
                file.write("tried\n")
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    records, trials = search(tmp_path / "run", greedy, trials=2)
    assert states(records) == {"pooled-000": "completed", "pooled-001": "failed"}
    error = records.trials["pooled-001"]["error"]
    assert "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB" in error
    assert log.read_text().count("tried") == 3
    assert agreed(records, trials)


@pytest.mark.long
@pytest.mark.timeout(200)
@pytest.mark.fault(
    "GPU out of memory in training",
    "tried again with twice the share of the GPU, then failed with its reason",
    lost="that trial",
)
def test_a_trial_is_tried_again_with_twice_the_share(tmp_path: Path) -> None:
    """On a Ray that believes in a GPU: a quarter, a half, all of it; from the last checkpoint."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults._share"]
    places = [str(tmp_path / "run"), str(tmp_path / "log")]
    root = Path(__file__).parents[2]
    done = subprocess.run([*command, *places], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").read_text().split() == ["0.25", "0.25", "0.5", "1"]
    records = read_run(tmp_path / "run")
    assert states(records) == {"pooled-000": "completed"}
    assert records.last_epoch("pooled-000") == 2


@pytest.mark.fault("GPU out of memory in evaluation", "evaluated again in smaller batches")
def test_evaluation_halves_its_batches_until_they_fit(
    drawn: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, labels = torch.from_numpy(drawn.pixels[:40]), drawn.labels[:40]
    torch.manual_seed(0)
    config = config_class("crnn").parse({"cut": 5, "rnn_hidden_1": 16, "rnn_hidden_2": 0})
    model = build(config, drawn.charset, 5, (50, 200)).eval()
    monkeypatch.setattr(evaluation, "BATCH_SIZE", 32)
    whole = evaluation.evaluate(model, pixels, labels, search=False, calibrate=True)
    forward, sizes = model.forward, []

    def small(images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(images)

    monkeypatch.setattr(model, "forward", small)
    found = evaluation.evaluate(model, pixels, labels, search=False, calibrate=True)
    assert sizes == [32, 16, 8, 8, 8, 8, 8]
    assert found.predictions == whole.predictions
    assert found.nlls == pytest.approx(whole.nlls, rel=1e-4)

    monkeypatch.setattr(model, "forward", lambda images: small(images.repeat(9, 1, 1, 1)))
    with pytest.raises(torch.OutOfMemoryError):
        evaluation.evaluate(model, pixels, labels, search=False)
