"""Spaces: suggestion, conditions, membership, pinning, JSON."""

import dataclasses
import json
import pickle
import sys
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import spaces
from spaces.space import Condition, Space, Value


def small() -> Space:
    return Space(
        name="small",
        parameters={
            "lr": FloatDistribution(1e-4, 1e-1, log=True),
            "layers": IntDistribution(1, 2),
            "width": IntDistribution(16, 64, step=16),
            "norm": CategoricalDistribution([False, True]),
        },
        conditions={"width": Condition("layers", (2,))},
        baseline={"lr": 1e-3, "layers": 2, "width": 32, "norm": False},
    )


def test_suggest_conditional_parameter_appears_only_with_its_parent() -> None:
    space = small()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(30):
        trial = study.ask()
        point = space.suggest(trial)
        seen.add("width" in point)
        assert ("width" in point) == (point["layers"] == 2)
        assert point == trial.params
        space.assert_contains(point)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lr": 1.0}, "lr = 1.0: must be a number from 0.0001 to 0.1"),
        ({"layers": 3}, "layers = 3: must be a whole number from 1 to 2"),
        ({"layers": True}, "layers = True: must be a whole number"),
        ({"width": 40}, "width = 40: must be a whole number from 16 to 64 in steps of 16"),
        ({"norm": 0}, "norm = 0: must be one of False, True"),
        ({"layers": 1}, "width = 32: appears only when layers is one of 2"),
        ({"depth": 1}, "unknown parameter 'depth': space small has lr, layers, width, norm"),
        ({"lr": float("nan")}, "lr = nan"),
        ({"lr": "x"}, "lr = 'x'"),
    ],
)
def test_assert_contains_names_parameter_value_and_rule(change: dict, text: str) -> None:
    space = small()
    point = {**space.baseline, **change}
    assert not space.contains(point)
    with pytest.raises(ValueError, match=r".") as caught:
        space.assert_contains(point)
    assert text in str(caught.value)


def test_assert_contains_refuses_an_incomplete_point() -> None:
    with pytest.raises(ValueError, match="lr is missing"):
        small().assert_contains({"layers": 1, "norm": True})
    assert small().contains({"lr": 0.01, "layers": 1, "norm": True})


def test_pinned_takes_the_parameter_out_and_keeps_its_value() -> None:
    space = small().changed({"layers": 1})
    assert "layers" not in space.parameters
    assert space.active({**space.baseline, **space.fixed}) == {
        "layers": 1,
        "lr": 1e-3,
        "norm": False,
    }
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    point = space.suggest(trial)
    assert point["layers"] == 1
    assert "width" not in point
    assert "layers" not in trial.params
    with pytest.raises(ValueError, match="layers = 2: fixed at 1"):
        space.assert_contains({**point, "layers": 2})
    with pytest.raises(ValueError, match="unknown parameter 'depth'"):
        small().changed({"depth": 1})


def test_pinned_value_may_leave_the_range_and_pins_add_up() -> None:
    space = small().changed({"layers": 7}).changed({"norm": True})
    assert dict(space.fixed) == {"layers": 7, "norm": True}
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


def test_digest_follows_a_bound_a_condition_and_a_pin() -> None:
    base = small()
    wider = Space(
        base.name,
        {**base.parameters, "layers": IntDistribution(1, 3)},
        base.baseline,
        base.conditions,
    )
    free = Space(base.name, base.parameters, base.baseline)
    digests = {s.digest for s in (base, wider, free, base.changed({"norm": True}))}
    assert len(digests) == 4
    assert small().digest == base.digest


def test_arch_is_the_name_unless_given_and_survives_json() -> None:
    plain, named = small(), dataclasses.replace(small(), arch="pooled")
    assert (plain.arch, named.arch) == ("small", "pooled")
    assert plain.digest != named.digest
    for space in (plain, named, named.changed({"layers": 1})):
        assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space
    # Records of before there was an arch have none.
    assert "arch" not in plain.to_json()


