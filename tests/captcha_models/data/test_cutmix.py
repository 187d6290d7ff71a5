"""Captchas put together from parts of others, and where those are cut."""

from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from captcha_models.ctc.alignment import align
from captcha_models.ctc.loss import min_steps
from captcha_models.data.cutmix import REACH, splice
from captcha_models.data.segmentation import LATE, find_seams
from tests.reference import collapse, emissions

STRIDE = 2
WIDTH = 200
GAP = 3


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
    targets = torch.tensor([[1, 2, 3, 4, 5]])
    logits = torch.zeros(50, 1, 20)
    for symbol, step in zip(targets[0], [5, 12, 19, 26, 37], strict=True):
        logits[step, 0, symbol] = 40.0
    logits[34:41] = logits[37]
    logits[:, :, 0] = 20.0
    log_probs = logits.log_softmax(dim=2)
    with torch.autocast("cpu", torch.bfloat16):
        middles = align(log_probs, targets, torch.tensor([5]))[0]
    # 34 to 40 add up to 259, which bfloat16 does not have.
    assert middles.tolist() == [[5, 12, 19, 26, 37]]


def test_no_path_through_too_few_steps() -> None:
    log_probs = emissions(0, 2, 1, 3)
    assert align(log_probs, torch.tensor([[1, 1]]), torch.tensor([2]))[1] > 1e29


def wide(symbol: int) -> int:
    """Px of the bar that stands for a symbol."""
    return 12 + 2 * (symbol % 4)


def pictures(targets: Tensor, gap: int = GAP) -> tuple[Tensor, list[list[int]]]:
    """Each symbol a bar of a grey of its own; (N, 1, 6, W) and the first px of each bar."""
    images, begins = torch.zeros(len(targets), 1, 6, WIDTH), []
    for image, target in zip(images, targets.tolist(), strict=True):
        x, row = 20, []
        for symbol in filter(None, target):
            # Every second line, for ink is what differs within a column.
            image[:, ::2, x : x + wide(symbol)] = symbol / 20
            row.append(x)
            x += wide(symbol) + gap
        begins.append(row)
    return images, begins


