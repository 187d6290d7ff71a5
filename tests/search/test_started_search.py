"""Searches whose trials start from a model: every trial does, its confirmation too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import FloatDistribution

import search
from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.training.checkpoint import load_model
from captcha_models.training.fit import fit
from captcha_models.training.initial import keys_of, read_initial
from search.store.listed import ListedTrial
from search.store.records import read_run

TINY = {"cut": 5, "map_to_seq_hidden": 16, "rnn_hidden_1": 16, "rnn_hidden_2": 0, "batch_size": 16}


@pytest.fixture(scope="module")
def model(drawn: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CRNN of a training that ended."""
    rows = np.arange(16)
    split = Split(train=rows, valid=rows, test=rows[:0], fold=0, folds=5, seed=0)
    config = config_class("crnn").parse({**TINY, "epochs": 2})
    last = fit(config, drawn, split, seed=0, device="cpu", on_epoch=lambda metrics, state: None)
    return last.save_model(tmp_path_factory.mktemp("model"))


def test_a_listed_trial_that_starts_elsewhere_is_another() -> None:
    config = config_class("crnn")().model_dump()
    keys = [
        ListedTrial("a", "crnn", config, 1, 0, 5, init=one).key("d") for one in (None, "1", "2")
    ]
    assert len(set(keys)) == 3
    # As it was before there was such a thing.
    assert keys[0] == "37a5f82fcff034f002f8d524b2db821a88fc411f79544b05179792d833b60073"


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
@pytest.mark.timeout(600)
def test_every_trial_of_a_search_starts_from_the_model(
    tmp_path: Path, drawn: LabelledImages, model: Path
) -> None:
    space = search.Space(
        name="tiny", arch="crnn", parameters={"lr": FloatDistribution(1e-8, 1e-7, log=True)},
        baseline={"lr": 1e-8},
    )  # fmt: skip
    said: list[str] = []

    def experiment(init: Path, **given: Any) -> search.Experiment:
        return search.Experiment(
            drawn, space, name="r", runs_dir=tmp_path, say=said.append, init=str(init),
            fixed={name: str(value) for name, value in TINY.items()}, epochs=1,
            max_concurrent=1, **given,
        )  # fmt: skip

    run = experiment(model, trials=1).run()
    initial = read_initial(model)
    assert run.records.run["init"] == {"path": str(model), "sha256": initial.digest}
    [line] = [line for line in said if line.startswith("init: ") and "taken" in line]
    assert line.startswith(f"init: {model} (crnn): ")
    assert any("learned from 16 of these 120 images" in line for line in said)
    best = load_model(tmp_path / "r" / "best" / "tiny")
    assert best.card.init == initial.digest
    # At that learning rate it is still where it began.
    keys = keys_of(best.model.state_dict())
    for name, tensor in best.model.named_parameters():
        assert tensor.allclose(initial.tensors[keys[name]], atol=1e-4)

    run.confirm(top=1, seeds=2)
    confirmed = read_run(tmp_path / "r" / "confirmed" / "fits").trials
    # Both seeds, and the winner that is trained for use.
    assert [row["init"] for row in confirmed.values()] == [initial.digest] * 3

    other = tmp_path / "other.safetensors"
    other.write_bytes((tmp_path / "r" / "best" / "tiny" / "model.safetensors").read_bytes())
    with pytest.raises(search.InputError, match="is another model than the run was started with"):
        experiment(other, trials=2).resume()
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(model.read_bytes())
    again = experiment(moved, trials=2).resume()
    assert len(again.records.trials) == 2
    # The run has a copy, which is read where what it came from has changed or is gone.
    moved.unlink()
    model.write_bytes(other.read_bytes())
    experiment(model, trials=3).resume()
    again = search.Experiment(drawn, space, name="r", runs_dir=tmp_path, trials=4).resume()
    assert len(again.records.trials) == 4
    assert load_model(tmp_path / "r" / "best" / "tiny").card.init == initial.digest
    with pytest.raises(search.InputError, match="gives 'pooled' nothing to start from"):
        search.Experiment(drawn, "pooled", name="p", runs_dir=tmp_path, init=str(model)).run()
    assert not (tmp_path / "p").exists()