@pytest.mark.parametrize("name", ["", "all", "a/b", "..", "a b", "-a"])
def test_a_name_that_cannot_name_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="write its name in letters"):
        dataclasses.replace(small(), name=name)


@pytest.mark.parametrize(
    "broken",
    [
        {"baseline": {"lr": 1e-3, "layers": 2, "width": 32}},
        {"baseline": {"lr": 5.0, "layers": 2, "width": 32, "norm": False}},
        {"conditions": {"lr": Condition("layers", (2,))}},
        {"fixed": {"lr": 0.1}},
    ],
)
def test_a_table_that_contradicts_itself_is_refused(broken: dict) -> None:
    base = small()
    parts = {
        "name": "small",
        "parameters": base.parameters,
        "baseline": base.baseline,
        "conditions": base.conditions,
    }
    with pytest.raises(ValueError, match=r"space small|lr ="):
        Space(**{**parts, **broken})


def test_spaces_are_picklable_because_searchers_are_saved_that_way() -> None:
    """Pitfall 6 of OptunaSearch: it pickles what it holds."""
    for name in spaces.names():
        space = spaces.load(name)
        assert pickle.loads(pickle.dumps(space)) == space


def test_load_unknown_space_names_those_there_are() -> None:
    known = "no space 'transformer': choose crnn, crnn-wide, .*, or give module:NAME or file.py"
    with pytest.raises(ValueError, match=known):
        spaces.load("transformer")


OWN = """
from optuna.distributions import FloatDistribution
from spaces.space import Space
SMALL = Space("small", {"lr": FloatDistribution(1e-4, 1e-3)}, {"lr": 5e-4}, arch="pooled")
NOTHING = 3
"""


def test_a_space_of_ones_own_is_read_from_a_file_or_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_space.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    found = spaces.load("my_own_space.py:SMALL")
    assert (found.name, found.arch) == ("small", "pooled")
    assert spaces.load(f"{tmp_path / 'my_own_space.py'}:SMALL") is found
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert spaces.load("my_own_space:SMALL") == found
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_space_of_another_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_space.py").write_text(OWN)
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[captcha_search.spaces]\nours = their_space:SMALL\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert spaces.names()[-2:] == ("spatial-wide", "ours")
    assert spaces.load("ours").name == "small"


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        ("none.py:SMALL", "no file none.py: give file.py:NAME"),
        ("own.py:LARGE", "own.py:LARGE: own.py has no 'LARGE'; it has FloatDistribution, Space, "),
        ("own.py:NOTHING", "own.py:NOTHING is no Space but 3"),
        ("broken.py:SMALL", "broken.py:SMALL: broken.py cannot be loaded: ZeroDivisionError"),
        ("typo.py:SMALL", "typo.py:SMALL: typo.py cannot be loaded: SyntaxError"),
        ("outside.py:A", "cannot be loaded: ValueError: lr = 1.0: must be a number from 0.1"),
        ("no_such_module:A", "no_such_module cannot be loaded: ModuleNotFoundError"),
        (":A", ":A: "),
        ("own.py:", "own.py has no ''"),
    ],
)
def test_a_reference_to_no_space_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ref: str, text: str
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "typo.py").write_text("SMALL = (")
    (tmp_path / "outside.py").write_text(
        OWN.replace("1e-4, 1e-3", "0.1, 0.2").replace("5e-4", "1.0")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(ValueError, match=r".") as caught:
        spaces.load(ref)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parent_pinned_where_the_table_ends_leaves_its_children() -> None:
    def start(space: Space) -> dict[str, Value]:
        return space.active({**space.baseline, **space.fixed})

    assert "width" not in start(small().changed({"layers": 1}))
    # Of three layers the table says nothing; that they have no width it does not say.
    outside = small().changed({"layers": 3})
    assert start(outside)["width"] == 32
    assert outside.conditions == {}
    pooled = spaces.load("pooled-wide")
    assert "splice" not in start(pooled)
    assert "splice" in start(pooled.changed({"joint_weight": 0.5}))
