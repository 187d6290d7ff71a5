"""Ranges typed with --set: what they mean, what is refused, and what they owe to a space."""

import string
import warnings
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

import spaces
from captcha_models.architectures import config_class
from captcha_models.errors import InputError
from search.tuning.plan import SpacePlan, plan_spaces
from search.tuning.ranges import read_range
from search.tuning.settings import Settings
from spaces.space import Space


def planned(arch: str = "crnn-wide", **changes: str) -> SpacePlan:
    return plan_spaces(Settings.parse({"spaces": (arch,), "fixed": changes}))[arch]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lr", "1e-4..1e-3", FloatDistribution(1e-4, 1e-3, log=True)),
        ("dropout", "0..0.2", FloatDistribution(0.0, 0.2)),
        ("dropout", "log:0.01..0.2", FloatDistribution(0.01, 0.2, log=True)),
        ("cut", "5..6", IntDistribution(5, 6)),
        ("batch_size", "16..64", IntDistribution(16, 64, step=8)),
        ("batch_size", "32, 64", CategoricalDistribution([32, 64])),
        ("joint_weight", "0.1..0.9", FloatDistribution(0.1, 0.9)),
        ("normalize", "true,false", CategoricalDistribution([True, False])),
        ("augment_light", "true,false", CategoricalDistribution([True, False])),
    ],
)
def test_a_range_keeps_the_tables_scale_and_step(
    name: str, text: str, expected: BaseDistribution
) -> None:
    plan = planned(**{name: text})
    assert plan.space.parameters[name] == expected
    assert plan.space.fixed == {}
    for point in (plan.space.baseline, *plan.space.known):
        plan.space.assert_contains(plan.space.start(point))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("lr", "1e-3..1e-4", "the lower end first"),
        ("lr", "0..1e-3", "--set lr=0..1e-3: lr = '0': must be greater than 0"),
        ("weight_decay", "0..0.1", "a logarithmic range begins above 0"),
        ("lr", "1e-4..2", "--set lr=1e-4..2: lr = '2': must be less than or equal to 1"),
        ("lr", "1e-4..", "lr = '': must be a valid number"),
        ("lr", "1..2..3", "lr = '2..3': must be a valid number"),
        ("lr", "1e-3,fast", "lr = 'fast': must be a valid number"),
        ("batch_size", "16..60", "the ends have to lie whole steps of 8 apart"),
        ("batch_size", "16.5..32", "batch_size = '16.5': must be a valid integer"),
        ("normalize", "true..false", "only numbers have a range"),
        ("lr", "nan..1", "lr = 'nan'"),
        ("depth", "1..2", "--set depth: unknown; known are"),
        ("epochs", "3..9", "--set epochs: use --epochs"),
    ],
)
def test_a_wrong_range_is_one_line(name: str, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(**{name: text})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_points_are_moved_once_merged_and_said() -> None:
    plan = planned("pooled-wide", lr="1e-3..2e-3", batch_size="32,64")
    assert (plan.space.baseline["lr"], plan.space.baseline["batch_size"]) == (2e-3, 32)
    assert plan.notes == (
        "starting points of space pooled-wide: moved to the nearest allowed: lr 0.003 -> 0.002, "
        "lr 0.004 -> 0.002, batch_size 8 -> 32, batch_size 16 -> 32",
    )
    whole = spaces.load("crnn-wide")
    # What told two known points from each other is fixed.
    plan = planned(cut="5")
    assert len(plan.space.known) == len(whole.known) - 1
    (note,) = plan.notes
    assert note == "starting points of space crnn-wide: 1 left out for being equal to another"
    assert planned().notes == ()


def test_a_field_that_did_not_vary_may_be_made_to() -> None:
    plan = planned(augment_light="false,true", temperature="0.5..2")
    assert plan.space.baseline["augment_light"] is True
    assert plan.space.parameters["temperature"] == FloatDistribution(0.5, 2.0)
    assert len(plan.space.known) == len(spaces.load("crnn-wide").known)


def test_what_a_space_fixes_varies_or_stays_as_it_is_typed() -> None:
    space = planned("crnn", clip="0.0", joint_weight="0.1..0.9", ema="0.0,0.98").space
    assert space.fixed["clip"] == 0.0
    assert space.parameters["joint_weight"] == FloatDistribution(0.1, 0.9)
    assert space.fixed.keys().isdisjoint({"joint_weight", "ema"})
    start = space.start(space.baseline)
    # The baseline moves to the nearest, where what the space had fixed is no longer allowed.
    assert (start["joint_weight"], start["ema"], start["clip"]) == (0.9, 0.98, 0.0)


def test_a_condition_on_values_that_the_table_has_not_falls() -> None:
    assert "aux_prior" in planned(aux_weight="0.3,1.0").space.conditions
    assert "aux_prior" not in planned(aux_weight="0.1..0.9").space.conditions


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A space's name and values, choices and ranges of some of its parameters, as typed."""
    name = draw(st.sampled_from(spaces.names()))
    table = spaces.load(name).parameters
    found = {}
    for parameter in draw(st.lists(st.sampled_from(sorted(table)), max_size=4, unique=True)):
        among = table[parameter]
        if isinstance(among, CategoricalDistribution):
            some = draw(st.lists(st.sampled_from(among.choices), min_size=1, max_size=4))
            found[parameter] = ",".join(str(value) for value in some)
            continue
        assert isinstance(among, FloatDistribution | IntDistribution)
        if isinstance(among, IntDistribution):
            most = int((among.high - among.low) // among.step)
            values: Any = st.integers(0, most).map(lambda n, a=among: a.low + n * a.step)
        else:
            values = st.floats(among.low, among.high)
        low, high = sorted((draw(values), draw(values)))
        form = draw(st.sampled_from(("..", ",", "one")))
        found[parameter] = str(low) if form == "one" else f"{low!r}{form}{high!r}"
    return name, found


@given(changes(), st.integers(0, 2**31))
@examples(max_examples=150, deadline=None)
def test_every_suggestion_and_point_lies_inside(
    case: tuple[str, dict[str, str]], seed: int
) -> None:
    name, typed = case
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns of a range that it changes.
        space, table = planned(name, **typed).space, spaces.load(name)
    starts = [space.start(point) for point in (space.baseline, *space.known)]
    for n, start in enumerate(starts):
        space.assert_contains(start)
        assert start not in starts[:n]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**31))
    for _ in range(5):
        point = space.suggest(study.ask())
        space.assert_contains(point)
        config_class(space.arch).parse(point)
        for parameter, value in point.items():
            assert allowed(typed.get(parameter), value), (parameter, value)
            # All was chosen within the table here, so that it is still inside.
            assert parameter in {**typed, **table.fixed} or table.parameters[parameter]
    assert Space.from_json(space.to_json()) == space


def allowed(text: str | None, value: object) -> bool:
    """What the text says, read without the code under test."""
    if text is None:
        return True
    if ".." in text:
        low, high = map(float, text.split(".."))
        return low <= float(str(value)) <= high
    return str(value) in text.split(",") or any(
        float(part) == value for part in text.split(",") if part not in ("True", "False")
    )


@given(st.text(string.digits + ".,-e:log ", max_size=12))
@examples(max_examples=200, deadline=None)
def test_any_text_is_a_distribution_or_one_line(text: str) -> None:
    fields = config_class("crnn")
    for name in ("lr", "batch_size", "normalize"):
        try:
            found = read_range(fields, name, text, spaces.load("crnn-wide").parameters[name])
        except InputError as error:
            assert str(error).startswith(f"--set {name}={text}: ")
            assert "\n" not in str(error)
        else:
            assert isinstance(found, BaseDistribution)
