"""Weights of a model trained before: what a new one takes of them, and what starts anew."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captcha_models.architectures import build, config_class
from captcha_models.architectures.base import Recogniser
from captcha_models.charset import Charset
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.training.checkpoint import load_model
from captcha_models.training.evaluation import evaluate
from captcha_models.training.fit import fit
from captcha_models.training.initial import Initial, keys_of, read_initial
from captcha_models.training.state import TrainingState

COUNT = 8
SMALL: dict[str, dict[str, Any]] = {
    "crnn": {
        "cut": 6, "pool_height": True, "aux_weight": 1.0, "joint_weight": 1.0, "shortcut": True,
        "orthogonal": True, "clip": 5, "map_to_seq_hidden": 64, "rnn_hidden_1": 64,
        "rnn_hidden_2": 0, "normalize": True, "augment": 0.0, "dropout": 0.0,
    },
    "pooled": {"head_size": 16, "joint_weight": 1.0, "cut": 7},
    "spatial": {"head_size": 16, "dropout_1": 0.0},
}  # fmt: skip


def config_of(arch: str, **values: Any) -> Config:
    return config_class(arch).parse({**SMALL[arch], "batch_size": COUNT, **values})


def trained(
    images: LabelledImages, config: Config, init: Initial | None = None, **more: Any
) -> TrainingState:
    rows = np.arange(COUNT)
    split = Split(train=rows, valid=rows, test=rows[:0], fold=0, folds=5, seed=0)
    return fit(
        config, images, split, seed=1, device="cpu", init=init,
        on_epoch=more.pop("on_epoch", lambda metrics, state: None), **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def read_by_heart(drawn: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CRNN that reads eight images, learned by heart."""
    last = trained(drawn, config_of("crnn", epochs=40))
    assert last.metrics.valid_exact_match >= 0.75
    return last.save_model(tmp_path_factory.mktemp("model"))


def scored(model: Recogniser, images: LabelledImages) -> tuple[float, float]:
    """Share of the eight images that are read, and their NLL."""
    scores = evaluate(model, torch.from_numpy(images.pixels[:COUNT]), images.labels[:COUNT])
    return scores.exact_match, scores.nll


def fresh(arch: str, symbols: str, length: int = 5, mixed: bool = False, **values: Any) -> Any:
    torch.manual_seed(7)
    return build(config_of(arch, **values), Charset(symbols), length, mixed=mixed)


def test_a_model_begins_where_the_other_ended(drawn: LabelledImages, read_by_heart: Path) -> None:
    before = load_model(read_by_heart).model
    read, nll = scored(before, drawn)
    symbols, init = drawn.charset.symbols, read_initial(read_by_heart)
    model = fresh("crnn", symbols)
    assert scored(model, drawn)[0] == 0
    taken = init.start(model)
    assert taken.num_taken == taken.num_tensors and not taken.anew
    assert str(taken) == f"{taken.num_taken} of {taken.num_tensors} tensors taken"
    assert scored(model, drawn) == (read, pytest.approx(nll))


def test_symbols_keep_their_weights_in_another_order(
    drawn: LabelledImages, read_by_heart: Path
) -> None:
    read, nll = scored(load_model(read_by_heart).model, drawn)
    model = fresh("crnn", drawn.charset.symbols[::-1])
    init = read_initial(read_by_heart)
    init.start(model)
    assert scored(model, drawn) == (read, pytest.approx(nll, rel=1e-4))


def test_more_symbols_and_longer_labels_keep_what_was_learned(
    drawn: LabelledImages, read_by_heart: Path
) -> None:
    symbols = "".join(sorted(drawn.charset.symbols + "Zé"))
    model, plain = fresh("crnn", symbols, 7), fresh("crnn", symbols, 7)
    taken = read_initial(read_by_heart).start(model)
    assert taken.anew == ("places",)
    assert str(taken).endswith("; 2 new symbols start anew (Zé); places anew")
    read, nll = scored(model, drawn)
    assert read > 0 == scored(plain, drawn)[0]
    assert nll < scored(plain, drawn)[1] / 2
    # What is new is as fresh as ever.
    for row in (symbols.index("Z") + 1, symbols.index("é") + 1):
        assert torch.equal(model.dense[-1].weight[row], plain.dense[-1].weight[row])
        assert torch.equal(model.aux.bias[row], plain.aux.bias[row])


def test_a_training_and_its_average_begin_there(
    drawn: LabelledImages, read_by_heart: Path, tmp_path: Path
) -> None:
    init = read_initial(read_by_heart)
    config = config_of("crnn", epochs=1, lr=1e-7, ema=0.98, dropout=0.1, rnn_dropout=0.1)
    last = trained(drawn, config, init)
    assert last.metrics.valid_exact_match >= 0.75
    assert trained(drawn, config).metrics.valid_exact_match == 0
    assert load_model(last.save_model(tmp_path)).card.init == init.digest


def test_the_draws_of_a_training_are_its_own(drawn: LabelledImages, read_by_heart: Path) -> None:
    init = read_initial(read_by_heart)
    state = torch.get_rng_state()
    line = init.describe(config_of("crnn"), drawn)
    assert torch.equal(state, torch.get_rng_state())
    assert line.startswith(f"init: {read_by_heart} (crnn): ") and line.endswith("tensors taken")


