"""What every space owes."""

import json

import optuna
import pytest

import spaces
from captcha_models import architectures
from captcha_models.architectures import config_class
from captcha_models.config import SHIPPED, read_values
from spaces.space import Space, Value


def test_every_architecture_has_a_space() -> None:
    assert set(architectures.built_in()) <= {spaces.load(name).arch for name in spaces.names()}


@pytest.mark.parametrize("name", spaces.names())
class TestSpace:
    def test_baseline_is_inside(self, name: str) -> None:
        space = spaces.load(name)
        assert space.name == name
        space.assert_contains(space.active(space.baseline))

    def test_known_points_are_inside(self, name: str) -> None:
        space = spaces.load(name)
        for point in space.known:
            space.assert_contains(space.active(point))
            pinned = space.changed({"lr": 1e-3})
            pinned.assert_contains({**pinned.active(point), "lr": 1e-3})

    def test_the_last_known_point_is_the_quick_configuration(self, name: str) -> None:
        space = spaces.load(name)
        if not (SHIPPED / f"quick-{name}.toml").is_file():
            pytest.skip(f"no quick configuration of {name}")
        quick = config_class(name).parse(read_values("quick", name)).model_dump()
        assert space.active(space.known[-1]) == space.active(
            {k: v for k, v in quick.items() if k in space.parameters}
        )

    def test_baseline_is_the_configuration_default(self, name: str) -> None:
        space, config = spaces.load(name), architectures.config_class(name)()
        for parameter, value in space.baseline.items():
            default = getattr(config, parameter)
            assert default == value, parameter
            assert type(default) is type(value), parameter

    def test_ends_and_choices_are_configurations(self, name: str) -> None:
        space, config = spaces.load(name), architectures.config_class(name)()
        for parameter, among in space.parameters.items():
            choices = getattr(among, "choices", None) or (among.low, among.high)
            for value in choices:
                assert getattr(config.changed(**{parameter: value}), parameter) == value

    def test_json_round_trip(self, name: str) -> None:
        space = spaces.load(name)
        again = Space.from_json(json.loads(json.dumps(space.to_json())))
        assert again == space
        assert again.digest == space.digest

    def test_suggestions_lie_inside_and_are_configurations(self, name: str) -> None:
        space, config_class = spaces.load(name), architectures.config_class(name)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        for _ in range(30):
            point = space.suggest(study.ask())
            space.assert_contains(point)
            config_class.parse(point)

    def test_conditions_name_values_the_parent_can_take(self, name: str) -> None:
        space = spaces.load(name)
        for child, rule in space.conditions.items():
            # What a parent depends on itself has to let it appear.
            above: dict[str, Value] = {}
            parent = space.conditions.get(rule.parent)
            while parent:
                above[parent.parent] = parent.values[0]
                parent = space.conditions.get(parent.parent)
            for value in rule.values:
                point = space.active({**space.baseline, **above, rule.parent: value})
                assert child in point
                space.assert_contains(point)
