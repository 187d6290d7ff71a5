"""Captchas put together from parts of others, and the alignment that finds the parts."""

from itertools import product

import pytest
import torch
from torch import Tensor

from captcha_models.ctc_path import align
from captcha_models.splice import WITHIN, splice
from tests.reference import collapse, emissions

STRIDE = 4


@pytest.mark.parametrize("label", [(1,), (1, 2), (2, 2), (1, 2, 1)])
def test_the_path_is_the_most_probable_of_all_that_spell_the_label(label: tuple[int, ...]) -> None:
    steps, classes = 6, 3
    log_probs = emissions(len(label), steps, 5, classes, sharp=2.0).double()
    targets = torch.tensor([[*label, *[0] * (3 - len(label))]] * 5)
    middles, cost = align(log_probs, targets, torch.full((5,), len(label)))
    spelling = [p for p in product(range(classes), repeat=steps) if collapse(p) == label]
    for image in range(5):
        rows = log_probs[:, image]
        best = max(spelling, key=lambda path: float(sum(rows[t, k] for t, k in enumerate(path))))
        assert cost[image] == pytest.approx(-float(sum(rows[t, k] for t, k in enumerate(best))))
        # Its runs of symbols, blanks left out: where they lie in the middle.
        runs: list[list[int]] = []
        for t, symbol in enumerate(best):
            if symbol and (t == 0 or best[t - 1] != symbol):
                runs.append([])
            if symbol:
                runs[-1].append(t)
        expected = [sum(run) / len(run) for run in runs]
        assert middles[image, : len(label)].tolist() == pytest.approx(expected)


def test_mixed_precision_does_not_round_where_symbols_lie() -> None:
    log_probs = seen([[5, 12, 19, 26, 37]], TARGETS[:1])
    for step in range(34, 41):
        log_probs[step] = log_probs[37]
    with torch.autocast("cpu", torch.bfloat16):
        middles = align(log_probs, TARGETS[:1], torch.tensor([5]))[0]
    # 34 to 40 add up to 259, which bfloat16 does not have.
    assert middles.tolist() == [[5, 12, 19, 26, 37]]


def test_no_path_through_too_few_steps() -> None:
    log_probs = emissions(0, 2, 1, 3)
    assert align(log_probs, torch.tensor([[1, 1]]), torch.tensor([2]))[1] > 1e29


def seen(places: list[list[int]], targets: Tensor, sure: float = 20.0) -> Tensor:
    """(T, N, K) of images whose symbols are surely seen at these steps."""
    logits = torch.zeros(50, len(places), 20)
    logits[:, :, 0] = sure / 2
    for row, steps in enumerate(places):
        for symbol, step in zip(targets[row].tolist(), steps, strict=True):
            logits[step, row, symbol] = sure
    return logits.log_softmax(dim=2)


PLACES = [[5, 12, 19, 26, 33], [5, 12, 22, 30, 38]]
TARGETS = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])


def pictures(count: int) -> Tensor:
    """(N, 1, 50, 200) each image of one grey of its own."""
    return (torch.arange(count) / 10 + 0.1)[:, None, None, None].expand(-1, 1, 50, 200).clone()


def test_right_parts_are_exchanged_where_symbols_meet_in_both() -> None:
    torch.manual_seed(0)
    log_probs = seen(PLACES, TARGETS)
    found = set()
    for _ in range(20):
        images, targets = splice(pictures(2), TARGETS, log_probs, STRIDE, 1.0)
        for row, (image, target) in enumerate(zip(images, targets, strict=True)):
            kept = int((target == TARGETS[row]).sum())
            assert target.tolist() == [*TARGETS[row, :kept], *TARGETS[1 - row, kept:]]
            found.add(kept)
            left, right = pictures(2)[row, 0, 0, 0], pictures(2)[1 - row, 0, 0, 0]
            # Between symbols 5 and 12 at 4 px a step: 34 px, in both images.
            columns = int((image[0, 0] == left).sum())
            assert columns == 34
            assert (image[..., :columns] == left).all()
            assert (image[..., columns:] == right).all()
    # Symbols two and three meet at 15.5 and 17 steps, 6 px apart: too far.
    assert WITHIN < 6
    assert found == {1}


def test_what_is_not_read_is_left_alone_and_so_is_what_chance_spares() -> None:
    unsure = seen(PLACES, TARGETS, sure=1.0)
    images, targets = splice(pictures(2), TARGETS, unsure, STRIDE, 1.0)
    assert torch.equal(images, pictures(2))
    assert torch.equal(targets, TARGETS)
    images, targets = splice(pictures(2), TARGETS, seen(PLACES, TARGETS), STRIDE, 0.0)
    assert torch.equal(targets, TARGETS)
    torch.manual_seed(0)
    many = TARGETS.repeat(300, 1)
    some = splice(pictures(600), many, seen(PLACES * 300, many), STRIDE, 0.3)[1]
    changed = (some != many).any(dim=1).float().mean()
    # A partner with another label fits at one place of four, one with the same label at each.
    assert changed == pytest.approx(0.3 / 5, abs=0.02)


def test_shorter_labels_keep_their_padding() -> None:
    torch.manual_seed(0)
    targets = torch.tensor([[1, 2, 3, 0, 0], [6, 7, 8, 9, 10]])
    logits = torch.zeros(50, 2, 20)
    logits[:, :, 0] = 10.0
    for row, steps in enumerate(PLACES):
        for symbol, step in zip(targets[row].tolist(), steps, strict=True):
            if symbol:
                logits[step, row, symbol] = 20.0
    ended = splice(pictures(2), targets, logits.log_softmax(dim=2), STRIDE, 1.0)[1]
    assert ended.tolist() == [[1, 7, 8, 9, 10], [6, 2, 3, 0, 0]]


def test_labels_of_one_symbol_have_nothing_to_exchange() -> None:
    images, targets = splice(pictures(2), TARGETS[:, :1], seen([[5], [5]], TARGETS[:, :1]), 4, 1.0)
    assert torch.equal(images, pictures(2))
    assert torch.equal(targets, TARGETS[:, :1])
