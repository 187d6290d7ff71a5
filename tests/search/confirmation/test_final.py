"""What a confirmation leaves to be used, and what it never trains twice; a training takes no time.

Models are built with the seed and not trained, so that all of a confirmation but this is real.
"""

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.distributions import FloatDistribution
from rich.console import Console

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split, locked
from captcha_models.errors import InputError
from captcha_models.inference.predictions import held_out
from captcha_models.training.checkpoint import (
    Card,
    DataCard,
    Loaded,
    SplitCard,
    load_model,
    read_tensors,
    save_model,
    write_tensors,
)
from captcha_models.training.initial import build_for
from captcha_models.training.seen import Seen
from search.confirmation.candidates import FRESH_TEST
from search.confirmation.confirmation import DEFAULTS, Confirmation
from search.confirmation.terminal import print_confirmation
from search.experiment import open_run
from search.store.leaderboard import best
from search.store.records import read_run
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from search.store.sync import DivergedError, bring_up
from search.tuning.run_file import describe_list
from search.tuning.settings import Settings
from search.tuning.task import OnEpoch, Task, Trainable
from spaces.space import Space
from tests.search import _fake, _runs
from tests.search._confirmed import plain

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]

SMALL = {"epochs": 1, "batch_size": 8, "cut": 5, "rnn_hidden_1": 16, "rnn_hidden_2": 0}
OPTIONS = {**DEFAULTS, "top": 1, "seeds": 2, "test_seeds": 2, "max_concurrent": 1}


@dataclass
class Built:
    """The state of a model whose training is over."""

    model: Any
    card: Card
    images: LabelledImages
    split: Split
    scored: bool

    def save_checkpoint(self, folder: Path) -> None:
        raise AssertionError("there is one epoch")

    def save_model(self, folder: Path) -> None:
        seen = Seen.of(self.images, self.split)
        save_model(folder / "model.safetensors", self.model, self.card, seen)

    def predictions(self) -> dict[str, Any] | None:
        return held_out(self.model, self.images, self.split, 0) if self.scored else None


def build(place: Path) -> Trainable:
    """Builds a model and notes what for; a learning rate above 0.004 gives the lower NLL.

    Fails where the folder holds a file `fails`, if the training is not scored.
    """

    def run(task: Task, data: Any, on_epoch: OnEpoch, resume: Path | None) -> None:
        assert task.split
        images, split = data.images, task.split.of(data.images)
        with (place / "begun").open("a") as file:
            file.write(f"{task.seed} {task.split.fold} {task.split.scored}\n")
        if (place / "fails").exists() and not task.split.scored:
            raise ValueError("no")
        torch.manual_seed(task.seed)
        config = config_class(task.arch).parse(task.config)
        model = build_for(config, images).eval()
        model.temperature.fill_(1.0 if task.config["lr"] > 0.004 else 9.0)
        about = DataCard(
            source=images.source, digest=images.digest, num_images=len(images),
            num_train=len(split.train), num_valid=len(split.valid),
        )  # fmt: skip
        card = Card(
            arch=task.arch, config=config.model_dump(), symbols=images.charset.symbols,
            max_length=3, label_length=3, **images.geometry.model_dump(), data=about,
            split=SplitCard(fold=split.fold, folds=split.folds, seed=split.seed, limit=None,
                            limit_seed=0),
            seed=task.seed, metrics={}, versions={},
        )  # fmt: skip
        state = Built(model, card, images, split, task.split.scored)
        on_epoch(_fake.metrics(1, 1.0), state)  # type: ignore[arg-type]

    return run


def begun(place: Path) -> list[str]:
    file = place / "begun"
    return file.read_text().splitlines() if file.exists() else []


def searched(
    path: Path, images: LabelledImages, lrs: dict[str, float], store: Storage | None = None
) -> None:
    """A run of two trials a space, the baseline and a better one of this learning rate."""
    settings = Settings.parse({"spaces": tuple(lrs), "data": "nowhere", "trials": 2, "epochs": 1})
    run = _runs.run_json() | describe_list(settings, images)
    base = config_class("crnn").parse(SMALL).model_dump()
    lr_range = {"lr": FloatDistribution(1e-3, 1e-2)}
    run["spaces"] = {
        name: {"base": base, "space": Space(name, lr_range, {"lr": 3e-3}, arch="crnn").to_json()}
        for name in lrs
    }
    kept = {"storage": store.place} if store else {}
    with RunFolder.create(path, run | kept, store) as folder:
        for space, lr in lrs.items():
            for number, config in enumerate(({**base, "lr": 3e-3}, {**base, "lr": lr})):
                name = _runs.start(folder, number, space)
                folder.add_trial(**{**folder.records.trials[name], "config": config})
                _runs.epoch(folder, name, 1, 0.9 - 0.4 * number, checkpoint=not store)
                folder.end_trial(name, "completed")
            if not store:
                place = folder.checkpoint(f"{space}-001")
                assert place
                folder.keep_model(space, f"{space}-001", *place)


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    return plain()


