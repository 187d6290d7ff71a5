"""Which model of a run `predict`, `export` and `evaluate` take, and what they say of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captcha_models.inference.predictor import load
from captcha_models.training.checkpoint import find_model, load_model, save_model
from captcha_models.training.choice import Choice, Figures
from captcha_models.training.seen import Seen
from tests.cli.conftest import Done
from tests.cli.test_predict import model_in


def figure(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean / 2, "high": mean * 1.01}


FIGURES = Figures.model_validate(
    {"num_images": 2440, "num_fits": 5, "nll": figure(0.07), "exact_match": figure(0.98),
     "cer": figure(0.004)}
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file."""
    return model_in(tmp_path_factory.mktemp("model"), "crnn") / "model.safetensors"


def choose(run: Path, trial: str, seen: Seen | None = None, **values: Any) -> None:
    """Put the model of the search's best into RUN/best, saying how it was chosen."""
    loaded = load_model(run / "best" / "crnn")
    given = {"space": "crnn", "trial": trial, "confirmed": True, "says": "NLL -0.3", "folds": 5,
             "held_out": FIGURES, "key": "k", **values}  # fmt: skip
    card = loaded.card.model_copy(update={"choice": Choice.model_validate(given)})
    save_model(run / "best" / "model.safetensors", loaded.model, card, seen)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run with the best trial of its one space."""
    place = tmp_path / "a run"
    (place / "best" / "crnn").mkdir(parents=True)
    shutil.copy(trained, place / "best" / "crnn")
    note = {"trial": "crnn-004", "epoch": 2}
    (place / "best" / "crnn" / "trial.json").write_text(json.dumps(note))
    return place


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.new("L", (200, 50), 255).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_before_a_confirmation_it_is_the_best_trial_and_how_to_go_on(
    run: Path, image: Path, called: Callable[..., Done]
) -> None:
    line = (
        "model: crnn-004, the best trial of the search, not confirmed: "
        f"python -m search.confirm '{run}'"
    )
    done = called("captcha_models.predict", run, image)
    assert (done.returncode, done.stderr) == (0, f"{line}\n")
    assert called("captcha_models.export", run, "--format", "safetensors").stderr == f"{line}\n"
    found = called("search.evaluate", run, "--data", "synthetic:20", "--json")
    assert line in found.stderr.splitlines()
    assert f"model: {json.loads(found.stdout)['origin']}" == line


def test_after_it_the_winner_is_taken_and_the_best_trial_is_found_by_its_path(
    run: Path, image: Path, called: Callable[..., Done]
) -> None:
    choose(run, "crnn-002")
    assert find_model(run) == find_model(run / "best") == run / "best" / "model.safetensors"
    done = called("captcha_models.predict", run, image)
    assert done.stderr == "model: the confirmed winner crnn-002, trained on 80 images\n"
    assert load(run).origin == "the confirmed winner crnn-002, trained on 80 images"
    searched = called("captcha_models.predict", run / "best" / "crnn", image)
    assert searched.stderr == (
        "model: crnn-004, the best trial of the search; what search.confirm trained is "
        f"{run / 'best' / 'model.safetensors'}\n"
    )


def test_what_is_not_confirmed_is_never_called_so(
    run: Path, image: Path, called: Callable[..., Done]
) -> None:
    few = "too few trainings to tell (2 trainings; at least 3: --seeds)"
    choose(run, "crnn-002", confirmed=False, says=few)
    done = called("captcha_models.predict", run, image)
    assert done.stderr == f"model: crnn-002, trained on 80 images, not confirmed: {few}\n"
    done = called("captcha_models.export", run, "--format", "safetensors", "--out", run / "out")
    card = (run / "out" / "MODEL_CARD.md").read_text()
    assert f"| confirmed | no: {few} |" in card
    assert "confirmed winner" not in card


def test_the_card_says_how_it_was_chosen_and_how_it_reads(
    run: Path, called: Callable[..., Done]
) -> None:
    test = FIGURES.model_copy(update={"num_images": 271, "num_fits": 3, "cer": None})
    choose(run, "crnn-002", test=test)
    called("captcha_models.export", run, "--format", "safetensors", "--out", run / "out")
    lines = (run / "out" / "MODEL_CARD.md").read_text().splitlines()
    chosen = "`search.confirm`: trial crnn-002 of crnn, 5 trainings on 5 folds"
    assert f"| chosen by | {chosen} |" in lines
    assert (
        "| captchas read, 2,440 images held out, 5 trainings | 98.00 % (95 % interval 49.00 % "
        "to 98.98 %) |"
    ) in lines
    nll = "0.0700 (95 % interval 0.0350 to 0.0707)"
    locked = "271 images of the locked test set, 3 trainings"
    assert f"| NLL, nats per captcha, {locked} | {nll} |" in lines
    assert not any(line.startswith("| character error rate, 271") for line in lines)
    # What was exported says the same once more.
    assert load(run / "out").origin == "the confirmed winner crnn-002, trained on 80 images"


def test_all_its_images_leave_none_to_score_it(
    run: Path, called: Callable[..., Done], tmp_path: Path
) -> None:
    from captcha_models.data.sources import synthetic
    from captcha_models.data.splits import make_split

    images = synthetic(40, seed=0)
    split = make_split(images.units, images.parts, fold=None)
    choose(run, "crnn-002", Seen.of(images, split))
    given = ("search.evaluate", run, "--data", "synthetic:40")
    done = called(*given)
    assert done.returncode == 2
    assert "trained on all of these images but the locked ones" in done.stderr
    assert called(*given, "--split", "train").returncode == 0