def seen(targets: Tensor, begins: list[list[int]], late: int = 0, sure: float = 20.0) -> Tensor:
    """(T, N, K) what surely sees each bar, so many px late, and blanks elsewhere."""
    logits = torch.zeros(WIDTH // STRIDE, len(targets), 20)
    logits[:, :, 0] = sure / 2
    for row, (target, xs) in enumerate(zip(targets.tolist(), begins, strict=True)):
        for symbol, x in zip(filter(None, target), xs, strict=True):
            middle = x + wide(symbol) / 2 + late
            logits[round(middle / STRIDE), row, symbol] = sure
    return logits.log_softmax(dim=2)


def spelt(image: Tensor) -> list[int]:
    """The symbols whose bars a picture shows, each whole."""
    found = []
    values = [round(20 * float(x)) for x in image[0, 0]]
    for symbol, run in groupby(values):
        if symbol:
            assert len(list(run)) == wide(symbol)
            found.append(symbol)
    return found


def some(count: int, seed: int = 0, shortest: int = 5) -> Tensor:
    """(N, 5) labels of so many symbols or more."""
    chance = torch.Generator().manual_seed(seed)
    targets = torch.randint(1, 20, (count, 5), generator=chance)
    lengths = torch.randint(shortest, 6, (count, 1), generator=chance)
    return targets.where(torch.arange(5) < lengths, 0)


@pytest.mark.parametrize("late", [2 - LATE, 0, 2, LATE - 2])
def test_seams_lie_where_there_is_no_ink_however_late_the_network_is(late: int) -> None:
    targets = some(12, shortest=2)
    images, begins = pictures(targets)
    seams = find_seams(images, targets, seen(targets, begins, late), STRIDE)
    lengths = (targets > 0).sum(dim=1)
    for row, (length, xs) in enumerate(zip(lengths.tolist(), begins, strict=True)):
        assert seams.clear[row].tolist() == [k <= length for k in range(6)]
        for k in range(1, length):
            assert xs[k] - GAP <= seams.at[row, k] < xs[k]
        end = xs[-1] + wide(int(targets[row, length - 1]))
        assert 0 <= xs[0] - int(seams.at[row, 0]) <= 3 * LATE
        assert 0 <= int(seams.at[row, length]) - end <= 3 * LATE


def test_where_ink_runs_through_there_is_no_clear_seam() -> None:
    targets = some(4)
    images, begins = pictures(targets)
    images[0, :, ::2, begins[0][2] - 2 * GAP : begins[0][2] + GAP] = 1.0
    clear = find_seams(images, targets, seen(targets, begins), STRIDE).clear
    assert clear[0].tolist() == [True, True, False, True, True, True]
    assert clear[1:].all()


@pytest.mark.parametrize("late", [-12, -8, 8, 12])
def test_a_network_that_is_too_late_finds_no_clear_seam(late: int) -> None:
    targets = some(16)
    images, begins = pictures(targets)
    assert not find_seams(images, targets, seen(targets, begins, late), STRIDE).clear.any()


def test_where_there_is_no_ink_at_all_nothing_is_clear() -> None:
    targets = some(4)
    _, begins = pictures(targets)
    for grey in (0.0, 0.7, float("nan")):
        blank = torch.full((4, 1, 6, WIDTH), grey)
        assert not find_seams(blank, targets, seen(targets, begins), STRIDE).clear.any()


def test_nothing_waits_for_the_device() -> None:
    targets = some(4)
    images, begins = pictures(targets)
    # Whatever needs a value on the way fails where there are none.
    there = [part.to("meta") for part in (images, targets, seen(targets, begins))]
    mixed, labels = splice(*there, STRIDE, 1.0)
    assert (mixed.shape, labels.shape) == (images.shape, targets.shape)


def test_what_is_not_read_has_no_seam_and_neither_has_a_single_symbol() -> None:
    targets = some(4)
    targets[3, 1:] = 0
    images, begins = pictures(targets)
    log_probs = seen(targets, begins)
    log_probs[:, 1] = seen(targets, begins, sure=1.0)[:, 1]
    clear = find_seams(images, targets, log_probs, STRIDE).clear
    assert clear.any(dim=1).tolist() == [True, False, True, False]


def test_a_new_label_is_what_the_new_picture_shows() -> None:
    torch.manual_seed(0)
    kept, moved, sizes, changed = 0, set(), set(), 0
    for seed in range(20):
        targets = some(16, seed, shortest=2)
        images, begins = pictures(targets)
        before = images.clone()
        log_probs = seen(targets, begins, late=2)
        mixed, labels = splice(images, targets, log_probs, STRIDE, 1.0)
        assert torch.equal(images, before)
        assert torch.equal(labels > 0, targets > 0)
        for row, (image, label) in enumerate(zip(mixed, labels.tolist(), strict=True)):
            assert spelt(image) == [symbol for symbol in label if symbol]
            assert (image[..., : 20 - 3 * LATE] == 0).all()
            differs = [k for k in range(5) if label[k] != targets[row, k]]
            kept += not differs
            if differs:
                changed += 1
                run = label[differs[0] : differs[-1] + 1]
                sizes.add(len(run))
                # The run stands in another captcha, at the same place or at one nearby.
                places = {
                    (k - differs[0], x - begins[row][differs[0]])
                    for other, xs in zip(targets.tolist(), begins, strict=True)
                    for k, x in enumerate(xs)
                    if other[k : k + len(run)] == run
                }
                assert any(abs(by) <= REACH + 3 * LATE for _, by in places)
                if len(places) == 1:
                    moved |= {places.pop()[0]}
    assert changed > 10 * kept
    assert sizes == {1, 2, 3, 4, 5}
    assert {-1, 0, 1} <= moved


@pytest.mark.parametrize("margin", [0, 1, 5, 20])
def test_no_symbol_is_pushed_over_the_edge(margin: int) -> None:
    torch.manual_seed(0)
    changed = 0
    for seed in range(10):
        targets = some(16, seed)
        images, begins = pictures(targets)
        for row, xs in enumerate(begins):
            by = WIDTH - margin - xs[-1] - wide(int(targets[row, -1]))
            images[row] = images[row].roll(by, dims=2)
            begins[row] = [x + by for x in xs]
        mixed, labels = splice(images, targets, seen(targets, begins), STRIDE, 1.0)
        assert [spelt(image) for image in mixed] == labels.tolist()
        changed += int((labels != targets).any(dim=1).sum())
    assert bool(changed) == (margin > 1)


def test_an_image_that_is_not_read_gives_nothing_either() -> None:
    torch.manual_seed(0)
    targets = some(3)
    images, begins = pictures(targets)
    log_probs = seen(targets, begins)
    log_probs[:, 2] = seen(targets, begins, sure=1.0)[:, 2]
    for _ in range(50):
        labels = splice(images, targets, log_probs, STRIDE, 1.0)[1]
        known = {*targets[0].tolist(), *targets[1].tolist()}
        assert {*labels[0].tolist(), *labels[1].tolist()} <= known
        assert torch.equal(labels[2], targets[2])


def test_what_is_not_read_is_left_alone_and_so_is_what_chance_spares() -> None:
    targets = some(600)
    images, begins = pictures(targets)
    unsure = splice(images, targets, seen(targets, begins, sure=1.0), STRIDE, 1.0)
    spared = splice(images, targets, seen(targets, begins), STRIDE, 0.0)
    for mixed, labels in (unsure, spared):
        assert torch.equal(mixed, images)
        assert torch.equal(labels, targets)
    torch.manual_seed(0)
    changed = (splice(images, targets, seen(targets, begins), STRIDE, 0.3)[1] != targets).any(dim=1)
    # One symbol may be replaced by its equal.
    assert changed.float().mean() == pytest.approx(0.3, abs=0.04)


def test_one_image_has_no_other_and_one_symbol_no_seam() -> None:
    for targets in (some(1), some(3)[:, :1]):
        images, begins = pictures(targets)
        mixed, labels = splice(images, targets, seen(targets, begins), STRIDE, 1.0)
        assert torch.equal(mixed, images)
        assert torch.equal(labels, targets)


def test_no_label_is_put_together_that_needs_more_columns_than_there_are() -> None:
    torch.manual_seed(0)
    column, left_out, changed = 40, 0, 0
    for seed in range(30):
        chance = torch.Generator().manual_seed(seed)
        # No equal neighbours, until a splice puts some side by side.
        kinds = torch.tensor([[1, 2, 1, 2, 1], [2, 1, 2, 1, 2], [1, 2, 3, 1, 2]])
        targets = kinds[torch.randint(0, 3, (12,), generator=chance)]
        images = torch.zeros(12, 1, 6, WIDTH)
        for image, target in zip(images, targets.tolist(), strict=True):
            for k, symbol in enumerate(target):
                begin = column * k + 10 - wide(symbol) // 2
                image[:, ::2, begin : begin + wide(symbol)] = symbol / 20
        # A column for each symbol, and a sixth that sees nothing.
        logits = torch.zeros(6, 12, 20)
        logits[5, :, 0] = 20.0
        logits[:5].scatter_(2, targets.T[..., None], 20.0)
        state = torch.get_rng_state()
        found = []
        for log_probs in (logits.log_softmax(dim=2), logits[:5].log_softmax(dim=2)):
            torch.set_rng_state(state)
            mixed, labels = splice(images, targets, log_probs, column, 1.0)
            assert [spelt(image) for image in mixed] == labels.tolist()
            assert (min_steps(labels) <= len(log_probs)).all()
            found.append(labels)
        more, fewer = found
        fits = min_steps(more) <= 5
        # What fits is as it was, what does not is left alone.
        assert torch.equal(fewer[fits], more[fits])
        assert torch.equal(fewer[~fits], targets[~fits])
        left_out += int((~fits).sum())
        changed += int((fewer != targets).any(dim=1).sum())
    assert left_out > 20
    assert changed > 20