def confirmed(
    place: Path, images: LabelledImages, say: Callable[[str], None] = lambda line: None, **more: Any
) -> dict[str, Any]:
    records = read_run(place / "runs" / "r")
    given = {**OPTIONS, **more}
    chosen = tuple(given.pop("spaces", records.run["spaces"]))
    return Confirmation(records, chosen, given, say, images=images, train=build(place)).run()


def of(place: Path, folder: str = "best") -> Loaded:
    return load_model(place / "runs" / "r" / folder)


def assert_final(loaded: Loaded, images: LabelledImages) -> None:
    """Trained on all but the locked images, with the first fresh seed for the test set."""
    of = locked(images.units, images.parts)
    digests = {name: {d for d, one in zip(images.digests, of, strict=True) if one == value}
               for name, value in (("train", False), ("locked", True))}  # fmt: skip
    assert loaded.seen == Seen(
        frozenset(digests["train"]), frozenset(), frozenset(digests["locked"])
    )
    assert loaded.card.seed == FRESH_TEST
    assert loaded.card.data.num_train == len(digests["train"])


@pytest.fixture(scope="module")
def once(
    ray: object, images: LabelledImages, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], list[str]]:
    """A confirmation without the test set: where, what it found, what it said."""
    place, said = tmp_path_factory.mktemp("once"), list[str]()
    searched(place / "runs" / "r", images, {"crnn": 0.005})
    found = confirmed(place, images, said.append, no_test=True)["crnn"]
    return place, found, said


