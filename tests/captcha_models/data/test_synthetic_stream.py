"""Generated images in training: ever new, and never a held-out label."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from captcha_models.architectures import config_class
from captcha_models.data.images import LabelledImages
from captcha_models.data.loaders import Mix
from captcha_models.data.splits import make_split
from captcha_models.data.synthetic_stream import SyntheticStream
from captcha_models.errors import InputError
from captcha_models.training.fit import fit

CPU = torch.device("cpu")


def fresh(images: LabelledImages, held_out: set[str], seed: int = 0) -> SyntheticStream:
    return SyntheticStream(images.preset, images.labels, held_out, images.charset, 4, seed, CPU)


def test_a_batch_is_a_function_of_seed_epoch_and_number(drawn: LabelledImages) -> None:
    pool = fresh(drawn, set())
    images, targets = pool.batch(2, 3, 8)
    again, same = fresh(drawn, set()).batch(2, 3, 8)
    assert images.shape == (8, 1, 50, 200)
    assert 0 <= images.min() < images.max() <= 1
    assert torch.equal(images, again)
    assert torch.equal(targets, same)
    for other in (pool.batch(2, 2, 8), pool.batch(1, 3, 8), fresh(drawn, set(), 1).batch(2, 3, 8)):
        assert not torch.equal(images, other[0])


def test_held_out_labels_are_never_drawn(drawn: LabelledImages) -> None:
    # Two symbols and length 3 leave 8 labels; 6 are held out.
    few = LabelledImages(
        names=("aab.png", "aba.png"), labels=("aab", "aba"), pixels=drawn.pixels[:2], source="test"
    )
    held_out = {"aaa", "abb", "baa", "bab", "bba", "bbb"}
    pool = fresh(few, held_out)
    seen = {
        few.charset.decode(row)
        for epoch in range(20)
        for row in pool.batch(epoch, 0, 2)[1].tolist()
    }
    assert seen == {"aab", "aba"}
    with pytest.raises(InputError, match="must be at most 2"):
        pool.batch(0, 0, 3)


def test_share_and_first_steps(drawn: LabelledImages) -> None:
    mix = Mix(fresh(drawn, set()), share=0.25, steps=6)
    counts = [mix.count(epoch, number, 8) for epoch in range(2) for number in range(4)]
    assert counts == [8, 8, 8, 8, 8, 8, 2, 2]


@pytest.mark.slow
@pytest.mark.parametrize(("share", "same"), [(1.0, True), (0.5, False)])
def test_only_a_full_share_leaves_the_real_images_out(
    drawn: LabelledImages, share: float, same: bool
) -> None:
    config = config_class("crnn").parse(
        {"cut": 5, "rnn_hidden_1": 16, "rnn_hidden_2": 0, "epochs": 1, "batch_size": 16}
        | {"synthetic_share": share}
    )
    split = make_split(drawn.names)
    noise = drawn.pixels.copy()
    shape = noise[split.train].shape
    noise[split.train] = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def run(images: LabelledImages) -> tuple[float, float]:
        last = fit(config, images, split, seed=0, on_epoch=lambda m, s: None, device="cpu").metrics
        return last.train_loss, last.valid_nll

    assert (run(drawn) == run(replace(drawn, pixels=noise))) is same
