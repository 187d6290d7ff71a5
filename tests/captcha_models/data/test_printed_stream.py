"""Printed lines in training: of the form of the set's labels, as wide as needed, never held out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from captcha_models.architectures import config_class
from captcha_models.charset import min_steps
from captcha_models.data.generated import make_stream
from captcha_models.data.images import LabelledImages
from captcha_models.data.loaders import Mix, make_loaders
from captcha_models.data.printed_stream import PrintedStream, cannot_print
from captcha_models.data.splits import Split
from captcha_models.data.synthetic_stream import SyntheticStream
from captcha_models.errors import InputError
from captcha_models.limits import Limits
from captcha_models.training.fit import fit
from tests.labelled import CHINESE, DIGITS, halved, plain, ragged, texts

CPU = torch.device("cpu")
PLATES = [f"{'ABCDEFGH'[i % 8]}{'HGFEDCBA'[i % 8]}-{100 + i}" for i in range(40)]


def stream(images: LabelledImages, seed: int = 0, split: Split | None = None) -> PrintedStream:
    return PrintedStream(images, split or halved(images), 4, seed, CPU)


def drawn_labels(images: LabelledImages, split: Split | None = None) -> list[str]:
    pool = stream(images, split=split)
    rows = [row for number in range(20) for row in pool.batch(0, number, 8)[1].tolist()]
    return [images.charset.decode([i for i in row if i]) for row in rows]


def test_a_batch_is_a_function_of_seed_epoch_and_number() -> None:
    images = plain(PLATES, (160, 40))
    pool = stream(images)
    pixels, targets = pool.batch(2, 3, 8)
    again, same = stream(images).batch(2, 3, 8)
    assert pixels.shape == (8, 1, 40, 160)
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert torch.equal(pixels, again)
    assert torch.equal(targets, same)
    for other in (pool.batch(2, 2, 8), pool.batch(1, 3, 8), stream(images, 1).batch(2, 3, 8)):
        assert not torch.equal(pixels, other[0])


def test_labels_have_the_form_of_the_sets() -> None:
    found = drawn_labels(plain(PLATES, (160, 40)))
    assert all(
        label[:2].isupper() and label[2] == "-" and label[3:].isdigit() for label in found
    ), found
    assert len(set(found)) > 100


def test_no_label_that_validates_or_tests_and_none_of_more_steps() -> None:
    images = plain(texts(80, "012", (3,)), (100, 40))
    split = halved(images)
    found = drawn_labels(images, split)
    assert not set(found) & {images.labels[i] for i in (*split.valid, *split.test)}
    most = max(min_steps(images.labels[i]) for i in split.train)
    assert max(map(min_steps, found)) <= most
    apart = plain(["01", "10", "12", "21"] * 10, (100, 40))
    assert all(a != b for a, b in drawn_labels(apart, everything(apart)))


def everything(images: LabelledImages) -> Split:
    none = np.zeros(0, dtype=np.intp)
    return Split(np.arange(len(images)), none, none, fold=None, folds=5, seed=0)


def test_labels_and_symbols_that_cannot_be_printed() -> None:
    chinese = plain(texts(60, CHINESE, (4,)))
    assert "no face with all these symbols" in str(cannot_print(chinese, halved(chinese)))
    with pytest.raises(InputError, match="no face with all these symbols"):
        stream(chinese)
    few = plain(["a", "b", "a", "a", "b", "b", "a", "a"])
    assert "hardly a label" in str(cannot_print(few, halved(few)))
    assert "hardly a label" in str(Limits(few, halved(few)).no_generated(8))
    none = replace(halved(few), train=np.zeros(0, dtype=np.intp))
    assert "no training image" in str(cannot_print(few, none))


def test_an_image_is_as_wide_as_its_text_and_as_asked_for() -> None:
    images = ragged(texts(80, DIGITS, range(2, 9)))
    pool = stream(images)
    widths = {pool.batch(0, number, 1)[0].shape[3] for number in range(30)}
    assert len(widths) > 3
    assert all(width % 16 == 0 and width <= images.size[1] for width in widths)
    asked = pool.batch(0, 0, 4, images.size[1])[0]
    assert asked.shape[3] == images.size[1]
    # Filled up with paper of one colour, by which a recogniser knows it.
    assert (asked[..., -1].amax(dim=2) == asked[..., -1].amin(dim=2)).any()


@pytest.mark.parametrize("any_width", [False, True])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_they_are_mixed_into_batches_of_any_width(any_width: bool, share: float) -> None:
    images = ragged(texts(80, DIGITS, range(2, 9)))
    config = config_class("crnn")(batch_size=8, augment=0.0)
    loaders = make_loaders(images, halved(images), config, device=CPU, any_width=any_width)
    loaders.train.mix = Mix(stream(images), share, 0)
    batches = list(loaders.train)
    assert len(batches) == 60 // 8
    for pixels, targets in batches:
        assert pixels.shape[:3] == (8, 1, 32)
        assert any_width or pixels.shape[3] == images.size[1]
        assert len(targets) == 8


def test_captchas_stay_captchas_and_others_become_lines(drawn: LabelledImages) -> None:
    config = config_class("crnn")(batch_size=8, synthetic_share=0.5)
    captchas = replace(drawn, source="folder")
    assert isinstance(make_stream(config, captchas, halved(drawn), 4, 0, CPU), SyntheticStream)
    for others in (plain(texts(60, DIGITS, (5,))), plain(PLATES, (160, 40))):
        assert isinstance(make_stream(config, others, halved(others), 4, 0, CPU), PrintedStream)


@pytest.mark.slow
def test_a_training_of_printed_lines_alone_reads_the_sets_own() -> None:
    images = ragged(texts(160, "0123", (2, 4)))
    values = {"cut": 5, "rnn_hidden_1": 64, "rnn_hidden_2": 0, "shortcut": True, "normalize": True}
    values |= {"pool_height": True, "epochs": 8, "augment": 0.0, "synthetic_share": 1.0}
    read: list[float] = []
    fit(
        config_class("crnn").parse(values), images, halved(images), seed=0, device=CPU,
        on_epoch=lambda metrics, _: read.append(metrics.valid_exact_match),
    )  # fmt: skip
    assert read[-1] >= 0.9, read
