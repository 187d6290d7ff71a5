"""The CTC loss against full enumeration of all alignments."""

from itertools import pairwise

import pytest
import torch

from captcha_models.ctc.forward import forward_nll
from captcha_models.ctc.loss import min_steps, nll_per_captcha
from tests.reference import all_paths, emissions


@pytest.mark.parametrize(("steps", "classes"), [(1, 2), (3, 2), (4, 3), (5, 3)])
def test_loss_equals_enumeration_for_every_labelling(steps: int, classes: int) -> None:
    log_probs = emissions(1, steps, 1, classes)
    (table,) = all_paths(steps, classes).table(log_probs.numpy())
    assert steps < 3 or any(a == b for label in table for a, b in pairwise(label))
    targets = torch.full((len(table), steps), classes - 1)  # padding that would count if read
    for row, label in zip(targets, table, strict=True):
        row[: len(label)] = torch.tensor(label)
    lengths = torch.tensor([len(label) for label in table])
    nll = nll_per_captcha(log_probs.expand(-1, len(table), -1), targets, lengths)
    assert nll.tolist() == pytest.approx([-p for p in table.values()], abs=1e-5)


def test_loss_of_whole_labels_needs_no_lengths() -> None:
    log_probs = emissions(2, 6, 3, 4)
    targets = torch.tensor([[1, 1, 2], [1, 2, 3], [3, 2, 3]])
    tables = all_paths(6, 4).table(log_probs.numpy())
    wanted = [-table[tuple(row)] for table, row in zip(tables, targets.tolist(), strict=True)]
    assert nll_per_captcha(log_probs, targets).tolist() == pytest.approx(wanted, abs=1e-5)


def test_loss_gradient_equals_finite_differences() -> None:
    logits = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    targets = torch.tensor([[1, 1], [1, 2]])
    assert torch.autograd.gradcheck(
        lambda x: nll_per_captcha(x.log_softmax(dim=2), targets), logits.requires_grad_()
    )


def test_loss_gradient_is_finite_where_the_label_all_but_cannot_be() -> None:
    logits = torch.zeros(5, 2, 4)
    logits[:, 0, 3], logits[:, 1, 0] = 200.0, 500.0
    logits.requires_grad_()
    loss = nll_per_captcha(logits.log_softmax(dim=2), torch.tensor([[1, 1, 1], [1, 2, 3]]))
    loss.sum().backward()
    assert logits.grad is not None
    assert loss.isfinite().all() and logits.grad.isfinite().all() and logits.grad.any()


def test_loss_of_half_precision_is_summed_in_float32() -> None:
    half = emissions(4, 13, 4, 20).bfloat16()
    targets = torch.tensor([[1, 2, 3, 4, 5]] * 4)
    nll = nll_per_captcha(half, targets)
    assert nll.dtype == torch.float32
    assert torch.equal(nll, nll_per_captcha(half.float(), targets))


def test_min_steps_counts_equal_neighbours_inside_the_label_only() -> None:
    targets = torch.tensor([[1, 2, 1], [1, 1, 2], [2, 2, 2], [2, 2, 2], [1, 1, 1]])
    assert min_steps(targets).tolist() == [3, 4, 5, 5, 5]
    assert min_steps(targets, torch.tensor([3, 3, 3, 2, 0])).tolist() == [3, 4, 5, 3, 0]


def test_loss_is_finite_at_min_steps_and_refused_below() -> None:
    targets = torch.tensor([[1, 2, 3], [1, 1, 2]])
    assert nll_per_captcha(emissions(5, 4, 2, 4), targets).isfinite().all()
    with pytest.raises(ValueError, match=r"T = 3 steps, but the label in row 1 .* needs 4"):
        nll_per_captcha(emissions(5, 3, 2, 4), targets)


@pytest.mark.parametrize(
    ("targets", "lengths", "message"),
    [
        ([[1, 2]], None, r"targets must be \(N, L\) with N = 2, got \(1, 2\)"),
        ([[1, 2], [1, 4]], None, r"class ids in 1\.\.3, got \[1, 4\] in row 1"),
        ([[0, 2], [1, 3]], None, r"class ids in 1\.\.3, got \[0, 2\] in row 0"),
        ([[1, 2], [1, 3]], [2], r"target_lengths must be \(2,\) with values in 0\.\.2"),
        ([[1, 2], [1, 3]], [2, 3], r"target_lengths must be \(2,\) with values in 0\.\.2"),
    ],
)
def test_loss_refuses_wrong_targets(
    targets: list[list[int]], lengths: list[int] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        nll_per_captcha(
            emissions(6, 6, 2, 4),
            torch.tensor(targets),
            None if lengths is None else torch.tensor(lengths),
        )


@pytest.mark.parametrize("steps", [5, 13])
def test_forward_recursion_gives_the_loss_and_gradient_of_torch(steps: int) -> None:
    generator = torch.Generator().manual_seed(steps)
    logits = torch.randn(steps, 40, 6, generator=generator, dtype=torch.float64) * 3
    targets = torch.randint(1, 6, (40, 4), generator=generator)
    lengths = torch.randint(0, 5, (40,), generator=generator)
    fits = min_steps(targets, lengths) <= steps
    targets[torch.arange(4) >= lengths[:, None]] = 0
    results = []
    for loss in (forward_nll, nll_per_captcha):
        leaf = logits[:, fits].clone().requires_grad_()
        nll = loss(leaf.log_softmax(dim=2), targets[fits], lengths[fits])
        nll.sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        results.append((nll.detach(), leaf.grad))
    assert len(results[0][0]) > 20
    torch.testing.assert_close(*results)


def test_forward_recursion_calls_a_label_that_does_not_fit_impossible() -> None:
    log_probs = emissions(3, 3, 2, 4)
    nll = forward_nll(log_probs, torch.tensor([[1, 1, 0], [1, 1, 2]]), torch.tensor([2, 3]))
    assert nll.isfinite().tolist() == [True, False]
    assert nll[1] == float("inf")
