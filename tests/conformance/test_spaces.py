"""What every space owes."""

import json

import optuna
import pytest

import spaces
from captcha_models import architectures
from captcha_models.architectures import config_class
from captcha_models.config import read_values
from spaces.ranges import inside
from spaces.space import Space, Value


def test_every_architecture_has_a_space() -> None:
    assert set(architectures.built_in()) <= {spaces.load(name).arch for name in spaces.names()}


@pytest.mark.parametrize("name", spaces.names())
class TestSpace:
    def test_baseline_is_inside(self, name: str) -> None:
        space = spaces.load(name)
        assert space.name == name
        space.assert_contains(space.start(space.baseline))

    def test_known_points_are_inside(self, name: str) -> None:
        space = spaces.load(name)
        for point in space.known:
            space.assert_contains(space.start(point))
            pinned = space.changed({"lr": 1e-3})
            pinned.assert_contains({**pinned.start(point), "lr": 1e-3})

    def test_the_baseline_of_a_space_of_few_is_the_recommended_configuration(
        self, name: str
    ) -> None:
        space = spaces.load(name)
        if name.endswith(spaces.WIDE):
            pytest.skip(f"{name} begins with the article's")
        fields = config_class(space.arch)
        shipped = fields.parse(read_values("recommended", space.arch)).model_dump()
        start = fields.parse(space.start(space.baseline)).model_dump()
        # The length of a trial is the search's, and a temperature is fitted after training.
        apart = {"epochs", "temperature"}
        assert {k: v for k, v in start.items() if shipped[k] != v and k not in apart} == {}

    def test_a_space_of_few_lies_in_the_whole_one(self, name: str) -> None:
        space = spaces.load(name)
        whole = spaces.load(name.removesuffix(spaces.WIDE) + spaces.WIDE)
        for parameter, among in space.parameters.items():
            assert whole.parameters[parameter] == among
        assert len(space.parameters) <= 12 or space == whole
        for parameter, value in space.fixed.items():
            assert inside(whole.parameters[parameter], value), parameter

    def test_baseline_of_a_whole_space_is_the_configuration_default(self, name: str) -> None:
        space = spaces.load(name)
        if not name.endswith(spaces.WIDE):
            pytest.skip(f"{name} begins with the recommended configuration")
        config = architectures.config_class(space.arch)()
        for parameter, value in space.baseline.items():
            default = getattr(config, parameter)
            assert default == value, parameter
            assert type(default) is type(value), parameter

    def test_ends_and_choices_are_configurations(self, name: str) -> None:
        space = spaces.load(name)
        config = architectures.config_class(space.arch)()
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
        space = spaces.load(name)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        for _ in range(30):
            point = space.suggest(study.ask())
            space.assert_contains(point)
            config_class(space.arch).parse(point)

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
