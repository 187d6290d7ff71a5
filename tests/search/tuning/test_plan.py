"""Plans: spaces from outside, checked against their architecture before anything is trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from captcha_models.errors import InputError
from search.tuning.plan import plan_spaces
from search.tuning.settings import Settings
from spaces.space import Space


def own(**changes: Any) -> Space:
    space = Space(
        name="own",
        arch="crnn",
        parameters={"lr": FloatDistribution(1e-4, 1e-2, log=True)},
        baseline={"lr": 1e-3},
    )
    return replace(space, **changes)


def settings(**values: Any) -> Settings:
    return Settings.parse({"spaces": ("crnn",), **values})


def test_a_space_given_as_an_object_is_planned_by_its_own_name() -> None:
    plan = plan_spaces(settings(epochs=7, fixed={"cut": "5"}), [own()])["own"]
    assert plan.space == own()
    assert (plan.base["epochs"], plan.base["cut"], plan.base["rnn_hidden_1"]) == (7, 5, 256)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"arch": "vit"}, "space own: unknown architecture 'vit': choose one of crnn"),
        (
            {"parameters": {"depth": IntDistribution(1, 3)}, "baseline": {"depth": 1}},
            "space own: crnn has no 'depth'; it has epochs, batch_size, lr,",
        ),
        (
            {"parameters": {"lr": FloatDistribution(1e-3, 2.0)}},
            "space own: lr = 2.0: must be less than or equal to 1",
        ),
        (
            {"parameters": {"cut": IntDistribution(2, 7)}, "baseline": {"cut": 7}},
            "space own: cut = 2: must be greater than or equal to",
        ),
        (
            {"parameters": {"cut": FloatDistribution(5, 7)}, "baseline": {"cut": 7.0}},
            "space own: cut = 5.0: must be of type int",
        ),
        (
            {
                "parameters": {"normalize": CategoricalDistribution(["yes", "no"])},
                "baseline": {"normalize": "no"},
            },
            "space own: normalize = 'yes': must be of type bool",
        ),
        (
            {"parameters": {"epochs": IntDistribution(5, 7)}, "baseline": {"epochs": 7}},
            "space own: epochs is set by --epochs: leave it out",
        ),
    ],
)
def test_a_space_that_its_architecture_cannot_take_is_one_line(
    changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan_spaces(settings(), [own(**changes)])
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_spaces_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two spaces are named own"):
        plan_spaces(settings(), [own(), own(arch="pooled")])
    with pytest.raises(InputError, match="two spaces are named crnn"):
        plan_spaces(settings(spaces=("crnn", "crnn")))