@pytest.fixture
def again(once: tuple[Path, dict[str, Any], list[str]], tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(once[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_without_the_test_set_one_more_is_trained_and_never_scored(
    once: tuple[Path, dict[str, Any], list[str]], images: LabelledImages
) -> None:
    place, found, said = once
    assert found["chosen"] == "crnn-001"
    assert found["verdict"]["confirmed"] is False
    *fits, last = begun(place)
    assert sorted(fits) == sorted(2 * [f"{1_000_000 + i} {i} True" for i in range(2)])
    assert last == f"{FRESH_TEST} None False"
    loaded = of(place)
    assert_final(loaded, images)
    choice = loaded.card.choice
    assert choice
    assert (choice.trial, choice.space, choice.confirmed) == ("crnn-001", "crnn", False)
    assert choice.held_out.num_fits == choice.folds == 2
    assert choice.held_out.nll.mean == found["candidates"][0]["nll"]["mean"]
    assert choice.test is None
    assert loaded.card.config["temperature"] == found["candidates"][0]["temperature"]
    count, run = loaded.card.data.num_train, place / "runs" / "r"
    told = f"crnn: final training of crnn-001 on all {count} images that are not locked, about "
    assert any(line.startswith(told) for line in said)
    assert said[-1].startswith(f"{run / 'best'}: crnn-001, trained on {count} images, not confirme")
    assert not any("the confirmed" in line for line in said)
    card = (run / "best" / "MODEL_CARD.md").read_text()
    assert "| split | none validates: every image outside the locked test set trains |" in card
    assert "| confirmed | no: too few trainings to tell" in card
    few = "crnn: crnn-001 is not confirmed: too few trainings to tell (2 trainings; at least 3"
    out = io.StringIO()
    print_confirmation({"crnn": found}, Console(file=out, width=200))
    assert few in out.getvalue()
    assert f"crnn: model:\n  {run}/confirmed/crnn/model.safetensors\n" in out.getvalue()
    assert f"use the model:\n  python -m captcha_models.export {run}\n" in out.getvalue()
    assert " is confirmed" not in out.getvalue()
    # The search's own best is where it was.
    kept = best(read_run(run), "crnn")
    assert kept
    assert Path(kept["model"]).read_text() == "crnn-001 1"
    opened = open_run(run, images)
    assert opened.best(say=said.append).card == opened.best("crnn").card == loaded.card
    assert said.pop() == choice.describe(count)


def test_what_is_there_is_not_trained_again_and_what_was_lost_is(
    again: Path, once: tuple[Path, dict[str, Any], list[str]], images: LabelledImages
) -> None:
    run, trained = again / "runs" / "r", begun(again)
    file, own = run / "best" / "model.safetensors", run / "confirmed" / "crnn" / "model.safetensors"
    before = file.read_bytes(), file.stat().st_mtime_ns
    assert confirmed(again, images, no_test=True)["crnn"]["model"] == once[1]["model"]
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert begun(again) == trained
    assert not list((run / "confirmed" / "fits" / "models").iterdir())
    own.unlink()
    (again / "fails").touch()
    said: list[str] = []
    found = confirmed(again, images, said.append, no_test=True)["crnn"]
    assert found["chosen"]
    assert found["model"] is None
    assert any(line.endswith("failed: ValueError: no") for line in said)
    assert said[-1].endswith("best is as it was")
    assert file.read_bytes() == before[0]
    (again / "fails").unlink()
    assert confirmed(again, images, no_test=True)["crnn"]["model"]
    assert begun(again) == [*trained, trained[-1], trained[-1]]
    assert own.read_bytes() == file.read_bytes()


def test_a_training_for_the_test_set_is_the_final_one(again: Path, images: LabelledImages) -> None:
    trained, run = begun(again), again / "runs" / "r"
    (run / "best" / "model.safetensors").unlink()
    (run / "confirmed" / "crnn" / "model.safetensors").unlink()
    found = confirmed(again, images)["crnn"]
    tests = begun(again)[len(trained) :]
    assert sorted(tests) == sorted(2 * [f"{FRESH_TEST + i} None True" for i in (0, 1)])
    loaded = of(again)
    assert_final(loaded, images)
    choice = loaded.card.choice
    assert choice
    assert choice.test
    assert choice.test.num_fits == 2
    assert choice.test.nll.mean == found["test"]["winner"]["nll"]["mean"]
    assert found["model"]["says"] == choice.describe(loaded.card.data.num_train)
    # Its weights are those that the test set judged.
    torch.manual_seed(FRESH_TEST)
    model = build_for(loaded.card.parsed_config(), images)
    pairs = zip(model.parameters(), loaded.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_test_set_after_all_makes_the_card_say_so(again: Path, images: LabelledImages) -> None:
    before = of(again).card.choice
    found = confirmed(again, images)["crnn"]
    after = of(again).card.choice
    assert before
    assert after
    assert before.test is None
    assert after.test
    assert after.test.nll.mean == found["test"]["winner"]["nll"]["mean"]
    assert after.key == before.key
    assert not list((again / "runs/r/confirmed/fits/models").iterdir())


def test_of_several_spaces_the_best_is_used_and_each_is_kept(
    tmp_path: Path, images: LabelledImages
) -> None:
    run = tmp_path / "runs" / "r"
    searched(run, images, {"one": 0.002, "two": 0.005})
    found = confirmed(tmp_path, images, no_test=True)
    assert space_of(tmp_path) == "two"
    for name in ("one", "two"):
        loaded = of(tmp_path, f"confirmed/{name}")
        assert_final(loaded, images)
        assert open_run(run, images).best(name).card == loaded.card
        assert found[name]["model"]["file"] == f"confirmed/{name}/model.safetensors"
        assert json.loads((run / "confirmed" / f"{name}.json").read_text()) == found[name]
    assert open_run(run, images).best().card.choice == of(tmp_path).card.choice
    # The worse once more takes nothing away, and is what there is without the better.
    confirmed(tmp_path, images, no_test=True, spaces=["one"])
    assert space_of(tmp_path) == "two"
    (run / "confirmed" / "two" / "model.safetensors").unlink()
    confirmed(tmp_path, images, no_test=True, spaces=["one"])
    assert space_of(tmp_path) == "one"


def test_two_spaces_with_one_winner_train_it_once_and_each_keep_it(
    tmp_path: Path, images: LabelledImages
) -> None:
    run = tmp_path / "runs" / "r"
    searched(run, images, {"one": 0.005, "two": 0.005})
    found = confirmed(tmp_path, images, no_test=True)
    assert begun(tmp_path).count(f"{FRESH_TEST} None False") == 1
    for name in ("one", "two"):
        assert found[name]["model"]["file"] == f"confirmed/{name}/model.safetensors"
        assert_final(of(tmp_path, f"confirmed/{name}"), images)
    assert not list((run / "confirmed" / "fits" / "models").iterdir())


def space_of(place: Path) -> str | None:
    choice = of(place).card.choice
    return choice.space if choice else None


@pytest.mark.fault(
    "confirmation interrupted while its model is put in place",
    "the former model stays whole; the same command goes on and trains nothing again",
)
def test_the_former_model_stays_whole_whenever_it_is_interrupted(
    again: Path,
    images: LabelledImages,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    folder = again / "runs" / "r" / "best"
    model, card = folder / "model.safetensors", folder / "MODEL_CARD.md"
    # Of another choice.
    tensors, header = read_tensors(model)
    for file in (model, again / "runs" / "r" / "confirmed" / "crnn" / "model.safetensors"):
        write_tensors(file, tensors, {**header, "choice": {**header["choice"], "key": "another"}})
    former, own = model.read_bytes(), card.read_text()
    put, left = os.replace, 0

    def interrupts(source: Any, to: Any) -> None:
        nonlocal left
        if Path(to).name in ("model.safetensors", "MODEL_CARD.md"):
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
        put(source, to)

    monkeypatch.setattr(os, "replace", interrupts)
    states, trained = [], None
    for tries in range(9):
        # Each try gets one further than the one before, which left its own part done.
        left = min(tries, 1)
        try:
            confirmed(again, images, no_test=True)
        except KeyboardInterrupt:
            trained = trained or begun(again)
            new = model.read_bytes() != former
            states.append((new, card.exists()))
            assert new or load_model(folder).card.choice.key == "another"  # type: ignore[union-attr]
            assert not card.exists() or (not new and card.read_text() == own)
        else:
            break
    assert states == [(False, True), (False, False), (True, False)]
    record_property("tried", len(states))
    assert begun(again) == trained
    assert_final(of(again), images)
    assert of(again).card.choice.key != "another"  # type: ignore[union-attr]
    assert card.exists()


def test_images_that_validate_train_it_too_and_a_storage_has_it(
    tmp_path: Path, images: LabelledImages
) -> None:
    parts = tuple("valid" if i % 4 == 0 else "train" for i in range(len(images)))
    own = replace(images, parts=parts)
    store = Storage(str(tmp_path / "store" / "r"))
    searched(tmp_path / "runs" / "r", own, {"crnn": 0.005}, store)
    confirmed(tmp_path, own, no_test=True)
    bring_up(store, tmp_path / "elsewhere" / "r")
    loaded = load_model(tmp_path / "elsewhere" / "r")
    assert loaded.path == tmp_path / "elsewhere" / "r" / "best" / "model.safetensors"
    assert_final(loaded, own)
    assert loaded.seen
    assert {own.digests[i] for i in range(0, len(own), 4)} <= loaded.seen.train

    # A storage that cannot be reached at the end, and then can, as the line says.
    trained, said = begun(tmp_path), list[str]()

    def cut_off(line: str) -> None:
        if not said:
            (tmp_path / "store").rename(tmp_path / "away")
            (tmp_path / "store").touch()
            (tmp_path / "runs" / "r" / "note").touch()
        said.append(line)

    shutil.rmtree(tmp_path / "elsewhere")
    assert confirmed(tmp_path, own, cut_off, no_test=True)["crnn"]["model"]
    kept = f"the confirmation is whole in {tmp_path / 'runs' / 'r'}, and not yet in {store.place}: "
    assert said[-1].startswith(f"{kept}storage {store.place} cannot be used: ")
    assert "\n" not in said[-1]
    # Before anything is trained it is refused.
    with pytest.raises(InputError, match="cannot be used"):
        confirmed(tmp_path, own, said.append, no_test=True)
    (tmp_path / "store").unlink()
    (tmp_path / "away").rename(tmp_path / "store")
    confirmed(tmp_path, own, said.append, no_test=True)
    assert "not yet in" not in said[-1]
    assert begun(tmp_path) == trained
    bring_up(store, tmp_path / "elsewhere" / "r")
    assert (tmp_path / "elsewhere" / "r" / "note").exists()


def test_what_a_run_went_on_with_elsewhere_is_judged(
    tmp_path: Path, images: LabelledImages
) -> None:
    store, run = Storage(str(tmp_path / "store" / "r")), tmp_path / "runs" / "r"
    searched(run, images, {"crnn": 0.005}, store)
    shutil.copytree(run, tmp_path / "before")
    with RunFolder.open(tmp_path / "elsewhere" / "r", store) as folder:
        better = _runs.start(folder, 7)
        config = folder.records.trials["crnn-001"]["config"] | {"lr": 0.004}
        folder.add_trial(**{**folder.records.trials[better], "config": config})
        _runs.epoch(folder, better, 1, 0.001)
        folder.end_trial(better, "completed")
    found = confirmed(tmp_path, images, no_test=True)["crnn"]
    assert better in {one["name"] for one in found["candidates"]}

    # A folder that went its own way is refused before anything is trained, and not told to send.
    with RunFolder.open(tmp_path / "elsewhere" / "r", store) as folder:
        _runs.start(folder, 8)
    shutil.rmtree(run)
    shutil.copytree(tmp_path / "before", run)
    with RunFolder.open(run) as folder:
        _runs.start(folder, 9)
    trained = begun(tmp_path)
    with pytest.raises(DivergedError, match="holds what"):
        confirmed(tmp_path, images, no_test=True)
    assert begun(tmp_path) == trained
