"""How many trials share a device: the choice by hand-made measurements, the probe on the CPU."""

import pytest

from search.cluster.gpu_sharing import Packing, choose, measure

GIB = 2**30


def on_gpu(trials: int, rate: float, gib: float = 1.0) -> Packing:
    return Packing(trials, rate, int(gib * GIB), 16 * GIB)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([100], 1),
        ([100, 109, 300], 1),
        ([100, 111, 122], 2),
        ([100, 180, 300, 320], 4),
        ([100, 180, 300, 500], 8),
        ([100, 0], 1),
    ],
)
def test_more_trials_only_while_each_doubling_brings_a_tenth(
    rates: list[float], expected: int
) -> None:
    tried = zip((1, 2, 4, 8), rates, strict=False)
    assert choose([on_gpu(trials, rate) for trials, rate in tried]) == expected


def test_a_fifth_of_the_memory_stays_free() -> None:
    fits = [on_gpu(1, 100, 3.2), on_gpu(2, 200, 3.2), on_gpu(4, 400, 3.2)]
    assert choose(fits) == 4
    assert choose([*fits[:2], on_gpu(4, 400, 3.3)]) == 2
    assert choose([on_gpu(1, 100, 15)]) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_probe_trains_side_by_side_and_survives_a_training_that_cannot_be() -> None:
    small = {"cut": 5, "batch_size": 16, "rnn_hidden_2": 0, "map_to_seq_hidden": 8}
    found = measure("crnn", small, 2, num_images=60)
    assert found.trials == 2
    assert found.images_per_s > 0
    assert found.fits
    assert measure("crnn", {**small, "cut": 99}, 1, num_images=60) == Packing(1, 0.0)