def test_a_training_goes_on_from_its_own_model_alone(
    drawn: LabelledImages, read_by_heart: Path, tmp_path: Path
) -> None:
    init, config = read_initial(read_by_heart), config_of("crnn", epochs=2)

    def keep(metrics: Any, state: TrainingState) -> None:
        if metrics.epoch == 1:
            state.save_checkpoint(tmp_path)

    whole = trained(drawn, config, init, on_epoch=keep)
    with pytest.raises(InputError, match=f"initial model is model {init.digest[:12]}: give it"):
        trained(drawn, config, resume=tmp_path)
    with pytest.raises(InputError, match="a training whose initial model is model"):
        trained(drawn, config, replace(init, digest="0" * 64), resume=tmp_path)
    again = trained(drawn, config, init, resume=tmp_path)
    assert again.metrics.valid_nll == whole.metrics.valid_nll
    trained(drawn, config, on_epoch=keep)
    with pytest.raises(InputError, match="initial model is none: leave --init out"):
        trained(drawn, config, init, resume=tmp_path)


@pytest.mark.parametrize("arch", ["pooled", "spatial"])
def test_classifiers_map_symbols_position_by_position(
    arch: str, drawn: LabelledImages, tmp_path: Path
) -> None:
    last = trained(drawn, config_of(arch, epochs=1))
    init = read_initial(last.save_model(tmp_path))
    old: Any = last.model
    before, after = drawn.charset.symbols, drawn.charset.symbols[::-1] + "Z"
    # Dropouts that one has and the other lacks change the names of layers.
    model = fresh(arch, after, 7, mixed=True, dropout_1=0.3, dropout_2=0.0)
    plain = fresh(arch, after, 7, mixed=True, dropout_1=0.3, dropout_2=0.0)
    taken = init.start(model)
    assert set(taken.anew) <= {"joint.places"}
    assert "the last 2 positions anew" in str(taken)

    def rows(one: Recogniser, positions: int) -> torch.Tensor:
        weight = one.class_layers()[0][0].weight
        return weight.view(positions, one.charset.num_classes, -1)  # type: ignore[no-any-return, operator, union-attr]

    was, found, anew = rows(old, 5), rows(model, 7), rows(plain, 7)
    for symbol in before:
        mine, theirs = after.index(symbol) + 1, before.index(symbol) + 1
        assert torch.equal(found[:5, mine], was[:, theirs])
    assert torch.equal(found[5:], anew[5:])
    assert torch.equal(found[:, after.index("Z") + 1], anew[:, after.index("Z") + 1])
    # Class 0 was no end there.
    assert torch.equal(found[:, 0], anew[:, 0])


def test_another_architecture_is_refused(drawn: LabelledImages, read_by_heart: Path) -> None:
    init = read_initial(read_by_heart)
    for arch in ("pooled", "spatial"):
        with pytest.raises(InputError, match=f"gives '{arch}' nothing to start from: choose one"):
            init.describe(config_of(arch), drawn)


def test_other_layers_start_anew_and_are_said(drawn: LabelledImages, read_by_heart: Path) -> None:
    values = {"cut": 7, "rnn_hidden_1": 32, "rnn_hidden_2": 8, "aux_weight": 0.0,
              "joint_weight": 0.0, "shortcut": False}  # fmt: skip
    model = fresh("crnn", drawn.charset.symbols, **values)
    taken = read_initial(read_by_heart).start(model)
    assert 0 < taken.num_taken < taken.num_tensors
    started = {name.split(".")[0] for name in taken.anew}
    assert started == {"body", "map_to_seq", "rnn1", "rnn2", "dense"}
    assert all(name.startswith("body.6.") for name in taken.anew if name.startswith("body"))
    assert "anew" in str(taken) and "more" in str(taken)


def test_images_that_the_model_learned_from_are_said(
    drawn: LabelledImages, read_by_heart: Path, tmp_path: Path
) -> None:
    init = read_initial(read_by_heart)
    rows = np.arange(COUNT)
    split = Split(train=rows + 20, valid=rows + 4, test=rows[:2], fold=1, folds=5, seed=0)
    told = str(init.judged(drawn, split))
    assert "learned from 8 of these 120 images, 4 of the 8 that validate and 2 of the 2 " in told
    new = replace(drawn, pixels=255 - drawn.pixels)
    assert init.judged(new, split) is None
    # What starts from it knows them too.
    last = trained(new, config_of("crnn", epochs=1), init)
    seen = load_model(last.save_model(tmp_path)).seen
    assert seen is not None
    assert {seen.part(one) for one in (*drawn.digests[:8], *new.digests[:8])} == {"train"}


def test_keys_are_the_names_without_gaps_between_layers() -> None:
    state = {name: torch.zeros(()) for name in ("a.0.w", "a.2.w", "a.7.3.w", "b.1.w", "c")}
    assert list(keys_of(state).values()) == ["a.0.w", "a.1.w", "a.2.0.w", "b.0.w", "c"]
